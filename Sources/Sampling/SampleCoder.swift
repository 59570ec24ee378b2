import Diffusion
import NeuralNetwork

/// Samples as the random numbers from which a sampler makes them, and back: codes (CycleDiffusion, Wu and De la Torre 2023).
///
/// Random numbers of an encoding belong to a sample: its code is the same however samples are divided.
public struct SampleCoder {
    private let generator: SampleGenerator
    private let sampler: Sampler
    /// Where the numbers of a code lie.
    public let layout: NoiseCode
    /// What the network is told.
    public var classes = SampleClasses.all
    /// Of the numbers that are drawn.
    public var seed: UInt64 = 0

    /// - Parameters:
    ///   - sampler: without a ``Sampler/codeFault``.
    ///   - layout: of the codes; η may have another size than the network's where it is not taken.
    public init(_ generator: SampleGenerator, _ sampler: Sampler, _ layout: NoiseCode) {
        precondition(sampler.codeFault == nil, sampler.codeFault ?? "")
        (self.generator, self.sampler, self.layout) = (generator, sampler, layout)
    }

    /// Samples at a time.
    public var batch: Int { generator.batch }

    /// Where the numbers of codes of a network lie.
    public static func layout(_ model: ModelConfiguration, _ sampler: Sampler) -> NoiseCode {
        NoiseCode(
            elements: model.sampleElements, steps: sampler.times.count, etaElements: model.etaDraw?.elements ?? 0,
            evaluations: sampler.evaluations)
    }

    /// Codes of samples number `samples`, `[samples, code]`.
    ///
    /// - Parameters:
    ///   - x0: the samples, `[samples, H, W, C]`.
    ///   - passed: called after each pass through the network.
    public func codes(
        _ samples: Range<Int>, x0: [Float], passed: @escaping () throws -> Void = {}
    ) throws -> [Float] {
        let size = layout.elements
        precondition(x0.count == samples.count * size, "\(x0.count) numbers of \(samples.count) samples")
        var codes = [Float](repeating: 0, count: samples.count * layout.count)
        /// Keeps numbers of a batch, of which the last may be filled up.
        func keep(_ values: [Float], at place: Range<Int>, of places: Range<Int>) {
            for (slot, sample) in places.enumerated() where samples ~= sample {
                let first = (sample - samples.lowerBound) * layout.count + place.lowerBound
                codes.replaceSubrange(
                    first..<first + place.count, with: values[slot * place.count..<(slot + 1) * place.count])
            }
        }
        let noise = Draw("noise", .noise, .normal, elements: size)
        let eta = generator.model.etaDraw?.with(.samplingEta)
        var (xt, truth): ([Float], [Float]) = ([], [])
        var hooks = SamplingHooks()
        hooks.start = { places, noise in
            truth = rows(x0, places, of: samples, size)
            xt = sampler.noised(truth, noise: noise)
            keep(xt, at: layout.start, of: places)
            return xt
        }
        hooks.draw = { places, number, which in
            guard which == .eta, let eta else { return [Float](repeating: 0, count: places.count * size) }
            let values = eta.values(seed: seed, at: places.map { (number, $0) })
            keep(values, at: layout.place(number, .eta), of: places)
            return values
        }
        hooks.reached = { places, step, x in
            let isLast = step == layout.steps - 1
            let drawn = isLast ? [] : noise.values(seed: seed, at: places.map { (step, $0) })
            let (found, next) = sampler.encoded(step, from: xt, mean: x, x0: truth, noise: drawn)
            keep(found, at: isLast ? layout.residual : layout.place(step, .noise), of: places)
            (xt, x) = (next, next)
        }
        _ = try generator.samples(samples, seed: seed, sampler: sampler, classes: classes, hooks: hooks) { _, _ in
            try passed()
        }
        return codes
    }

    /// Which numbers of a code are taken.
    public struct Taken: Sendable {
        /// η; else it is drawn.
        public var eta: Bool
        /// What the last step of the encoding was off by: only of the network that encoded is the result then exact.
        public var residual: Bool

        public init(eta: Bool, residual: Bool) { (self.eta, self.residual) = (eta, residual) }
    }

    /// Samples number `samples` from their codes, `[samples, H, W, C]`.
    public func samples(
        _ samples: Range<Int>, codes: [Float], _ taken: Taken, passed: @escaping () throws -> Void = {}
    ) throws -> [Float] {
        precondition(codes.count == samples.count * layout.count, "\(codes.count) numbers of \(samples.count) codes")
        func part(_ place: Range<Int>, _ places: Range<Int>) -> [Float] {
            places.flatMap { sample in
                let first = (min(sample, samples.upperBound - 1) - samples.lowerBound) * layout.count
                return codes[first + place.lowerBound..<first + place.upperBound]
            }
        }
        var hooks = SamplingHooks()
        hooks.start = { places, _ in part(layout.start, places) }
        hooks.draw = { places, number, which in
            which == .eta && !taken.eta ? nil : part(layout.place(number, which), places)
        }
        if taken.residual {
            hooks.reached = { places, step, x in
                guard step == layout.steps - 1 else { return }
                x = zip(x, part(layout.residual, places)).map { $0 + $1 }
            }
        }
        return try generator.samples(samples, seed: seed, sampler: sampler, classes: classes, hooks: hooks) { _, _ in
            try passed()
        }
    }

    /// The code between two, at a share of the way: of x at the start, the noises and η along great circles (Shoemake 1985),
    /// which keeps the length of Gaussian numbers; of the rest along the straight line.
    public func between(_ a: [Float], _ b: [Float], _ share: Double) -> [Float] {
        precondition(a.count == layout.count && b.count == layout.count, "\(a.count) and \(b.count) of \(layout.count)")
        var result = [Float](repeating: 0, count: a.count)
        let noises = (0..<layout.steps - 1).map { layout.place($0, .noise) }
        let etas = (0..<layout.evaluations).map { layout.place($0, .eta) }
        for place in [layout.start] + noises + etas {
            result.replaceSubrange(place, with: sphericallyBetween(Array(a[place]), Array(b[place]), share))
        }
        for i in layout.residual { result[i] = a[i] + Float(share) * (b[i] - a[i]) }
        return result
    }
}
