import Arrays
import ArgumentParser
import Communication
import Configuration
import DataSets
import Evaluation
import Files
import Foundation
import HDF5
import Reports

/// `smd evaluate images`: images beside true ones.
struct EvaluateImagesCommand: RankCommand {
    static let configuration = CommandConfiguration(
        commandName: "images",
        abstract: "Compare images with a data set: Fréchet and kernel distance, precision and recall, memorisation.",
        discussion: """
            Beside each figure stands that of as many true images: of --baseline, or of a part of the data, chosen by \
            the seed, against the rest. What samples can reach is that figure, not 0 or 1. Figures do not depend on the \
            number of ranks, and only those of the same features and the same number of images can be compared. \
            docs/evaluation.md says what each figure is good for.

            Features: \(FeatureKind.help).

            EXAMPLES
              smd evaluate images samples.h5 --against fashion-mnist.h5 --features pca:64
              smd evaluate images samples.h5 --against train.h5 --baseline test.h5 --features pca:64 --json
              smd evaluate images samples.h5 --against data.h5 --features pca:64 --only memorisation --neighbours near.png
              smd evaluate images samples.h5 --against data.h5 --features pca:64 --save-statistics data.npz
              smd evaluate images samples.h5 --against data.npz --features pca:64 --only frechet
              smd evaluate images samples.h5 --against data.h5 --features classifier:runs/classifier
              mpirun -n 8 smd evaluate images samples.h5 --against data.h5 --features inception:inception.safetensors
            """)

    @Argument(
        help: ArgumentHelp("Images: what smd sample wrote, or any data set.", valueName: "samples"),
        completion: .file(extensions: ["h5", "json"]))
    var samples: String

    @Option(
        help: ArgumentHelp(
            "What they are compared with: a data set, or statistics (mu and sigma) of its features.",
            valueName: "data"), completion: .file(extensions: ["h5", "json", "npz"]))
    var against: String

    @Option(help: ArgumentHelp("What images are compared by; see above.", valueName: "name:argument"))
    var features: String

    @Option(
        help: ArgumentHelp("True images that are judged as the samples are, such as a test set.", valueName: "data"),
        completion: .file(extensions: ["h5", "json"]))
    var baseline: String?

    @Option(
        help: ArgumentHelp(
            "Only these figures, separated by commas: \(ImageMetric.all.map(\.name).joined(separator: ", ")).",
            valueName: "names"))
    var only: String?

    @Option(help: "Seed of the subsets and of the part of the data that is held out.")
    var seed: UInt64 = 0

    @Option(help: "Subsets that the kernel distance is the mean of.")
    var kernelSubsets = 100

    @Option(help: "Images of each kind in such a subset; where there are fewer, all.")
    var kernelSubsetSize = 1000

    @Option(
        help: ArgumentHelp(
            "Draw the samples that are nearest to an image of the data, each beside that image.", valueName: "file.png"),
        completion: .file(extensions: ["png"]))
    var neighbours: String?

    @Option(
        help: ArgumentHelp(
            "Write mean and covariance of the data's features, as numpy.load reads them.", valueName: "file.npz"),
        completion: .file(extensions: ["npz"]))
    var saveStatistics: String?

    @OptionGroup var watchdog: DeadlineOption

    @Flag(name: [.customShort("f"), .long], help: "Write over existing files.")
    var overwrite = false

    @Flag(help: "Write JSON.")
    var json = false

    @OptionGroup var quietness: QuietOption

    func validate() throws {
        guard (1...1_000_000).contains(kernelSubsets) else {
            throw ValidationError("--kernel-subsets is \(kernelSubsets); it must be in 1 ... 1000000")
        }
        guard (2...1_000_000).contains(kernelSubsetSize) else {
            throw ValidationError("--kernel-subset-size is \(kernelSubsetSize); it must be in 2 ... 1000000")
        }
    }

