import Files
import LinearAlgebra

extension ImageMetric {
    static let frechet = ImageMetric(
        name: "frechet", needsImages: false,
        check: { counts, dimension in
            for (what, count) in counts where count <= dimension {
                throw EvaluationError(
                    "the Fréchet distance of \(grouped(dimension)) features wants at least \(grouped(dimension + 1)) "
                        + "images, and \(what) has \(grouped(count)); give more, or ask for fewer features, or leave it "
                        + "out with --only")
            }
        },
        figures: { comparison in
            let (samples, data) = (try comparison.sampleMoments(), try comparison.dataMoments())
            let distance = try comparison.work.once("Fréchet distance") { [try frechetDistance(samples, data)] }
            let name = comparison.features.distanceName("Fréchet distance", common: "FID")
            return [Figure("frechet_distance", name, Estimate(distance[0]))]
        })
}

/// The squared Fréchet distance of two normal distributions (Dowson, Landau 1982; of features of images: Heusel et al.
/// 2017):
///
///     ‖m₁ − m₂‖² + tr(S₁) + tr(S₂) − 2 tr((S₁^½ S₂ S₁^½)^½)
///
/// The square roots are those of symmetric matrices, from their eigenvalues; what rounding makes negative counts as 0.
///
/// - Throws: `LinearAlgebraError` where a covariance is not finite.
public func frechetDistance(_ first: Moments, _ second: Moments) throws -> Double {
    precondition(first.mean.count == second.mean.count, "\(first.mean.count) and \(second.mean.count) features")
    let means = zip(first.mean, second.mean).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    let root = try squareRoot(first.covariance)
    let inner = root * (second.covariance * root)
    let rootTrace = try inner.symmetricEigenvalues().reduce(0) { $0 + max($1, 0).squareRoot() }
    return means + first.covariance.trace + second.covariance.trace - 2 * rootTrace
}

/// S^½ = Σ √λ v vᵀ of a symmetric positive semi-definite S.
private func squareRoot(_ matrix: Matrix) throws -> Matrix {
    let (values, vectors) = try matrix.symmetricEigen()
    return vectors.transposed * (Matrix(diagonal: values.map { max($0, 0).squareRoot() }) * vectors)
}
