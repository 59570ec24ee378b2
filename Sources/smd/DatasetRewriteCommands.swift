import ArgumentParser
import Configuration
import DataSets
import Files
import Foundation

/// What commands share that write a data set of samples of others.
struct RewriteOptions: ParsableArguments {
    @OptionGroup var file: DataSetFileOptions

    @Flag(help: "Leave the labels out.")
    var noLabels = false

    /// Opens data sets from elsewhere; those that are too large for memory are read as they are needed.
    func open(_ files: [String]) throws -> [DataSet] {
        try files.map { file in
            guard !isSameFile(file, self.file.output) else {
                throw CommandFailure(
                    .cannotCreateOutput, "\(self.file.output): is \(file), which is read; give another name")
            }
            try FileTrial.run(.dataset, file)
            return try DataSet(path: file)
        }
    }

    /// Writes a selection and says so. `arguments` are the command without where it writes to.
    func write(
        _ selection: SampleSelection, _ arguments: [String], to output: String? = nil, treatment: ImageTreatment? = nil
    ) throws {
        let progress = WorkProgress("writing", unit: "samples")
        let job = file.preparation(
            arguments + (noLabels ? ["--no-labels"] : []), to: output,
            source: selection.sets.map(\.path).joined(separator: ", "), progress: progress.update)
        try selection.write(job, labelled: !noLabels, treatment: treatment)
        progress.finish()
        try printOut(printable("\(job.output): \(selection.places.count) \(selection.sets[0].sample.kind)"))
    }
}

/// `smd dataset merge`
struct DatasetMergeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "merge",
        abstract: "Put data sets together, one after the other.",
        discussion: """
            Samples must be of one shape. Where label names differ, the new set has all of them, and labels are numbered anew. \
            The samples are copied: a set that only pointed to others would read as zeros where one of them is gone.

            EXAMPLES
              smd dataset merge cats.h5 dogs.h5 --output animals.h5
              smd dataset merge part-*.h5 --shard-size 50000 --output whole.json
            """)

    @Argument(help: "Data sets.", completion: .file(extensions: ["h5", "json"]))
    var files: [String]

    @OptionGroup var options: RewriteOptions

    func run() throws {
        try options.write(SampleSelection(options.open(files)), ["merge"] + files)
    }
}

/// `smd dataset split`
struct DatasetSplitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "split",
        abstract: "Hold a share of the samples out, as a data set of its own.",
        discussion: """
            Which samples are held out depends on the seed alone. With --stratified the share is that of every label.

            EXAMPLES
              smd dataset split photos.h5 --fraction 0.1 --stratified --output train.h5 --held-out test.h5
            """)

    @Argument(help: "A data set.", completion: .file(extensions: ["h5", "json"]))
    var file: String

    @Option(help: "Share of the samples that is held out, above 0 and below 1.")
    var fraction: Double

    @Option(help: ArgumentHelp("The data set of what is held out.", valueName: "file"), completion: .file())
    var heldOut: String

    @Flag(help: "The same share of every label.")
    var stratified = false

    @Option(help: "Seed of the choice.")
    var seed: UInt64 = 0

    @OptionGroup var options: RewriteOptions

    func validate() throws {
        guard fraction > 0 && fraction < 1 else {
            throw ValidationError("--fraction must be above 0 and below 1, not \(fraction)")
        }
    }

    func run() throws {
        guard !isSameFile(options.file.output, heldOut) else {
            throw CommandFailure(.usage, "--output and --held-out are the same file, \(heldOut)")
        }
        try requireWritable(options.file.output, overwrite: options.file.overwrite, inputs: [file])
        try requireWritable(heldOut, overwrite: options.file.overwrite, inputs: [file])
        let selection = try SampleSelection(options.open([file]))
        let labels = try selection.labels()?.numbers
        if stratified, labels == nil { throw CommandFailure(.badInput, "\(file): has no labels to keep the shares of") }
        let parts = selection.split(fraction: fraction, labels: stratified ? labels : nil, seed: seed)
        guard !parts.held.places.isEmpty else {
            throw CommandFailure(.badInput, "\(file): \(fraction) of \(selection.places.count) samples is none")
        }
        let arguments =
            ["split", file, "--fraction", "\(fraction)", "--seed", "\(seed)"] + (stratified ? ["--stratified"] : [])
        try options.write(parts.held, arguments, to: heldOut)
        try options.write(parts.rest, arguments)
    }
}

