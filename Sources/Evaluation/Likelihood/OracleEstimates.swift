import Diffusion
import Mixtures

extension MixtureOracle {
    /// Estimates of x_0 at `t`, in the place of a network's.
    ///
    /// - Parameters:
    ///   - xt: `[places, D]`.
    ///   - isDraw: whether each is a draw of q(x_0 | x_t), the `draw`-th of its place, instead of E[x_0 | x_t].
    /// - Returns: `[places, D]`.
    public func estimates(
        xt: [Float], _ t: Int, places: [Int], draw: Int, isDraw: Bool, seed: UInt64
    ) -> [Float] {
        let (law, size) = (posterior(t), data.dimension)
        precondition(xt.count == places.count * size, "\(xt.count) numbers of \(places.count) points of \(size)")
        let draws = MixtureDraws(seed: seed, .headNoise, dimension: size)
        return places.enumerated().flatMap { slot, place in
            let x = xt[slot * size..<(slot + 1) * size].map(Double.init)
            // Rounds belong to a time and a draw.
            let round = draw * schedule.timesteps + t
            return (isDraw ? law.draw(x, draws, round: round, place) : law.mean(x)).map { Float($0) }
        }
    }
}
