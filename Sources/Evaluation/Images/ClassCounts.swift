import Arrays
import LinearAlgebra

extension ImageMetric {
    /// Where features tell classes apart: half the sum of |share of the samples − share of the data| over the classes.
    static let classes = ImageMetric(
        name: "classes", needsImages: false, check: { _, _ in },
        figures: { comparison in
            guard let counts = comparison.classCounts(), let data = counts.data else { return [] }
            let distance = Estimate(totalVariation(counts.samples, data))
            return [Figure("class_total_variation", "total variation of classes", distance)]
        })
}

/// ½ Σ_k |a_k/Σa − b_k/Σb| of two rows of counts: 0 where shares are equal, 1 where no class is in both.
public func totalVariation(_ a: [Int], _ b: [Int]) -> Double {
    precondition(a.count == b.count, "\(a.count) and \(b.count) classes")
    let (allA, allB) = (Double(a.reduce(0, +)), Double(b.reduce(0, +)))
    precondition(allA > 0 && allB > 0, "shares of nothing: \(a), \(b)")
    return zip(a, b).reduce(0) { $0 + abs(Double($1.0) / allA - Double($1.1) / allB) } / 2
}

/// Classes that features tell apart by a linear map: an image is of that with the largest `weight · features + bias`.
public struct FeatureClasses: Sendable {
    /// `[K][F]`.
    let weight: Matrix
    /// `[K]`.
    let bias: [Double]

    /// Of the last layer of a classifier.
    public init(weight: Matrix, bias: [Double]) {
        precondition(weight.rows == bias.count && !bias.isEmpty, "\(weight.rows) rows for \(bias.count) classes")
        (self.weight, self.bias) = (weight, bias)
    }

    /// Images of each class; of several largest numbers the first counts.
    public func counts(of features: FeatureMatrix) -> [Int] {
        var counts = [Int](repeating: 0, count: bias.count)
        for rows in EvaluationWork.tiles(of: features.count, length: 1024) {
            var logits = Matrix(rows: rows.count, columns: bias.count)
            logits.setProduct(
                Matrix(features.doubles(rows), rows: rows.count, columns: features.dimension), weight,
                transposingSecond: true)
            for row in 0..<rows.count {
                let found = bias.indices.dropFirst().reduce(0) { best, k in
                    logits[row, k] + bias[k] > logits[row, best] + bias[best] ? k : best
                }
                counts[found] += 1
            }
        }
        return counts
    }

    static let member = "class_counts"
    static func content(_ counts: [Int]) -> NPZ.Content {
        .numbers(NumericArray(counts.map(Double.init), shape: [counts.count]))
    }

    /// Those of the data that a file of statistics is of; nil where it does not say.
    ///
    /// - Throws: `ArrayFileError`, ``EvaluationError`` where there are others.
    func counts(from file: NPZ) throws -> [Int]? {
        guard let array = try file.numbers(Self.member, atMost: bias.count) else { return nil }
        guard array.shape == [bias.count], array.elements.allSatisfy({ (0...1e15).contains($0) }),
            array.elements.contains(where: { $0 >= 1 })
        else {
            throw EvaluationError(
                "\(file.path): \(Self.member) of shape \(array.shape) are not numbers of images of \(bias.count) classes"
            )
        }
        return array.elements.map { Int($0) }
    }
}