/// `smd dataset subset`
struct DatasetSubsetCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "subset",
        abstract: "Some samples of a data set: by place, by label, or drawn.",
        discussion: """
            Choices are made one after the other: --labels, --range, --indices, then --count, whose samples are drawn and \
            stay in their order.

            EXAMPLES
              smd dataset subset fashion-mnist.h5 --count 5000 --output small.h5
              smd dataset subset fashion-mnist.h5 --labels sneaker,sandal,'ankle boot' --output shoes.h5
              smd dataset subset photos.h5 --range 1000:2000 --output second.h5
              smd dataset subset photos.h5 --indices chosen.txt --output chosen.h5
            """)

    @Argument(help: "A data set.", completion: .file(extensions: ["h5", "json"]))
    var file: String

    @Option(name: [.customShort("n"), .long], help: "Number of samples to draw.")
    var count: Int?

    @Option(help: ArgumentHelp("Places, the end left out.", valueName: "begin:end"))
    var range: String?

    @Option(
        help: ArgumentHelp("Text file of places, counted from 0, in the order wanted.", valueName: "file"),
        completion: .file())
    var indices: String?

    @Option(help: ArgumentHelp("Names or numbers of labels.", valueName: "name,name"))
    var labels: String?

    @Option(help: "Seed of the draw.")
    var seed: UInt64 = 0

    @OptionGroup var options: RewriteOptions

    func validate() throws {
        if let count, count < 1 { throw ValidationError("--count must be at least 1, not \(count)") }
        guard count != nil || range != nil || indices != nil || labels != nil else {
            throw ValidationError("say which samples: --count, --range, --indices or --labels")
        }
    }

    func run() throws {
        var selection = try SampleSelection(options.open([file]))
        var arguments = ["subset", file]
        if let labels {
            try keep(labels, in: &selection)
            arguments += ["--labels", labels]
        }
        if let range {
            let ends = range.split(separator: ":", omittingEmptySubsequences: false)
            guard ends.count == 2, let begin = ends[0].isEmpty ? 0 : Int(ends[0]),
                let end = ends[1].isEmpty ? selection.places.count : Int(ends[1]), 0 <= begin, begin < end,
                end <= selection.places.count
            else {
                throw CommandFailure(.usage, "--range \(range): not begin:end within 0:\(selection.places.count)")
            }
            selection.places = Array(selection.places[begin..<end])
            arguments += ["--range", range]
        }
        if let indices {
            selection.places = try listed(indices, selection.places)
            arguments += ["--indices", indices]
        }
        if let count {
            guard count <= selection.places.count else {
                throw CommandFailure(.usage, "--count \(count): there are \(selection.places.count) samples")
            }
            if count < selection.places.count {
                selection =
                    selection.split(
                        fraction: Double(count) / Double(selection.places.count), labels: nil, seed: seed
                    ).held
            }
            arguments += ["--count", "\(count)", "--seed", "\(seed)"]
        }
        try options.write(selection, arguments)
    }

    private func keep(_ wanted: String, in selection: inout SampleSelection) throws {
        guard let (numbers, names) = try selection.labels() else {
            throw CommandFailure(.badInput, "\(file): has no labels")
        }
        var kept: Set<Int> = []
        for label in wanted.split(separator: ",").map(String.init) {
            let found = names?.firstIndex { $0.hasSameBytes(as: label) } ?? Int(label)
            guard let found, numbers.contains(found) else {
                let known = names ?? Set(numbers).sorted().map { "\($0)" }
                throw CommandFailure(
                    .usage,
                    "--labels: no sample of \(file) is \"\(label)\"; there are \(known.prefix(20).joined(separator: ", "))"
                )
            }
            kept.insert(found)
        }
        selection.places = selection.places.indices.filter { kept.contains(numbers[$0]) }.map { selection.places[$0] }
    }

    private func listed(_ path: String, _ places: [(set: Int, sample: Int)]) throws -> [(set: Int, sample: Int)] {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
            throw CommandFailure(.badInput, "\(path): cannot be read as text")
        }
        return try text.split(whereSeparator: \.isWhitespace).map { word in
            guard let place = Int(word), places.indices.contains(place) else {
                throw CommandFailure(.badInput, "\(path): \"\(word.prefix(40))\" is no place below \(places.count)")
            }
            return places[place]
        }
    }
}

/// `smd dataset shuffle`
struct DatasetShuffleCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "shuffle",
        abstract: "The samples of a data set in a random order.",
        discussion: """
            Training shuffles anyway; this is for programs that do not.

            EXAMPLES
              smd dataset shuffle photos.h5 --seed 7 --output shuffled.h5
            """)

    @Argument(help: "A data set.", completion: .file(extensions: ["h5", "json"]))
    var file: String

    @Option(help: "Seed of the order.")
    var seed: UInt64 = 0

    @OptionGroup var options: RewriteOptions

    func run() throws {
        var selection = try SampleSelection(options.open([file]))
        selection.shuffle(seed: seed)
        try options.write(selection, ["shuffle", file, "--seed", "\(seed)"])
    }
}

/// `smd dataset convert`
struct DatasetConvertCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert",
        abstract: "One file into shards, shards into one, a file of others into one of smd; other sizes and channels.",
        discussion: """
            EXAMPLES
              smd dataset convert photos.h5 --shard-size 20000 --output photos.json
              smd dataset convert photos.json --output photos.h5
              smd dataset convert photos-64.h5 --size 32 --filter box --channels 1 --output grey-32.h5
            """)

    @Argument(help: "A data set.", completion: .file(extensions: ["h5", "json"]))
    var file: String

    @Option(help: "Height and width of the new images, in pixels.")
    var size: Int?

    @Option(help: "1 for grey, 3 for colour.")
    var channels: Int?

    @Option(help: "How sizes are changed: \(ResizeFilter.allNames).")
    var filter = ResizeFilter.triangle

    @OptionGroup var options: RewriteOptions

    func validate() throws { try checkSampleSize(size, channels) }

    func run() throws {
        let selection = try SampleSelection(options.open([file]))
        var arguments = ["convert", file]
        if let size { arguments += ["--size", "\(size)", "--filter", filter.rawValue] }
        if let channels { arguments += ["--channels", "\(channels)"] }
        var treatment: ImageTreatment?
        if size != nil || channels != nil {
            guard case .image(let height, let width, let present, _) = selection.sets[0].sample else {
                throw CommandFailure(
                    .usage, "\(file): holds \(selection.sets[0].sample.kind), which have no --size or --channels")
            }
            guard size != nil || height == width else {
                throw CommandFailure(.usage, "\(file): its images are \(height)×\(width); say how large: --size")
            }
            treatment = ImageTreatment(size: size ?? height, channels: channels ?? (present < 3 ? 1 : 3))
            treatment?.filter = filter
        }
        try options.write(selection, arguments, treatment: treatment)
    }
}
