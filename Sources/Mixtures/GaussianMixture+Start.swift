import Philox

extension GaussianMixture {
    /// Draws number `samples` of a seed, where sampling begins with this mixture.
    ///
    /// - Parameter noise: draws of N(0, 1), `[samples, D]`; with N(0, I) they would be the beginning themselves.
    /// - Returns: `[samples, D]`.
    public func starts(_ samples: Range<Int>, noise: [Float], seed: UInt64) -> [Float] {
        precondition(noise.count == samples.count * dimension, "\(noise.count) numbers for \(samples.count) draws")
        let stream = RandomStream(seed: seed, purpose: .likelihood)
        return samples.enumerated().flatMap { slot, sample in
            let normals = Array(noise[slot * dimension..<(slot + 1) * dimension])
            return draw(uniform: stream.uniform(epoch: 0, position: sample), normals: normals).x.map { Float($0) }
        }
    }
}
