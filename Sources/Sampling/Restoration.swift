import Diffusion

/// Makes degraded samples whole: noises a guess to the sampler's start and goes the way back, and after each step puts what is
/// known of the sample, noised as far, in its place (Come-Closer-Diffuse-Faster, Chung, Sim and Ye 2022, algorithm 1). Where
/// nothing is known it is image to image (SDEdit, Meng et al. 2022).
///
/// Random numbers belong to a sample: run r of sample k is the same however samples are divided.
public struct Restoration {
    private let generator: SampleGenerator
    /// With the start that guesses are noised to.
    private let sampler: Sampler
    private let observation: Observation
    /// Of the first run; that of run r is r more.
    public var seed: UInt64 = 0
    /// Runs whose mean is taken.
    public var runs = 1
    /// What the network is told.
    public var classes = SampleClasses.all
    /// A classifier that guides.
    public var guide: ClassifierGuide?
    /// Where set, samples are led to what is known of them by the gradient of a distance, and nothing is put in its place.
    public var distance: PosteriorGuide.Distance?

    /// - Parameter sampler: of a kind that takes projections, where something is known and no distance leads to it.
    public init(_ generator: SampleGenerator, _ sampler: Sampler, _ observation: Observation) {
        (self.generator, self.sampler, self.observation) = (generator, sampler, observation)
    }

    /// Passes through the network that so many samples take.
    public func passes(_ count: Int) -> Int {
        runs * ((count + generator.batch - 1) / generator.batch) * sampler.passes
    }

    /// Samples number `samples`, `[samples, H, W, C]`.
    ///
    /// - Parameters:
    ///   - guess: what is noised; of the shape of the result.
    ///   - observed: where what is known of the samples is read; of the same shape.
    ///   - passed: called after each pass through the network.
    public func callAsFunction(
        _ samples: Range<Int>, guess: [Float], observed: [Float], passed: @escaping () throws -> Void = {}
    ) throws -> [Float] {
        let size = generator.sampleSize
        precondition(
            guess.count == samples.count * size && observed.count == guess.count,
            "\(guess.count) and \(observed.count) numbers of \(samples.count) samples")
        precondition(
            observation.part == .nothing || distance != nil || sampler.configuration.sampler.takesProjections,
            "\(sampler.configuration.sampler) takes no projections")
        func rows(_ values: [Float], _ places: Range<Int>) -> [Float] {
            Sampling.rows(values, places, of: samples, size)
        }
        let toKnown = distance.map { distance in
            PosteriorGuide(generator.model, sampler.configuration, observation, distance) { rows(observed, $0) }
        }
        let guides: (any SampleGuide)? = toKnown ?? guide
        var sum = [Float](repeating: 0, count: guess.count)
        for run in 0..<runs {
            let seed = seed &+ UInt64(run)
            var hooks = SamplingHooks()
            hooks.start = { places, noise in sampler.noised(rows(guess, places), noise: noise) }
            if observation.part != .nothing, distance == nil {
                hooks.reached = { places, step, x in
                    let known = noised(rows(observed, places), after: step, places, seed: seed)
                    observation.replace(in: &x, by: known, images: places)
                }
            }
            let restored = try generator.samples(
                samples, seed: seed, sampler: sampler, classes: classes, guide: guides, hooks: hooks
            ) { _, _ in try passed() }
            for i in sum.indices { sum[i] += restored[i] }
        }
        return runs == 1 ? sum : sum.map { $0 / Float(runs) }
    }

    /// A draw of q(x_t | x_0) at the time that a step leads to; x_0 itself after the last.
    private func noised(_ x0: [Float], after step: Int, _ places: Range<Int>, seed: UInt64) -> [Float] {
        let alphaBar = sampler.alphaBar(after: step)
        guard alphaBar < 1 else { return x0 }
        let draw = Draw("noise", .noise, .normal, elements: generator.sampleSize)
        let (alpha, sigma) = (Float(alphaBar.squareRoot()), Float((1 - alphaBar).squareRoot()))
        return zip(x0, draw.values(seed: seed, at: places.map { (step, $0) })).map { alpha * $0 + sigma * $1 }
    }
}
