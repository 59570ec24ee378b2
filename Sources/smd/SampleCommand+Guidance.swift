import ArgumentParser
import Configuration
import DataSets
import Diffusion
import Files
import Foundation
import NeuralNetwork
import Sampling

/// Which classes `smd sample` draws, and how far it leads the network to them.
struct GuidanceOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Class to draw, where the network is told one or --classifier guides it: its number, its name in the run's data "
                + "set, or all in turn (default).", valueName: "class"))
    var label: String?

    @Option(
        help: ArgumentHelp(
            "Classifier-free guidance: none + W (class − none) of the outputs; 1 is no guidance. Needs a network trained with "
                + "model.label_dropout; default: that of the checkpoint's configuration.", valueName: "w"))
    var guidance: Double?

    @Option(
        help: ArgumentHelp(
            "Guide only where LOW < t/T <= HIGH, as shares of the noise steps; default: everywhere.",
            valueName: "low,high"))
    var guidanceInterval: String?

    @Option(
        help: ArgumentHelp(
            "Checkpoint of a classifier of noised images (classifier.noised=true) that guides the network.",
            valueName: "checkpoint"), completion: .file(extensions: ["h5"]))
    var classifier: String?

    @Option(help: ArgumentHelp("How strongly the classifier guides; default: 1.", valueName: "s"))
    var classifierScale: Double?

    func validate() throws {
        _ = try interval
        guard classifierScale.map({ $0 >= 0 && $0 <= 1000 }) ?? true else {
            throw ValidationError("--classifier-scale is \(classifierScale ?? 0), wanted 0 or more, at most 1000")
        }
        if classifierScale != nil, classifier == nil {
            throw ValidationError("--classifier-scale is that of a --classifier, which is missing")
        }
    }

    /// Whether any of these is given.
    var isGiven: Bool { label != nil || guidance != nil || guidanceInterval != nil || classifier != nil }

    /// Whether the network is led by these.
    var isGuiding: Bool { guidance.map { $0 != 1 } ?? false || classifier != nil }

    private var interval: (low: Double, high: Double)? {
        get throws {
            guard let guidanceInterval else { return nil }
            let numbers = guidanceInterval.split(separator: ",", omittingEmptySubsequences: false).map { Double($0) }
            guard numbers.count == 2, let low = numbers[0], let high = numbers[1], 0 <= low, low < high, high <= 1
            else {
                throw ValidationError(
                    "--guidance-interval is \(guidanceInterval), wanted two numbers 0 <= LOW < HIGH <= 1, such as 0.1,0.8"
                )
            }
            return (low, high)
        }
    }

    /// Lays them over a sampler's settings.
    func apply(to guidance: inout Guidance) throws {
        if let weight = self.guidance { guidance.weight = weight }
        if let (low, high) = try interval { (guidance.low, guidance.high) = (low, high) }
    }
}

/// What samples are drawn as.
struct ChosenClasses {
    let chosen: SampleClasses
    /// How many there are; 0 where the network knows none.
    let count: Int
    /// What guides to them, if anything does.
    let classifier: ClassifierCheckpoint?

    /// The number of rows that a picture has for all of them; 0 where samples are of one class, or of none.
    var rows: Int { chosen == .all ? count : 0 }

    /// The class of each sample; nil where there are none.
    func labels(of samples: Int) -> [Int32]? {
        count > 0 ? (0..<samples).map { Int32(chosen.label($0, of: count)) } : nil
    }
}

extension GuidanceOptions {
    /// What --label and --classifier say of the network of `job`: all classes in turn where no label is given.
    ///
    /// - Parameter path: of the classifier, tried.
    func classes(_ job: SamplingJob, classifier path: String?) throws -> ChosenClasses {
        let guide = try path.map { path in
            let checkpoint = try ClassifierCheckpoint(path)
            try job.requireGuide(checkpoint, path)
            return checkpoint
        }
        let count = guide?.configuration.model.classes ?? job.classes
        guard let label, label != "all" || count == 0 else {
            return ChosenClasses(chosen: .all, count: count, classifier: guide)
        }
        guard count > 0 else {
            throw CommandFailure(.badInput, "--label is \(label), but the network knows no classes")
        }
        let data = job.configuration.data
        guard let number = try Int(label) ?? names(data)?.firstIndex(where: { $0.hasSameBytes(as: label) }) else {
            throw CommandFailure(
                .badInput,
                "--label is \(label), which is no number, and no name of a class in the data set of the "
                    + "run, \(data): wanted all, 0 ... \(count - 1), or such a name")
        }
        guard 0..<count ~= number else {
            throw CommandFailure(.badInput, "--label is \(number), wanted 0 ... \(count - 1), or all")
        }
        return ChosenClasses(chosen: .one(number), count: count, classifier: guide)
    }

    /// The names of the classes of a data set, where it is in reach.
    private func names(_ data: String) throws -> [String]? {
        guard FileManager.default.fileExists(atPath: data) else { return nil }
        try FileTrial.run(.dataset, data)
        return try DataSet(path: data).labelNames()
    }
}
