import Foundation
import LinearAlgebra
import Philox
import Mixtures

extension GaussianMixture {
    /// One Gaussian with this mixture's mean and covariance.
    var matched: GaussianMixture {
        get throws {
            try GaussianMixture(weights: [1], means: mean, covariances: covariance.elements, dimension: dimension)
        }
    }

    /// The likeliest Gaussian of samples, `[n][D]`: their mean, and their covariance over n. Collective.
    ///
    /// - Parameter widening: added to the variance along each axis, as a share of their mean; keeps a density where the samples lie
    ///   in a plane.
    public init(matching samples: Matrix, widening: Double = 0, _ work: EvaluationWork) throws {
        let moments = try Moments("moments of the data", count: samples.rows, dimension: samples.columns, work) {
            Array(samples.elements[$0.lowerBound * samples.columns..<$0.upperBound * samples.columns])
        }
        var covariance = (Double(samples.rows - 1) / Double(samples.rows)) * moments.covariance
        widen(&covariance, by: widening * covariance.trace / Double(samples.columns))
        try self.init(
            weights: [1], means: moments.mean, covariances: covariance.elements, dimension: samples.columns)
    }
}

private func widen(_ covariance: inout Matrix, by variance: Double) {
    for i in 0..<covariance.rows { covariance[i, i] += variance }
}

/// A mixture of K Gaussians with full covariances, fitted to samples by expectation and maximisation (Dempster, Laird and Rubin
/// 1977), from a beginning by k-means++ (Arthur and Vassilvitskii 2007). The same samples, settings and seed give the same
/// bits.
public struct PriorFit: Sendable {
    /// How it is fitted.
    public struct Settings: Sendable {
        /// K.
        public var components: Int
        /// Beginnings, of which the likeliest end is taken.
        public var tries = 4
        /// Most iterations of each.
        public var iterations = 200
        /// It ends where the mean log-likelihood grows by less, nats.
        public var tolerance = 1e-6
        /// Added to each variance, as a share of the data's mean variance: no component can shrink to a point.
        public var widening = 1e-6
        public var seed: UInt64 = 0

        public init(components: Int) { self.components = components }
    }

    /// The fit.
    public let mixture: GaussianMixture
    /// Mean ln p of the samples under it, before each iteration and at the end.
    public let logLikelihoods: [Double]

    /// - Parameters:
    ///   - samples: `[n][D]`, n at least K.
    ///   - progress: called with (iterations done, all) before each.
    /// - Throws: ``EvaluationError`` where there are fewer different samples than components; `LinearAlgebraError`; what `progress`
    ///   throws.
    public init(
        _ samples: Matrix, _ settings: Settings, progress: (Int, Int) throws -> Void = { _, _ in }
    ) throws {
        precondition(settings.components > 0 && settings.tries > 0, "\(settings)")
        guard samples.rows >= settings.components else {
            throw EvaluationError("\(samples.rows) samples are too few for \(settings.components) components")
        }
        var best: (mixture: GaussianMixture, trace: [Double])?
        for number in 0..<settings.tries {
            let found = try Self.fit(samples, settings, number) {
                try progress(number * settings.iterations + $0, settings.tries * settings.iterations)
            }
            if let before = best, before.trace.last ?? 0 >= found.trace.last ?? 0 { continue }
            best = found
        }
        guard let best else { preconditionFailure("no try of \(settings.tries)") }
        (mixture, logLikelihoods) = (best.mixture, best.trace)
    }

    private static func fit(
        _ samples: Matrix, _ settings: Settings, _ number: Int, progress: (Int) throws -> Void
    ) throws -> (mixture: GaussianMixture, trace: [Double]) {
        let count = settings.components
        let centers = try Self.centers(samples, settings, number)
        var shares = [Double](repeating: 0, count: samples.rows * count)
        for (row, center) in nearest(samples, centers).enumerated() { shares[row * count + center.index] = 1 }
        let variance = Self.meanVariance(samples) * settings.widening
        var mixture = try maximised(samples, shares, count, widening: variance)
        var trace: [Double] = []
        for iteration in 0...settings.iterations {
            try progress(iteration)
            let likelihood = expectation(samples, mixture, into: &shares)
            let grows = trace.last.map { likelihood - $0 > settings.tolerance } ?? true
            trace.append(likelihood)
            if !grows || iteration == settings.iterations { break }
            mixture = try maximised(samples, shares, count, widening: variance)
        }
        return (mixture, trace)
    }

    /// Shares of the components in each sample, `[n][K]`; returns the mean log-likelihood.
    private static func expectation(_ samples: Matrix, _ mixture: GaussianMixture, into shares: inout [Double])
        -> Double
    {
        let (terms, count) = (mixture.logTerms(rows: samples), mixture.components)
        var sum = 0.0
        for row in 0..<samples.rows {
            let own = Array(terms[row * count..<(row + 1) * count])
            let whole = logSumExp(own)
            for k in 0..<count { shares[row * count + k] = exp(own[k] - whole) }
            sum += whole
        }
        return sum / Double(samples.rows)
    }

