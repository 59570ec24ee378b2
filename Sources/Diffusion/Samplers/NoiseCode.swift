/// Where the random numbers of a sample lie in its code, one flat row: x at the start, the noise of each step but the last, η of
/// each evaluation, and what the last step was off by.
public struct NoiseCode: Equatable, Sendable {
    /// Numbers of a sample.
    public let elements: Int
    /// Steps of the sampler from its start.
    public let steps: Int
    /// Numbers of η; 0 without.
    public let etaElements: Int
    /// Evaluations of the network.
    public let evaluations: Int

    public init(elements: Int, steps: Int, etaElements: Int, evaluations: Int) {
        (self.elements, self.steps) = (elements, steps)
        (self.etaElements, self.evaluations) = (etaElements, evaluations)
    }

    /// Numbers of a code.
    public var count: Int { elements * (steps + 1) + etaElements * evaluations }

    /// x at the start.
    public var start: Range<Int> { 0..<elements }

    /// Noise of a step, or η of an evaluation.
    public func place(_ number: Int, _ which: SamplerDraw) -> Range<Int> {
        switch which {
        case .noise:
            precondition(0..<steps - 1 ~= number, "noise of step \(number) of \(steps)")
            return elements * (number + 1)..<elements * (number + 2)
        case .eta:
            precondition(0..<evaluations ~= number, "evaluation \(number) of \(evaluations)")
            let first = elements * steps + number * etaElements
            return first..<first + etaElements
        }
    }

    /// x_0 less what the last step gives.
    public var residual: Range<Int> { count - elements..<count }
}

extension Sampler {
    /// Why its draws are no code of a sample, and what to set; nil where they are.
    public var codeFault: String? {
        if times.indices.dropFirst().allSatisfy({ method.noiseDeviation($0) ?? 0 > 0 }) { return nil }
        return "codes want noise of one known deviation at each step: set diffusion.variance=small, and "
            + "diffusion.sampler=ancestral, sde_dpm_solver, or ddim with diffusion.ddim_eta above 0"
    }

    /// The noise that leads a step from x_t to a draw of q(x_t' | x_t, x_0), and x_t' (CycleDiffusion, Wu and De la Torre 2023,
    /// algorithm 1); after the last step what leads to x_0. With ν the deviation of the step's noise and n of N(0, 1),
    ///
    ///     x_t' = √ᾱ' x_0 + √(1 − ᾱ' − ν²) ê + ν n,   ê = (x_t − √ᾱ x_0)/√(1 − ᾱ),   noise = (x_t' − mean)/ν
    ///
    /// - Parameters:
    ///   - step: from 0, the noisiest.
    ///   - mean: what the step gives without noise.
    /// - Returns: noise and x_t', with the bits that a sampler gives from this noise.
    public func encoded(
        _ step: Int, from xt: [Float], mean: [Float], x0: [Float], noise n: [Float]
    ) -> (noise: [Float], x: [Float]) {
        let i = times.count - 1 - step
        guard i > 0 else {
            let residual = combine((1, x0), (-1, mean))
            return (residual, combine((1, mean), (1, residual)))
        }
        guard let deviation = method.noiseDeviation(i) else {
            preconditionFailure(codeFault ?? "no noise at step \(step)")
        }
        let (a, b) = (chain.schedule.alphaBars[i], chain.schedule.alphaBarsBefore[i])
        let ofNoise = (max(0, 1 - b - deviation * deviation) / (1 - a)).squareRoot()
        let ofX0 = b.squareRoot() - ofNoise * a.squareRoot()
        let target = combine((1, combine((Float(ofX0), x0), (Float(ofNoise), xt))), (Float(deviation), n))
        let noise = combine((Float(1 / deviation), target), (Float(-1 / deviation), mean))
        return (noise, combine((1, mean), (Float(deviation), noise)))
    }
}