    func run() throws {
        var settings = ImageEvaluation.Settings(
            features: features, metrics: try ImageMetric.named(only.map(columnNames) ?? []),
            subsets: KernelSubsets(count: kernelSubsets, size: kernelSubsetSize), seed: seed)
        settings.wantsStatistics = saveStatistics != nil
        // No picture of neighbours without looking for them.
        if neighbours != nil, !settings.metrics.contains(where: { $0.name == ImageMetric.memorisation.name }) {
            settings.metrics.append(.memorisation)
        }
        let (kind, argument) = try FeatureKind.parse(features)
        try onAllRanks(deadline: watchdog.deadline) { communicator in
            let inputs = try communicator.together("opening the images") {
                if communicator.rank == 0 { try tryFiles() }
                return try Inputs(self)
            }
            if kind.argument == .checkpoint {
                settings.features = "\(kind.name):\(try triedCheckpoint(argument, communicator))"
            }
            let work = evaluationWork(communicator)
            let evaluation = try communicator.together("comparing images") {
                try ImageEvaluation(
                    inputs.samples, against: inputs.reference, baseline: inputs.baseline, settings, work)
            }
            let result = try evaluation.run()
            try communicator.together("writing the figures") {
                guard communicator.rank == 0 else { return }
                try write(result, inputs)
                if json {
                    try printJSON(try ImagesJSON(result, inputs, self))
                } else {
                    try printOut(try text(result, inputs))
                }
            }
        }
    }

    /// What is compared.
    fileprivate struct Inputs {
        let samples: DataSet
        let reference: ImageReference
        let baseline: DataSet?

        init(_ command: EvaluateImagesCommand) throws {
            samples = try DataSet(path: command.samples)
            reference =
                command.isStatistics
                ? .statistics(try NPZ(path: command.against)) : .images(try DataSet(path: command.against))
            baseline = try command.baseline.map { try DataSet(path: $0) }
        }

        var data: DataSet? {
            if case .images(let set) = reference { set } else { nil }
        }

        /// What the data, the baseline or the samples call their classes; nil where none has names of as many.
        func classNames(_ count: Int) throws -> [String]? {
            try [data, baseline, samples].compactMap { try $0?.labelNames() }.first { $0.count == count }
        }
    }

    private var isStatistics: Bool { against.lowercased().hasBytes(suffix: ".npz") }

    /// Reads what others may have made in a helper process first, and says now what cannot be written.
    private func tryFiles() throws {
        let sets = [samples] + (isStatistics ? [] : [against]) + (baseline.map { [$0] } ?? [])
        for set in sets { try FileTrial.run(.dataset, set) }
        let (kind, argument) = try FeatureKind.parse(features)
        let inputs = [samples, against] + (baseline.map { [$0] } ?? []) + (kind.argument == .number ? [] : [argument])
        if let neighbours { try requirePicture(neighbours, overwrite: overwrite, inputs: inputs) }
        if let saveStatistics {
            try requireWritable(
                saveStatistics, overwrite: overwrite, inputs: inputs + (neighbours.map { [$0] } ?? []))
        }
    }

    private func write(_ result: ImageEvaluation.Result, _ inputs: Inputs) throws {
        try creatingOutput {
            if let neighbours, let data = inputs.data, let nearest = result.nearestData {
                try closestPairs(inputs.samples, data, nearest).write(to: neighbours)
            }
            if let saveStatistics, let statistics = result.statistics {
                try NPZ.encode(statistics).withUnsafeBytes {
                    try DurableFile.write($0, to: saveStatistics, replacing: overwrite)
                }
            }
        }
    }

    /// Images by class; nil where the features tell none apart.
    private func classTable(_ result: ImageEvaluation.Result, _ inputs: Inputs) throws -> String? {
        guard let counts = result.classCounts else { return nil }
        let names = try inputs.classNames(counts.samples.count)
        func cells(_ counts: [Int], _ k: Int) -> [String] {
            let share = 100 * Double(counts[k]) / Double(max(1, counts.reduce(0, +)))
            return [grouped(counts[k]), String(format: "%.1f %%", share)]
        }
        return aligned(
            [["class", "samples", ""] + (counts.data == nil ? [] : ["data", ""])]
                + counts.samples.indices.map { k in
                    ["\(k)" + (names.map { " \($0[k])" } ?? "")] + cells(counts.samples, k)
                        + (counts.data.map { cells($0, k) } ?? [])
                })
    }

