import Philox

/// The random numbers of draws from mixtures: each draw has a number of its own, and is the same whatever is drawn beside it.
public struct MixtureDraws: Sendable {
    private let stream: RandomStream
    private let dimension: Int

    /// Draws from the stream of `purpose` under `seed`.
    public init(seed: UInt64, _ purpose: Purpose, dimension: Int) {
        stream = RandomStream(seed: seed, purpose: purpose)
        self.dimension = dimension
    }

    /// A number in [0, 1), and D of N(0, 1), of the draw `position` of a `round`.
    public func callAsFunction(round: Int, _ position: Int) -> (uniform: Double, normals: [Float]) {
        // Two epochs, because the same place of a stream gives the same bits to every kind of draw.
        (
            stream.uniform(epoch: 2 * round, position: position),
            stream.normals(count: dimension, epoch: 2 * round + 1, position: position)
        )
    }
}

extension GaussianMixture {
    /// The draw `position` of a `round`.
    public func draw(_ draws: MixtureDraws, round: Int, _ position: Int) -> (x: [Double], component: Int) {
        let numbers = draws(round: round, position)
        return draw(uniform: numbers.uniform, normals: numbers.normals)
    }
}
