import Arrays
import LinearAlgebra

/// Files of statistics, as pytorch-fid and guided-diffusion have them: `mu`, `sigma`, and here the features they are of.
extension Moments {
    private static let names = (mean: "mu", covariance: "sigma", features: "features")
    private static let maximumDimension = 1 << 14

    /// Those of `features` that `file` holds.
    ///
    /// - Throws: `ArrayFileError` or ``EvaluationError`` where it holds none, or those of other features.
    init(of features: any ImageFeatures, from file: NPZ) throws {
        let own = Self.label(features)
        if let label = try file.text(Self.names.features), label != own {
            throw EvaluationError("\(file.path): holds statistics of the features \(label), not of \(own)")
        }
        guard let mean = try file.numbers(Self.names.mean, atMost: Self.maximumDimension),
            let covariance = try file.numbers(
                Self.names.covariance, atMost: mean.elements.count * mean.elements.count)
        else { throw EvaluationError("\(file.path): holds no statistics: mu and sigma are wanted") }
        guard mean.shape == [features.dimension], covariance.shape == [features.dimension, features.dimension] else {
            throw EvaluationError(
                "\(file.path): mu of shape \(mean.shape) and sigma of shape \(covariance.shape) are not statistics of "
                    + "\(features.dimension) features")
        }
        guard (mean.elements + covariance.elements).allSatisfy(\.isFinite) else {
            throw EvaluationError("\(file.path): mu or sigma holds a number that is not finite")
        }
        let matrix = Matrix(covariance.elements, rows: features.dimension, columns: features.dimension)
        self.init(mean: mean.elements, covariance: matrix)
    }

    /// What a file of them holds.
    ///
    /// - Parameter classCounts: images of each class, where the features tell classes apart.
    func members(of features: any ImageFeatures, classCounts: [Int]?) -> [(name: String, content: NPZ.Content)] {
        let size = mean.count
        return [
            (Self.names.mean, .numbers(NumericArray(mean, shape: [size]))),
            (Self.names.covariance, .numbers(NumericArray(covariance.elements, shape: [size, size]))),
            (Self.names.features, .text(Self.label(features))),
        ] + features.arrays.map { ($0.name, .numbers($0.array)) }
            + (classCounts.map { [(FeatureClasses.member, FeatureClasses.content($0))] } ?? [])
    }

    private static func label(_ features: any ImageFeatures) -> String { "\(features.name) \(features.digest)" }
}
