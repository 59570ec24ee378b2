import Foundation
import Philox

/// Runs paths from N(0, s² I) towards a density, and weighs them.
public struct PathSampler: Sendable {
    public let steps: PathSteps
    public let target: any TargetDensity
    /// ∇ ln γ is clipped to ± this in each coordinate, where the network is shown it.
    public static let scoreLimit = 100.0

    public init(_ steps: PathSteps, _ target: any TargetDensity) {
        (self.steps, self.target) = (steps, target)
    }

    /// What is drawn for a path: where it begins, and then the noise of each step, `[N + 1, D]`.
    public func draw(_ purpose: Purpose) -> Draw {
        Draw("path", purpose, .normal, elements: (steps.count + 1) * target.dimension)
    }

    /// Runs the paths of `noise`, `[M, N + 1, D]`.
    ///
    /// - Parameters:
    ///   - keeping: whether every step is kept, for gradients.
    ///   - drift: f at step k of all paths: from x_k `[M, D]` and the clipped ∇ ln γ(x_k) `[M, D]`.
    public func paths(
        _ noise: [Float], keeping: Bool = false,
        drift: (_ k: Int, _ x: [Float], _ score: [Float]) throws -> [Float]
    ) rethrows -> Paths {
        let (d, n, s) = (target.dimension, steps.count, steps.deviation)
        let count = noise.count / (d * (n + 1))
        precondition(noise.count == count * d * (n + 1), "\(noise.count) numbers of paths of \(d * (n + 1))")
        var x = [Double](repeating: 0, count: count * d)
        for path in 0..<count {
            for i in 0..<d { x[path * d + i] = s * Double(noise[path * d * (n + 1) + i]) }
        }
        var paths = Paths(count: count, dimension: d)
        for k in 0..<n {
            let (position, score) = (x.map { Float($0) }, scores(x))
            let f = try drift(k, position, score)
            precondition(f.count == x.count, "\(f.count) numbers of a drift of \(x.count)")
            let (c, b) = (steps.c[k], steps.b[k])
            var gradient = keeping ? [Float](repeating: 0, count: x.count) : []
            for path in 0..<count {
                for i in 0..<d {
                    let (at, drift) = (path * d + i, Double(f[path * d + i]))
                    let n = Double(noise[(path * (n + 1) + k + 1) * d + i])
                    // ln of the step's density over that of the step without f.
                    paths.costs[path] += b * b * drift * drift / (2 * s * s) + b * drift * n / s
                    x[at] = c * x[at] + b * b * drift + s * b * n
                    if keeping { gradient[at] = Float(b * n / s) }
                }
            }
            if keeping { paths.kept.append(Paths.Step(x: position, score: score, gradient: gradient)) }
        }
        paths.end(x, deviation: s, target)
        return paths
    }

    /// The clipped ∇ ln γ of each of the rows of x.
    private func scores(_ x: [Double]) -> [Float] {
        let d = target.dimension
        var (row, score) = ([Double](repeating: 0, count: d), [Double](repeating: 0, count: d))
        return [Float](unsafeUninitializedCapacity: x.count) { buffer, filled in
            for first in stride(from: 0, to: x.count, by: d) {
                for i in 0..<d { row[i] = x[first + i] }
                _ = target.logDensity(row, score: &score)
                for i in 0..<d {
                    buffer[first + i] = Float(min(max(score[i], -Self.scoreLimit), Self.scoreLimit))
                }
            }
            filled = x.count
        }
    }
}

/// Paths that were run.
public struct Paths: Sendable {
    /// M.
    public let count: Int
    /// D.
    public let dimension: Int
    /// Where they ended, `[M, D]`.
    public private(set) var ends: [Float] = []
    /// ℓ of each path: ln of the density it was drawn with over that of a path back from the target, up to ln Z: its mean is
    /// not below −ln Z, and that of exp(−ℓ) is Z. `[M]`.
    public fileprivate(set) var costs: [Double]
    /// Every step, where they were kept.
    public fileprivate(set) var kept: [Step] = []

    /// One step of all paths, each `[M, D]`.
    public struct Step: Sendable {
        public let x: [Float]
        public let score: [Float]
        /// ∂ℓ/∂f of a path that is held: b n / s.
        public let gradient: [Float]
    }

    fileprivate init(count: Int, dimension: Int) {
        (self.count, self.dimension) = (count, dimension)
        costs = [Double](repeating: 0, count: count)
    }

    /// Adds ln N(x; 0, s² I) − ln γ(x) of the ends `x`.
    fileprivate mutating func end(_ x: [Double], deviation s: Double, _ target: any TargetDensity) {
        ends = x.map { Float($0) }
        var score = [Double](repeating: 0, count: dimension)
        for path in 0..<count {
            let end = Array(x[path * dimension..<(path + 1) * dimension])
            let squares = end.reduce(0) { $0 + $1 * $1 }
            let reference = -squares / (2 * s * s) - Double(dimension) / 2 * log(2 * Double.pi * s * s)
            costs[path] += reference - target.logDensity(end, score: &score)
        }
    }

    /// ln w of each path: −ℓ.
    public var logWeights: [Double] { costs.map { -$0 } }

    /// What the gradient at each path's drift is multiplied by so that the sum over paths is an estimate, without bias, of that
    /// of their mean cost, the divergence of the paths from those back from the target: ℓ less the mean ℓ of the other paths,
    /// over M. Of paths that are held it is the gradient of half the variance of ℓ, the log-variance divergence (Richter et al.
    /// 2020; Nüsken and Richter 2021): it needs no derivative of a path and vanishes at the optimum path by path.
    public var advantages: [Double] {
        precondition(count > 1, "a path has no others to be compared with")
        let mean = costs.reduce(0, +) / Double(count)
        return costs.map { ($0 - mean) / Double(count - 1) }
    }
}
