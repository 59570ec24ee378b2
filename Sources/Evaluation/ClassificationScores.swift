import Foundation
import Mixtures

/// How well a classifier classifies: of labelled images, which class it holds for the likeliest, and −ln p(label).
public struct ClassificationScores: Equatable, Sendable {
    /// One class of images.
    public struct Class: Equatable, Sendable {
        /// Images that are labelled so.
        public let images: Int
        /// Of these, the ones that are classified so.
        public let correct: Int
        /// The share of them; nil where no image is labelled so.
        public var accuracy: Double? { images > 0 ? Double(correct) / Double(images) : nil }
    }

    /// The share of images that are classified as they are labelled.
    public let accuracy: Estimate
    /// The mean of −ln p(label), p the softmax of the logits.
    public let crossEntropy: Estimate
    /// Images by label (first index) and by the class that they are classified as.
    public let confusion: [[Int]]

    /// The classes one by one.
    public var classes: [Class] {
        confusion.enumerated().map { Class(images: $1.reduce(0, +), correct: $1[$0]) }
    }

    /// - Parameters:
    ///   - predicted: for each image the class with the largest logit.
    ///   - labels: what each is labelled as; both in 0 ..< `classes`.
    ///   - losses: −ln p(label) of each.
    public init(predicted: [Int], labels: [Int], losses: [Double], classes: Int) {
        precondition(
            predicted.count == labels.count && losses.count == labels.count && !labels.isEmpty,
            "\(predicted.count) predictions and \(losses.count) losses for \(labels.count) labels")
        var confusion = [[Int]](repeating: [Int](repeating: 0, count: classes), count: classes)
        for (label, found) in zip(labels, predicted) { confusion[label][found] += 1 }
        self.confusion = confusion
        accuracy = Estimate(meanOf: zip(predicted, labels).map { $0 == $1 ? 1 : 0 })
        crossEntropy = Estimate(meanOf: losses)
    }

    /// The class with the largest of `logits` (of several the first), and −ln p(`label`) by their softmax.
    public static func judge(_ logits: some Collection<Float>, label: Int) -> (predicted: Int, loss: Double) {
        let logits = logits.map(Double.init)
        let predicted = logits.indices.dropFirst().reduce(0) { logits[$1] > logits[$0] ? $1 : $0 }
        let sum = logits.reduce(0) { $0 + exp($1 - logits[predicted]) }
        return (predicted, log(sum) + logits[predicted] - logits[label])
    }
}
