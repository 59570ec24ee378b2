import CPUBackend
import Configuration
import Foundation

/// How a network's state is moved in an update.
package struct UpdateSettings {
    var learningRate: Double
    var optimizer: OptimizerConfiguration
    var average: EMAConfiguration
    /// Images of an update.
    var batch: Int
}

extension ModelState {
    /// L2 norm of the gradient over all parameters; not finite when any element is not.
    ///
    /// Every rank holds the whole gradient and takes its norm alone: the sum runs in the same order whether or not the
    /// state is sharded, and so ends in the same bits. The threads of `team` share the work in pieces of one size, so
    /// that their number does not change the bits either.
    func gradientNorm(on backend: CPUBackend, over team: ThreadTeam) throws -> Double {
        try sumOfSquaredGradients(on: backend, over: team).squareRoot()
    }

    /// Clips the gradient to the global norm, moves the parameters by Adam (Kingma and Ba 2015) and updates the averages;
    /// of a sharded state only what is this rank's own.
    ///
    /// - Parameters:
    ///   - step: number of this update, from 1.
    ///   - norm: of the gradient, before clipping; finite.
    func update(
        step: Int, gradientNorm norm: Double, _ settings: UpdateSettings, on backend: CPUBackend,
        over team: ThreadTeam
    ) throws {
        let optimizer = settings.optimizer
        let clip = optimizer.clipNorm > 0 ? min(1, optimizer.clipNorm / (norm + 1e-6)) : 1
        let decay = averageDecay(step: step, settings.average, batch: settings.batch)
        let averages = roles.compactMap { role in
            role.width.map { (self[role], PowerFunctionAverage(width: $0).decay(step: step)) }
        }
        try forEachPiece(of: own, over: team) { [self] _, piece in
            backend.adamStep(
                parameters: parameters, gradients: gradients, firstMoment: self[.firstMoment],
                secondMoment: self[.secondMoment], shard: own, range: piece, learningRate: settings.learningRate,
                beta1: optimizer.beta1, beta2: optimizer.beta2,
                epsilon: optimizer.epsilon, step: step, gradientScale: clip,
                weightDecay: optimizer.weightDecay)
            if let decay, decay > 0 {
                backend.emaUpdate(ema, parameters: parameters, shard: own, range: piece, decay: decay)
            }
            for (average, decay) in averages where decay > 0 {
                backend.emaUpdate(average, parameters: parameters, shard: own, range: piece, decay: decay)
            }
        }
        if decay == 0 { copyParameters(to: .ema) }
        if step == 1 { for role in roles where role.width != nil { copyParameters(to: role) } }
    }

    /// The learned tensor with the largest gradient, by L2 norm.
    func largestGradient() -> String? {
        let norms = zip(layout.parameters, layout.offsets).map { parameter, offset in
            gradients.elements[offset..<offset + parameter.count].reduce(0.0) { $0 + Double($1) * Double($1) }
        }
        return zip(layout.parameters, norms).max { $0.1 < $1.1 }?.0.name
    }

    private func sumOfSquaredGradients(on backend: CPUBackend, over team: ThreadTeam) throws -> Double {
        try withUnsafeTemporaryAllocation(of: Double.self, capacity: pieceCount(of: all)) { sums in
            try forEachPiece(of: all, over: team) { [gradients] number, piece in
                sums[number] = backend.sumOfSquares(of: gradients, piece)
            }
            return sums.reduce(0, +)
        }
    }

    /// Calls `body` with the number and the elements of every piece of `range`, on the threads in turn.
    private func forEachPiece(
        of range: Range<Int>, over team: ThreadTeam, _ body: @escaping (Int, Range<Int>) -> Void
    ) throws {
        let count = pieceCount(of: range)
        try team.run { thread in
            for number in stride(from: thread, to: count, by: team.size) {
                let start = range.lowerBound + number * pieceSize
                body(number, start..<min(start + pieceSize, range.upperBound))
            }
        }
    }

    private func pieceCount(of range: Range<Int>) -> Int { (range.count + pieceSize - 1) / pieceSize }
}

/// Elements that one thread updates at a time: 256 KiB of each arena, and enough pieces for many threads.
private let pieceSize = 1 << 16

/// The average's decay at update number `step` (from 1), or nil when this step leaves it alone.
///
/// Every `every` steps; a copy of the parameters up to `start`; from there a warm-up `1 − (1 + n)^(−2/3)`, n updates
/// past the start, up to `decay`.
///
/// With a half-life of `halfLifeImages`, `2^(−every·batch / half-life)`, the half-life being at most `ramp` of the images
/// seen before this update (Karras et al. 2022, the published training loop).
public func averageDecay(step: Int, _ average: EMAConfiguration, batch: Int) -> Double? {
    let calls = step - 1
    guard calls % average.every == 0 else { return nil }
    guard calls > average.start else { return 0 }
    if average.halfLifeImages > 0 {
        let limit = average.ramp > 0 ? average.ramp * Double(calls) * Double(batch) : .infinity
        return exp2(-Double(average.every) * Double(batch) / min(average.halfLifeImages, limit))
    }
    return min(average.decay, 1 - pow(1 + Double(calls - average.start), -2.0 / 3.0))
}
