/// The part of a sampler that belongs to one scale of a multi-scale diffusion: ``HaarScales/step(_:x0:noise:from:to:eta:)`` from
/// each visited time to the one before it, and from the first to the last time of the next finer scale.
struct ScaleSteps: SamplingMethod {
    private let chain: Chain
    private let scales: HaarScales
    private let eta: Double

    init(_ chain: Chain, _ configuration: DiffusionConfiguration) {
        guard let scales = chain.scales, let eta = configuration.sampler.noiseShare(configuration) else {
            preconditionFailure("\(configuration.sampler) of scale \(configuration.scale) of \(configuration.scales)")
        }
        (self.chain, self.scales, self.eta) = (chain, scales, eta)
    }

    var evaluatedTimes: [Int] { chain.times.reversed() }

    func sample(
        from x: [Float], _ network: inout SampledNetwork, reached: (Int, inout [Float]) throws -> Void
    ) throws -> [Float] {
        var x = x
        for (step, i) in chain.steps {
            let next = i > 0 ? chain.times[i - 1] : chain.end
            let x0 = try network.evaluate(x, chain, i).x0
            let isNoisy = next != nil && eta > 0
            let noise = isNoisy ? try network.noise(step) : [Float](repeating: 0, count: x.count)
            x = scales.step(x, x0: x0, noise: noise, from: chain.times[i], to: next, eta: eta)
            try reached(step, &x)
        }
        return x
    }
}
