import Configuration
import LinearAlgebra
import Sampling
import Storage
import Training

/// An average of another width than those that a run kept, put together after it from snapshots of these (Karras et al.
/// 2024, arXiv:2312.02696, section 3.2 and appendix C).
public struct PostHocAverage {
    /// What is wanted.
    public let target: AverageProfile
    /// Factors of the averages that there are, in their order.
    public let weights: [Double]
    /// The L2 norm by which the sum of their densities misses the one wanted, as a share of the norm of that.
    public let miss: Double

    /// What rounding to float32 leaves of an average, relative to it, after many updates: a combination that fits more
    /// closely only with factors so large that this shows is not looked for.
    private static let rounding = 0x1p-20

    /// The least squares of `Σ weights·p − target` over the densities p of `averages`, in double precision; an average
    /// that is there already is taken as it is.
    ///
    /// - Throws: `LinearAlgebraError` where the densities cannot be told apart.
    public init(_ target: AverageProfile, from averages: [AverageProfile]) throws {
        precondition(!averages.isEmpty, "no averages to put one of width \(target.average.width) together from")
        self.target = target
        if let same = averages.firstIndex(of: target) {
            weights = averages.indices.map { $0 == same ? 1 : 0 }
            miss = 0
            return
        }
        // In units of the densities' norms: they differ by far, and rounding errors are relative to them.
        let norms = averages.map { $0.product($0).squareRoot() }
        let norm = target.product(target).squareRoot()
        var gram = Matrix(rows: averages.count, columns: averages.count)
        for (i, p) in averages.enumerated() {
            for (j, q) in averages.enumerated() { gram[i, j] = p.product(q) / (norms[i] * norms[j]) }
        }
        let wanted = zip(averages, norms).map { $0.product(target) / ($1 * norm) }
        var bounded = gram
        for i in averages.indices { bounded[i, i] += Self.rounding * Self.rounding }
        let factors = try bounded.solvePositiveDefinite(wanted)
        let column = Matrix(factors, rows: factors.count, columns: 1)
        let square = 1 - 2 * dot(factors, wanted) + dot(factors, (gram * column).elements)
        weights = zip(factors, norms).map { $0 * norm / $1 }
        miss = max(0, square).squareRoot()
    }
}

private func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }

extension TrainedWeights {
    /// The average of relative width `width` at the highest step of snapshots of one run.
    ///
    /// - Parameters:
    ///   - paths: snapshots or checkpoints with power-function averages, whose bytes have been verified.
    ///   - progress: called with the files read so far.
    /// - Throws: ``RunError`` where a file has no averages, or they are not of one network; `HDF5Error` or `StorageError`
    ///   where one cannot be read.
    public static func average(
        ofWidth width: Double, from paths: [String], progress: (Int) throws -> Void = { _ in }
    ) throws -> (weights: TrainedWeights, fit: PostHocAverage) {
        let outlines = try paths.map { path in
            let file = try CheckpointFile(path, isVerified: false)
            try CheckpointFolder.requireNamed(file)
            guard !file.averageWidths.isEmpty, file.header.step > 0 else {
                throw RunError("\(path) holds no power-function averages: ema.widths was not set")
            }
            return (path: path, header: file.header, widths: file.averageWidths)
        }.sorted { $0.header.step < $1.header.step }
        guard let last = outlines.last else { preconditionFailure("no snapshots") }
        for other in outlines { try requireSameKind((last.path, last.header), (other.path, other.header)) }
        let profiles = outlines.flatMap { outline in
            outline.widths.map { AverageProfile(width: $0, step: outline.header.step) }
        }
        let fit = try PostHocAverage(AverageProfile(width: width, step: last.header.step), from: profiles)
        var sum = TensorSum()
        var factors = fit.weights[...]
        for (number, outline) in outlines.enumerated() {
            let file = try CheckpointFile(outline.path, isVerified: false)
            for (width, factor) in zip(outline.widths, factors.prefix(outline.widths.count)) where factor != 0 {
                try sum.add(try file.weights(.average(width: width)), times: factor, of: outline.path)
            }
            factors = factors.dropFirst(outline.widths.count)
            try progress(number + 1)
        }
        var header = last.header
        header.attributes = [
            "origin": .string(
                "average of width \(width) at step \(header.step), from \(profiles.count) averages of "
                    + "\(outlines.count) snapshots")
        ]
        header.version = Release.version
        return (TrainedWeights(header: header, tensors: sum.tensors(dividedBy: 1)), fit)
    }
}
