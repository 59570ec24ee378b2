import ArgumentParser
import Communication
import Configuration
import DataSets
import Diffusion
import Evaluation
import Files
import NeuralNetwork
import Sampling

/// `smd restore`: degraded images made whole with a network that was trained on whole ones.
struct RestoreCommand: RankCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Make degraded images whole: fill in, sharpen, or redraw them, with any trained network.",
        discussion: """
            Each image (or a better guess of it, --initial) is noised to --start, a share of the way to noise, and sampled \
            from there; after each step what is known of it takes its place (Come-Closer-Diffuse-Faster). Tasks: inpaint: \
            pixels that are bright in a mask are known, or all but a square in the middle; super-resolution: the mean of \
            every block of SIDE×SIDE pixels is known; none: nothing is, image to image (SDEdit). A low start keeps the \
            guess, a high one draws anew. With --guided nothing is put in its place: the network is led to what is known by \
            the gradient of a distance (moment matching), which draws the rest to match it, with any sampler; --noise \
            says how noisy what is known is, so that --task none takes noise away. Run r of image k under a seed is always the same; --average takes the mean of \
            several runs, which errs less and is smoother.

            With clean images PSNR (values in 0 ... 1) and SSIM say how near the result is; of several starts, separated by \
            commas, that with the highest PSNR is taken. The network is told the labels of the data set, where it is told \
            classes. The result is a data set like the degraded one. Ranks of mpirun share the work; what is stopped or \
            killed goes on with --resume; the file is the same on any number of ranks.

            EXAMPLES
              smd dataset degrade test.h5 --task super-resolution:4 --output coarse.h5
              smd restore runs/fashion --data coarse.h5 --task super-resolution:4 --start 0.2 --output sharp.h5
              smd restore runs/fashion --data coarse.h5 --task super-resolution:4 --start 0.05,0.1,0.2,0.4 \
            --clean test.h5 --plot sharp.png --output sharp.h5
              smd restore runs/fashion --data hidden.h5 --task inpaint:centre:14 --start 0.6 --average 4 --output filled.h5
              smd restore runs/fashion --data hidden.h5 --task inpaint:centre:14 --guided --output matching.h5
              smd restore runs/fashion --data noisy.h5 --task none --guided --noise 0.2 --output clear.h5
              smd restore runs/photos --data sketches.h5 --task none --start 0.5 --sampler ancestral --output photos.h5
              mpirun -n 8 smd restore runs/fashion --data hidden.h5 --task inpaint:mask.h5 --output filled.h5
            """)

    @Argument(
        help: ArgumentHelp("The checkpoint, or the folder of a run, whose newest is taken.", valueName: "checkpoint"),
        completion: .file(extensions: ["h5"]))
    var checkpoint: String

    @Option(help: "Data set of degraded samples.", completion: .file(extensions: ["h5", "json"]))
    var data: String

    @Option(help: ArgumentHelp("What they lack: \(ImageTask.help), or none.", valueName: "task"))
    var task: ImageTask

    @Option(
        help: ArgumentHelp(
            "Share of the way to noise that is gone back, above 0, at most 1; default: 0.2, with --guided 1.",
            valueName: "share,share"))
    var start: String?

    @Flag(help: "Lead the network to what is known by the gradient of a distance; about three times the work.")
    var guided = false

    @Option(
        help: ArgumentHelp(
            "With --guided, the deviation of noise in what is known, in units of half the range of values; default: 0.",
            valueName: "deviation"))
    var noise: Double?

    @Option(help: ArgumentHelp("With --guided, factor of the gradient; default: 1.", valueName: "w"))
    var weight: Double?

    @Option(
        help: ArgumentHelp(
            "With --guided, conjugate gradients for an evaluation: what is drawn matches what is known the better, with two "
                + "more passes each; default: 1.", valueName: "count"))
    var iterations: Int?

    @Option(
        help: ArgumentHelp("Data set of guesses of the whole samples; default: --data.", valueName: "data"),
        completion: .file(extensions: ["h5", "json"]))
    var initial: String?

    @Option(help: ArgumentHelp("Runs whose mean is taken.", valueName: "runs"))
    var average = 1

    @Option(
        help: ArgumentHelp("Data set of the whole images, which the result is compared with.", valueName: "data"),
        completion: .file(extensions: ["h5", "json"]))
    var clean: String?

    @Option(
        help: ArgumentHelp(
            "Draw the first 16 images: degraded, restored and, with --clean, clean ones below each other.",
            valueName: "png"), completion: .file(extensions: ["png"]))
    var plot: String?

    @OptionGroup var guidance: GuidanceOptions

    @OptionGroup var sampling: SamplerOptions

    @OptionGroup var output: DatasetOutputOptions

    @Flag(help: "Write JSON.")
    var json = false

    func validate() throws {
        if case .noise = task { throw ValidationError("--task \(task) is for smd dataset degrade; give none") }
        guard (1...10_000).contains(average) else {
            throw ValidationError("--average is \(average); it must be in 1 ... 10000")
        }
        guard try starts.count == 1 || clean != nil else {
            throw ValidationError("--start \(start ?? ""): several are compared by clean images, --clean")
        }
        guard guided || (noise == nil && weight == nil && iterations == nil) else {
            throw ValidationError("--noise, --weight and --iterations are for --guided, which is missing")
        }
        guard 0...100 ~= noise ?? 0, 0...1000 ~= weight ?? 1, 1...1000 ~= iterations ?? 1 else {
            throw ValidationError("--noise must be in 0 ... 100, --weight in 0 ... 1000 and --iterations in 1 ... 1000")
        }
        if guided, case .nothing = task, noise ?? 0 == 0 {
            throw ValidationError(
                "--task none --guided: all is known, and without --noise exactly; say how noisy it is")
        }
        if guided, guidance.isGuiding {
            throw ValidationError("--guided does not go with --guidance or --classifier: give one of them")
        }
    }

    /// Shares of the way to noise.
    var starts: [Double] {
        get throws {
            let start = self.start ?? (guided ? "1" : "0.2")
            let shares = start.split(separator: ",", omittingEmptySubsequences: false).map { Double($0) }
            let known = shares.compactMap { $0 }.filter { $0 > 0 && $0 <= 1 }
            guard known.count == shares.count else {
                throw ValidationError("--start is \(start), wanted numbers above 0, at most 1, such as 0.2 or 0.1,0.3")
            }
            return known
        }
    }

    func run() throws {
        try output.work(arguments, of: ["smd"], source: data, "restoring") { communicator, preparation, progress in
            let path = try triedCheckpoint(checkpoint, communicator)
            let guide = try guidance.classifier.map { try triedCheckpoint($0, communicator) }
            let job = try communicator.together("reading the checkpoint") {
                try SamplingJob(path, sampling.compute.weights)
            }
            let sets = try communicator.together("opening the data sets") { () throws -> RestorationSets in
                if communicator.rank == 0 { try tryFiles([path, guide].compactMap { $0 }) }
                return try RestorationSets(self, job.configuration.model)
            }
            let classes = try communicator.together("reading the classes") {
                try guidance.classes(job, classifier: guide).of(sets.degraded, guidance.label)
            }
            let runs = try JobPrecision.agree(sampling.compute.precision ?? job.configuration.precision, communicator)
            if communicator.rank == 0, let notice = runs.notice { progress.warn(notice) }
            let work = try communicator.together("preparing the network") {
                try RestorationWork(self, job, sets, classes, runs)
            }
            if communicator.rank == 0 {
                progress.note("restoring \(grouped(sets.degraded.count)) \(sets.degraded.sample.words), \(work.words)")
            }
            let trials = try measured(work, sets, communicator, progress)
            let best = trials.indices.max { trials[$0].psnr.value < trials[$1].psnr.value } ?? 0
            let count = try preparation.samples(
                of: sets.degraded, to: sets.degraded.sample.with(conditions: 0),
                by: "\(path) \(work.digest) batch \(work.batch)",
                block: work.batch
            ) { range in
                try work.restored(range, best) { try progress.beat() }
            }
            guard let count else { return nil }
            let report = RestorationReport(self, path, job.step, count, work, (best, trials, try figures(sets)))
            if json { try printJSON(report) } else { try printOut(report.text) }
            return nil
        }
    }

    /// What makes the same data set again.
    private var arguments: [String] {
        var words = ["restore", checkpoint, "--data", data, "--task", task.description]
        if let start { words += ["--start", start] }
        if guided { words.append("--guided") }
        if let noise { words += ["--noise", "\(noise)"] }
        if let iterations { words += ["--iterations", "\(iterations)"] }
        if let weight { words += ["--weight", "\(weight)"] }
        words += ["--average", "\(average)"]
        if let initial { words += ["--initial", initial] }
        if let clean { words += ["--clean", clean] }
        return words + guidance.arguments + sampling.arguments
    }

    /// Says now, before all work, what cannot be read or written.
    private func tryFiles(_ checkpoints: [String]) throws {
        let inputs = [data, initial, clean].compactMap { $0 }
        for file in inputs { try FileTrial.run(.dataset, file) }
        try requireWritable(output.output, overwrite: output.file.overwrite, inputs: inputs + checkpoints)
        if let plot { try requirePicture(plot, overwrite: output.file.overwrite, inputs: inputs + [output.output]) }
    }

    /// Of several starts, how near to the clean images each leads; ranks share the images.
    private func measured(
        _ work: RestorationWork, _ sets: RestorationSets, _ communicator: any Communicator, _ progress: WorkProgress
    ) throws -> [RestorationFigures] {
        guard work.starts.count > 1 else { return [] }
        let mine = share(of: sets.degraded.count, rank: communicator.rank, size: communicator.size)
        var done = 0
        return try work.starts.indices.map { start in
            let rows = try communicator.together("restoring") { () throws -> [Double] in
                var rows: [Double] = []
                for first in stride(from: mine.lowerBound, to: mine.upperBound, by: work.batch) {
                    let part = first..<min(first + work.batch, mine.upperBound)
                    rows += try sets.judged(pixels(try work.restored(part, start) { try progress.beat() }), part)
                    done += part.count
                    let all = mine.count * work.starts.count
                    try communicator.rank == 0 ? progress.update(done, all) : progress.stopIfAsked(done, all)
                }
                return rows
            }
            let all = try communicator.gather(rows.withUnsafeBytes { Array($0) }).flatMap { bytes in
                bytes.withUnsafeBytes { Array($0.bindMemory(to: Double.self)) }
            }
            // Rank 0 alone has them all: it tells the others.
            let known = try communicator.broadcast(all.withUnsafeBytes { Array($0) }, from: 0)
            return RestorationFigures(known.withUnsafeBytes { Array($0.bindMemory(to: Double.self)) })
        }
    }

    /// How near the written images, and the degraded ones, are to the clean ones; draws the picture.
    private func figures(_ sets: RestorationSets) throws -> [(name: String, figures: RestorationFigures)] {
        let written = try DataSet(path: output.output)
        if let plot {
            try drawRows([sets.degraded, written] + [sets.clean].compactMap { $0 }, to: plot)
        }
        guard sets.clean != nil else { return [] }
        let guess = initial == nil ? [] : [("guess", sets.guess)]
        return try ([("degraded", sets.degraded)] + guess + [("restored", written)]).map { name, set in
            (name, RestorationFigures(try (0..<set.count).flatMap { try sets.judged(set.pixels($0), $0..<$0 + 1) }))
        }
    }
}

extension ChosenClasses {
    /// The same, or where no label was asked for the labels of `data`, for a network that is told a class.
    ///
    /// - Parameter told: the class of all samples in the place of their labels.
    func of(_ data: DataSet, _ label: String?, told: Int? = nil) throws -> ChosenClasses {
        guard count > 0, label == nil else { return self }
        if let told, 0..<count ~= told {
            return ChosenClasses(chosen: .one(told), count: count, classifier: classifier)
        }
        guard let labels = try data.labels() else {
            throw CommandFailure(
                .badInput, "\(data.path) has no labels, and the network is told classes: give one of them, --label")
        }
        guard let bad = labels.first(where: { !(0..<count ~= $0) }) else {
            return ChosenClasses(chosen: .each(labels), count: count, classifier: classifier)
        }
        throw CommandFailure(.badInput, "\(data.path) has the label \(bad), the network knows 0 ... \(count - 1)")
    }
}