    /// The likeliest mixture of samples with these shares.
    private static func maximised(
        _ samples: Matrix, _ shares: [Double], _ count: Int, widening: Double
    ) throws -> GaussianMixture {
        let size = samples.columns
        var (weights, means, covariances): ([Double], [Double], [Double]) = ([], [], [])
        for k in 0..<count {
            var (weight, mean) = (0.0, [Double](repeating: 0, count: size))
            for row in 0..<samples.rows {
                let share = shares[row * count + k]
                weight += share
                for i in 0..<size { mean[i] += share * samples[row, i] }
            }
            // A component that lost all its samples is left with a weight of nothing.
            let whole = max(weight, 1e-12)
            for i in 0..<size { mean[i] /= whole }
            let rows = (0..<samples.rows).filter { shares[$0 * count + k] > 0 }
            var centred = Matrix(rows: rows.count, columns: size)
            for (place, row) in rows.enumerated() {
                let root = (shares[row * count + k] / whole).squareRoot()
                for i in 0..<size { centred[place, i] = root * (samples[row, i] - mean[i]) }
            }
            var covariance = Matrix(rows: size, columns: size)
            covariance.addGram(of: centred, columns: 0..<size)
            for i in 0..<size { for j in 0..<i { covariance[i, j] = covariance[j, i] } }
            widen(&covariance, by: widening)
            weights.append(whole)
            means += mean
            covariances += covariance.elements
        }
        return try GaussianMixture(weights: weights, means: means, covariances: covariances, dimension: size)
    }

    private static func meanVariance(_ samples: Matrix) -> Double {
        (0..<samples.columns).reduce(0) { sum, i in
            let column = (0..<samples.rows).map { samples[$0, i] }
            let mean = column.reduce(0, +) / Double(column.count)
            return sum + column.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(column.count)
        } / Double(samples.columns)
    }
}

// MARK: - Where it begins

extension PriorFit {
    /// Candidates for each center, of which the one that brings the samples nearest is taken.
    private static let candidates = 4
    /// Iterations of k-means.
    private static let rounds = 10

    /// k-means++ with several candidates for each center, then k-means: `[K][D]`.
    fileprivate static func centers(_ samples: Matrix, _ settings: Settings, _ number: Int) throws -> Matrix {
        let stream = RandomStream(seed: settings.seed, purpose: .likelihood)
        func row(_ i: Int) -> Matrix {
            Matrix(
                Array(samples.elements[i * samples.columns..<(i + 1) * samples.columns]), rows: 1,
                columns: samples.columns)
        }
        let first = stream.integer(below: samples.rows, epoch: 3 + number, position: 0)
        var chosen = row(first).elements
        var distances = nearest(samples, row(first)).map(\.distance)
        for k in 1..<max(settings.components, 1) {
            let sum = distances.reduce(0, +)
            guard sum > 0 else {
                throw EvaluationError("there are only \(k) different samples for \(settings.components) components")
            }
            var best: (row: Int, distances: [Double], sum: Double)?
            for candidate in 0..<candidates {
                let u = stream.uniform(epoch: 3 + number, position: k * candidates + candidate)
                let place = choice(of: distances.map { $0 / sum }, u)
                let own = zip(distances, nearest(samples, row(place)).map(\.distance)).map { min($0, $1) }
                let left = own.reduce(0, +)
                if left < best?.sum ?? .infinity { best = (place, own, left) }
            }
            guard let best else { break }
            chosen += row(best.row).elements
            distances = best.distances
        }
        var centers = Matrix(chosen, rows: settings.components, columns: samples.columns)
        for _ in 0..<rounds { centers = moved(centers, samples) }
        return centers
    }

    /// The means of the samples that are nearest to each center; a center of none stays.
    private static func moved(_ centers: Matrix, _ samples: Matrix) -> Matrix {
        var (sums, counts) = (
            Matrix(rows: centers.rows, columns: centers.columns), [Int](repeating: 0, count: centers.rows)
        )
        for (row, center) in nearest(samples, centers).enumerated() {
            counts[center.index] += 1
            for i in 0..<samples.columns { sums[center.index, i] += samples[row, i] }
        }
        for k in 0..<centers.rows {
            for i in 0..<centers.columns {
                sums[k, i] = counts[k] > 0 ? sums[k, i] / Double(counts[k]) : centers[k, i]
            }
        }
        return sums
    }

    /// The center nearest to each sample, and the squared distance.
    fileprivate static func nearest(_ samples: Matrix, _ centers: Matrix) -> [(index: Int, distance: Double)] {
        (0..<samples.rows).map { row in
            var best = (index: 0, distance: Double.infinity)
            for k in 0..<centers.rows {
                var sum = 0.0
                for i in 0..<samples.columns {
                    let difference = samples[row, i] - centers[k, i]
                    sum += difference * difference
                }
                if sum < best.distance { best = (k, sum) }
            }
            return best
        }
    }
}