    private func text(_ result: ImageEvaluation.Result, _ inputs: Inputs) throws -> String {
        var lines = [
            "samples   \(samples): \(grouped(inputs.samples.count)) images",
            "against   \(against)" + (inputs.data.map { ": \(grouped($0.count)) images" } ?? ": statistics"),
            "features  \(result.featuresName), \(grouped(result.dimension)) numbers an image, digest "
                + "\(result.featuresDigest.prefix(16))", "",
        ]
        let others = result.baseline?.figures.map { $0.estimate.text }
        lines.append(
            aligned(
                [["", "samples"] + (others == nil ? [] : ["true images"])]
                    + result.figures.enumerated().map { row, figure in
                        [figure.name, figure.estimate.text] + (others.map { [$0[row]] } ?? [])
                    }))
        lines += try classTable(result, inputs).map { ["", $0] } ?? []
        guard let count = result.baseline?.count else {
            let reason = inputs.data == nil ? "statistics hold no images" : "the data are too few to hold some out"
            return (lines + ["", "true images: none; \(reason), give a --baseline"]).joined(separator: "\n")
        }
        let source = baseline.map { "of \($0)" } ?? "of the data, against the rest of it"
        return (lines + ["", "true images: \(grouped(count)) \(source)"]).joined(separator: "\n")
    }
}

/// The figures for programs.
private struct ImagesJSON: Encodable {
    struct Features: Encodable { let name, digest: String, dimension: Int }
    struct Images: Encodable {
        let path: String
        let count: Int?
        let fingerprint: String?

        init(_ path: String, _ set: DataSet?, count: Int? = nil) {
            (self.path, self.count, fingerprint) = (path, count ?? set?.count, set?.fingerprint)
        }
    }
    struct Subsets: Encodable { let count, size: Int }

    let version = Release.version
    let seed: UInt64
    let features: Features
    let samples: Images
    let against: Images
    /// The true images that ``trueFigures`` are of.
    let trueImages: Images?
    let kernelSubsets: Subsets
    let figures: [String: FigureJSON]
    let trueFigures: [String: FigureJSON]?
    /// Images by class, where the features tell classes apart.
    let classes: [Class]?

    struct Class: Encodable { let name: String, samples: Int, data: Int? }

    init(
        _ result: ImageEvaluation.Result, _ inputs: EvaluateImagesCommand.Inputs, _ command: EvaluateImagesCommand
    ) throws {
        seed = command.seed
        features = Features(name: result.featuresName, digest: result.featuresDigest, dimension: result.dimension)
        samples = Images(command.samples, inputs.samples)
        against = Images(command.against, inputs.data)
        trueImages = result.baseline.map {
            Images(command.baseline ?? command.against, inputs.baseline ?? inputs.data, count: $0.count)
        }
        kernelSubsets = Subsets(
            count: command.kernelSubsets,
            size: min(command.kernelSubsetSize, inputs.samples.count, inputs.data?.count ?? .max))
        func byKey(_ figures: [Figure]) -> [String: FigureJSON] {
            Dictionary(uniqueKeysWithValues: figures.map { ($0.key, FigureJSON($0.name, $0.estimate)) })
        }
        figures = byKey(result.figures)
        trueFigures = result.baseline.map { byKey($0.figures) }
        classes = try result.classCounts.map { counts in
            let names = try inputs.classNames(counts.samples.count)
            return counts.samples.enumerated().map { k, count in
                Class(name: names?[k] ?? "\(k)", samples: count, data: counts.data?[k])
            }
        }
    }
}
