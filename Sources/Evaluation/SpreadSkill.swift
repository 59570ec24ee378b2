import Diffusion
import Philox

/// Whether a network's draws of x_0 given x_t are spread as far as they should be: held-out samples are noised to x_t, x_0 is
/// estimated m times with latents of its own, and the spread of the estimates is held against how far their mean x̄ is off
/// (Fortin et al. 2014, equation 15; unbiased for any m).
public struct SpreadSkill: Equatable, Sendable {
    public let timestep: Int
    /// √((1 + 1/m) · mean Var / mean ‖x_0 − x̄‖²), with the unbiased variance of the draws: 1 where they are draws of
    /// x_0 | x_t, less where they are too much alike, 0 where the network has no latent.
    public let ratio: Estimate
    /// mean ‖x_0 − x̄‖² over the variance of the samples: how much of x_0 the network does not know at x_t.
    public let meanError: Estimate
    /// The mean variance of the draws, over that of the samples.
    public let variance: Estimate

    /// A network that estimates x_0: (x_t `[N, elements]`, t, place of each sample, number of the draw) to `[N, elements]`.
    public typealias Estimator = (_ xt: [Float], _ timestep: Int, _ places: [Int], _ draw: Int) throws -> [Float]

    /// What is compared.
    public struct Samples: Sendable {
        /// `[places, elements]`
        let values: [Float]
        /// What the random numbers of each are keyed by.
        public let places: [Int]
        let elements: Int
        /// Channels of an element's pixel, for noise that pixels share.
        let channels: Int

        public init(_ values: [Float], places: [Int], elements: Int, channels: Int) {
            precondition(
                places.count > 1 && values.count == places.count * elements,
                "\(values.count) numbers of \(places.count) samples of \(elements)")
            (self.values, self.places, self.elements, self.channels) = (values, places, elements, channels)
        }

        /// Mean over samples of ‖x_0 − mean x_0‖², unbiased.
        var variance: Double {
            let count = places.count
            var sum = 0.0
            for element in 0..<elements {
                let column = (0..<count).map { Double(values[$0 * elements + element]) }
                let mean = column.reduce(0, +) / Double(count)
                sum += column.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
            }
            return sum / Double(count - 1)
        }
    }

    /// How many estimates, and how many samples at a time.
    public struct Settings: Sendable {
        public var draws: Int
        public var batch: Int
        public var seed: UInt64

        public init(draws: Int, batch: Int, seed: UInt64) {
            precondition(draws > 1 && batch > 0, "\(draws) draws, \(batch) samples at a time")
            (self.draws, self.batch, self.seed) = (draws, batch, seed)
        }
    }

    /// At each of `timesteps`. Collective.
    ///
    /// - Throws: what `estimate` throws.
    public static func measure(
        _ samples: Samples, _ process: ForwardProcess, timesteps: [Int], _ settings: Settings, _ work: EvaluationWork,
        _ estimate: Estimator
    ) throws -> [SpreadSkill] {
        let tiles = EvaluationWork.tiles(of: samples.places.count, length: settings.batch)
        let found = try work.pieces("estimating x_0", timesteps.count * tiles.count) { piece in
            try deviations(
                samples, tiles[piece % tiles.count], process, timesteps[piece / tiles.count], settings, estimate)
        }
        let variance = samples.variance
        return timesteps.enumerated().map { number, timestep in
            let pairs = found[number * tiles.count..<(number + 1) * tiles.count].joined()
            return SpreadSkill(timestep, Array(pairs), draws: settings.draws, dataVariance: variance)
        }
    }

    /// From the (variance, squared error) of each sample.
    private init(_ timestep: Int, _ pairs: [SIMD2<Double>], draws: Int, dataVariance: Double) {
        self.timestep = timestep
        let (spread, error) = (Estimate(meanOf: pairs.map(\.x)), Estimate(meanOf: pairs.map(\.y)))
        func relative(_ estimate: Estimate) -> Estimate {
            Estimate(estimate.value / dataVariance, error: estimate.error.map { $0 / dataVariance })
        }
        (variance, meanError) = (relative(spread), relative(error))
        let value = ((1 + 1 / Double(draws)) * spread.value / error.value).squareRoot()
        // To first order: of a ratio of means, the relative error is that of the mean of a/ā − b/b̄; a root has half of it.
        let parts = pairs.map { $0.x / spread.value - $0.y / error.value }
        ratio = Estimate(value, error: spread.value > 0 ? Estimate(meanOf: parts).error.map { value * $0 / 2 } : nil)
    }

    /// Of each sample of `tile`, Σ Var over its elements, and ‖x_0 − x̄‖².
    private static func deviations(
        _ samples: Samples, _ tile: Range<Int>, _ process: ForwardProcess, _ timestep: Int, _ settings: Settings,
        _ estimate: Estimator
    ) throws -> [SIMD2<Double>] {
        let size = samples.elements
        let places = Array(samples.places[tile])
        let x0 = Array(samples.values[tile.lowerBound * size..<tile.upperBound * size])
        /// Numbers for each sample; of another kind at epochs of its own.
        func normals(_ name: String, _ kind: Int, elements: Int) -> [Float] {
            Draw(name, .evaluation, .normal, elements: elements).values(
                seed: settings.seed, at: places.map { (kind * process.schedule.timesteps + timestep, $0) })
        }
        let xt = process.noised(
            x0: x0, noise: normals("noise", 0, elements: size), timesteps: places.map { _ in timestep },
            offsets: process.offsetNoise == 0 ? nil : normals("offset", 1, elements: samples.channels)
        ).xt
        // Welford's running mean and sum of squared deviations.
        var mean = [Double](repeating: 0, count: x0.count)
        var squares = mean
        for draw in 0..<settings.draws {
            for (i, value) in try estimate(xt, timestep, places, draw).enumerated() {
                let deviation = Double(value) - mean[i]
                mean[i] += deviation / Double(draw + 1)
                squares[i] += deviation * (Double(value) - mean[i])
            }
        }
        return tile.indices.map { index in
            let begin = (index - tile.lowerBound) * size
            var pair = SIMD2<Double>()
            for i in begin..<begin + size {
                let error = Double(x0[i]) - mean[i]
                pair += SIMD2(squares[i] / Double(settings.draws - 1), error * error)
            }
            return pair
        }
    }
}
