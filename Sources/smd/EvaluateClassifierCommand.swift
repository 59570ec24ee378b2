import ArgumentParser
import Communication
import Configuration
import DataSets
import Evaluation
import Files
import Foundation
import Reports
import Sampling
import TensorGraph
import Training

/// `smd evaluate classifier`: how well a trained classifier knows images it has not seen.
struct EvaluateClassifierCommand: RankCommand {
    static let configuration = CommandConfiguration(
        commandName: "classifier",
        abstract: "Accuracy, cross-entropy and confusion matrix of a classifier on labelled images.",
        discussion: """
            CHECKPOINT is one that a run with method: classifier left, DATA a data set with labels, which it should not \
            have been trained on. Samples of a network that is told classes are one, too: the accuracy is then how often the \
            class that was asked for is found. Under mpirun the ranks share the images; the numbers are the same on any number of them. \
            SIGINT, SIGTERM and SIGUSR1 end it with status 75.

            EXAMPLES
              smd evaluate classifier runs/classifier --data fashion-mnist-test.h5
              smd evaluate classifier runs/classifier/checkpoints/step-00002800.h5 --data test.h5 --json
              mpirun -n 8 smd evaluate classifier CHECKPOINT --data test.h5 --weights raw
              smd sample runs/classes --guidance 2 --count 1000 --output samples.h5
              smd evaluate classifier runs/classifier --data samples.h5 --json
            """)

    @Argument(
        help: ArgumentHelp("The checkpoint, or the folder of a run, whose newest is taken.", valueName: "checkpoint"),
        completion: .file(extensions: ["h5"]))
    var checkpoint: String

    @Option(help: "Data set with labels.", completion: .file(extensions: ["h5", "json"]))
    var data: String

    @Option(help: "Weights: ema (the moving average), raw, or a further average that the run kept.")
    var weights = SampleWeights.ema

    @Option(help: "Precision: fp32, bf16 or bf16-emulated; default: that of the checkpoint's configuration.")
    var precision: Precision?

    @OptionGroup var watchdog: DeadlineOption

    @Flag(help: "Write JSON.")
    var json = false

    @OptionGroup var quietness: QuietOption

    func run() throws {
        let progress = WorkProgress("classifying", unit: "images")
        try onAllRanks(deadline: watchdog.deadline) { communicator in
            let path = try triedCheckpoint(checkpoint, communicator)
            let network = try communicator.together("reading the checkpoint") {
                try ClassifierCheckpoint(path, weights)
            }
            let model = network.configuration.model
            let (images, labels) = try communicator.together("opening the data set") {
                if communicator.rank == 0 { try FileTrial.run(.dataset, data) }
                let images = try DataSet(path: data)
                try model.check(images)
                return (images, try images.classLabels(count: model.classes))
            }
            let runs = try JobPrecision.agree(precision ?? network.configuration.precision, communicator)
            if communicator.rank == 0, let notice = runs.notice { warn(notice) }
            Watchdog.enter(.sampling)
            let mine = try communicator.together("classifying") {
                try judge(images, labels, network.classifier(precision: runs), communicator, progress)
            }
            let all = try communicator.gather(mine.withUnsafeBytes { Array($0) }).flatMap { bytes in
                bytes.withUnsafeBytes { Array($0.bindMemory(to: Double.self)) }
            }
            guard communicator.rank == 0 else { return }
            progress.finish()
            let scores = ClassificationScores(
                predicted: stride(from: 0, to: all.count, by: 2).map { Int(all[$0]) },
                labels: labels.values.map(Int.init), losses: stride(from: 1, to: all.count, by: 2).map { all[$0] },
                classes: model.classes)
            let report = ClassifierReport(
                scores, names: (0..<model.classes).map(labels.name), checkpoint: path, step: network.step, data: data,
                precision: runs.precision)
            if json { try printJSON(report) } else { try printOut(report.text) }
        }
    }

    /// Of each image of this rank's share, one after the other, the class that it is taken for and −ln p(label).
    private func judge(
        _ images: DataSet, _ labels: ClassLabels, _ classifier: ImageClassifier, _ communicator: any Communicator,
        _ progress: WorkProgress
    ) throws -> [Double] {
        let mine = share(of: images.count, rank: communicator.rank, size: communicator.size)
        let size = images.elementsPerSample
        var judged: [Double] = []
        for first in stride(from: mine.lowerBound, to: mine.upperBound, by: classifier.batch) {
            let part = first..<min(first + classifier.batch, mine.upperBound)
            let pixels = try [Float](unsafeUninitializedCapacity: part.count * size) { buffer, filled in
                for (slot, index) in part.enumerated() {
                    let sample = UnsafeMutableBufferPointer(rebasing: buffer[slot * size..<(slot + 1) * size])
                    try images.read(index, flip: false, into: sample)
                }
                filled = part.count * size
            }
            let logits = try classifier.classify(pixels).logits
            for (slot, index) in part.enumerated() {
                let row = logits[slot * labels.count..<(slot + 1) * labels.count]
                let (predicted, loss) = ClassificationScores.judge(row, label: Int(labels.values[index]))
                judged += [Double(predicted), loss]
            }
            Watchdog.beat()
            let (done, all) = (part.upperBound - mine.lowerBound, mine.count)
            try endingAllRanks(communicator) {
                try communicator.rank == 0 ? progress.update(done, all) : progress.stopIfAsked(done, all)
            }
        }
        return judged
    }
}

/// What `smd evaluate classifier` says.
private struct ClassifierReport: Encodable {
    struct Class: Encodable {
        let name: String
        let images: Int
        let correct: Int
        let accuracy: Double?
    }

    let checkpoint: String
    let step: Int
    let data: String
    let precision: Precision
    let images: Int
    let accuracy: Double
    let accuracyError: Double?
    /// Null where it is not finite.
    let crossEntropy: Double?
    let crossEntropyError: Double?
    let classes: [Class]
    let confusion: [[Int]]

    init(
        _ scores: ClassificationScores, names: [String], checkpoint: String, step: Int, data: String,
        precision: Precision
    ) {
        (self.checkpoint, self.step, self.data, self.precision) = (checkpoint, step, data, precision)
        (accuracy, accuracyError) = (scores.accuracy.value, scores.accuracy.error)
        crossEntropy = finite(scores.crossEntropy.value)
        crossEntropyError = scores.crossEntropy.error.flatMap(finite)
        classes = zip(names, scores.classes).map {
            Class(name: $0, images: $1.images, correct: $1.correct, accuracy: $1.accuracy)
        }
        confusion = scores.confusion
        images = classes.reduce(0) { $0 + $1.images }
    }

    /// Wider tables do not fit a terminal.
    private static let mostColumns = 20

    var text: String {
        func percent(_ share: Double?) -> String { share.map { String(format: "%.2f %%", 100 * $0) } ?? "–" }
        let error = accuracyError.map { " ± " + percent($0) } ?? ""
        let entropyError = crossEntropyError.map { " ± " + fourDigits($0) } ?? ""
        let table =
            classes.count <= Self.mostColumns
            ? [["label", "images", "accuracy"] + classes.indices.map { "as \($0)" }]
                + zip(classes, confusion).enumerated().map { number, row in
                    ["\(number) \(row.0.name)", "\(row.0.images)", percent(row.0.accuracy)] + row.1.map { "\($0)" }
                }
            : [["label", "images", "accuracy"]]
                + classes.enumerated().map { ["\($0) \($1.name)", "\($1.images)", percent($1.accuracy)] }
        return """
            \(checkpoint), step \(step), \(precision.rawValue)
            images         \(grouped(images)) of \(data)
            accuracy       \(percent(accuracy))\(error)
            cross-entropy  \(crossEntropy.map(fourDigits) ?? "not finite")\(entropyError)

            \(aligned(table))
            """
    }
}
