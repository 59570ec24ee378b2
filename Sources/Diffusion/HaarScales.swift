import NeuralNetwork

/// Multi-scale diffusion in Haar space (Non-Uniform Diffusion, Batzolis et al. 2022, arXiv:2207.09786), as its scale k of n
/// sees it.
///
/// The orthonormal Haar transform H of an image has the details d_1 (the finest) to d_{n−1} and the approximation, here d_n.
/// Coarser ones drown later: over T timesteps λ = ln(ᾱ/(1 − ᾱ)) of d_j goes in equal steps from `logsnr_max` at t = 0 to
/// `logsnr_min` at t = jT/n − 1, and after that d_j is noise. Scale k has the timesteps (k−1)T/n ≤ t < kT/n, in which d_k … d_n are left.
/// As an image these are the approximation of order k − 1, of each block of 2^(k−1)×2^(k−1) pixels the mean times 2^(k−1):
///
///     x_t = H⁻¹(√ᾱ^j ⊙ H x_0 + √(1−ᾱ^j) ⊙ H ε)
///
/// As H is orthonormal, H ε is white noise, too, and a squared error in Haar space is one of pixels: what the network is
/// shown and gives are images, its ``Objective`` that of each d_j with its own ᾱ^j.
///
/// What scale k + 1 leaves at t = kT/n − 1 has the law that scale k is trained on there, once it has the details d_k, which are
/// N(0, 1) (``start(approximation:noise:)``).
public struct HaarScales: Sendable {
    /// (k−1)T/n ..< kT/n.
    public let timesteps: Range<Int>
    /// 2^(k−1), pixels of the data along a side of a pixel of this scale, and the bound of its values.
    public let blockSide: Int
    private let transform: HaarTransform
    private let groups: [Int]
    /// Of d_k … d_n.
    private let schedules: [NoiseSchedule]

    /// The scale that `configuration` names; nil where there is one scale alone.
    ///
    /// - Parameter model: the network of this scale; its size is that of the approximation.
    public init?(_ configuration: DiffusionConfiguration, _ model: ModelConfiguration) {
        let (n, k) = (configuration.scales, configuration.scale)
        if n == 1 { return nil }
        precondition(1...n ~= k && configuration.timesteps % n == 0, "scale \(k) of \(n), T \(configuration.timesteps)")
        let length = configuration.timesteps / n
        timesteps = (k - 1) * length..<k * length
        blockSide = configuration.blockSide
        transform = HaarTransform(side: model.size, channels: model.channels, levels: n - k)
        groups = transform.groups
        schedules = (k...n).map { configuration.logSNRSchedule(timesteps: $0 * length) }
    }

    /// How many samples `values`, `[N, H, W, C]`, are.
    func samples(of values: [Float]) -> Int { values.count / transform.elements }

    /// ᾱ^j at `t`, of d_k … d_n.
    public func alphaBars(_ t: Int) -> [Double] { schedules.map { $0.alphaBars[t] } }

    /// x_t and the ``Objective``'s target, as ``ForwardProcess/noised(x0:noise:timesteps:offsets:)`` has them.
    func noised(
        x0: [Float], noise: [Float], timesteps: [Int], _ objective: Objective
    ) -> (xt: [Float], target: [Float]) {
        let xt = combined([x0, noise], timesteps) { [$0.squareRoot(), (1 - $0).squareRoot()] }
        let target = combined([x0, noise], timesteps) {
            let target = objective.target(alphaBar: $0)
            return [target.x0, target.noise]
        }
        return (xt, target)
    }

    /// x̂_0 of the network's output, `[N, H, W, C]`.
    func x0Estimate(output: [Float], xt: [Float], timesteps: [Int], _ objective: Objective) -> [Float] {
        combined([xt, output], timesteps) {
            let x0 = objective.x0(alphaBar: $0)
            return [x0.xt, x0.output]
        }
    }

    /// Weight of an image's squared error at `t`: the mean over the coefficients of that of their groups.
    func weight(_ t: Int, _ ofSignalToNoise: (Double) -> Double) -> Double {
        zip(transform.shares, alphaBars(t)).reduce(0) { $0 + $1.0 * ofSignalToNoise($1.1 / (1 - $1.1)) }
    }

    /// A step of DDIM from t to t', of every group (Song et al. 2021, equations 12 and 16):
    /// `x' = √ᾱ' x̂_0 + √(1 − ᾱ' − σ²) ε̂ + σ · noise`, `σ = η √((1 − ᾱ/ᾱ')(1 − ᾱ')/(1 − ᾱ))`; with η = 1 that of the
    /// ancestral chain.
    ///
    /// - Parameters:
    ///   - x: x_t of all samples, `[N, H, W, C]`; `x0` and `noise` likewise.
    ///   - next: t', of this scale or the last of the next finer one; nil is the clean end, x̂_0.
    func step(_ x: [Float], x0: [Float], noise: [Float], from t: Int, to next: Int?, eta: Double) -> [Float] {
        guard let next else { return x0 }
        let timesteps = [Int](repeating: t, count: samples(of: x))
        return combined([x, x0, noise], timesteps) { schedule, t in
            let (a, b) = (schedule.alphaBars[t], schedule.alphaBars[next])
            let sigma = eta * ((1 - a / b) * (1 - b) / (1 - a)).squareRoot()
            let ofX = (max(0, 1 - b - sigma * sigma) / (1 - a)).squareRoot()
            return [ofX, b.squareRoot() - ofX * a.squareRoot(), sigma]
        }
    }

    /// x at the last timestep of this scale, `[N, H, W, C]`, of what the next coarser scale left there,
    /// `[N, H/2, W/2, C]`, and the details of white noise, `[N, H, W, C]`.
    public func start(approximation: [Float], noise: [Float]) -> [Float] {
        HaarTransform(side: transform.side, channels: transform.channels, levels: 1)
            .replacing(approximation: approximation, of: noise)
    }

    private func combined(
        _ values: [[Float]], _ timesteps: [Int], _ coefficients: (_ alphaBar: Double) -> [Double]
    ) -> [Float] {
        combined(values, timesteps) { coefficients($0.alphaBars[$1]) }
    }

    /// `H⁻¹ Σ_i c_i^j ⊙ H values_i`, the coefficients c those of a group's schedule at the sample's t.
    private func combined(
        _ values: [[Float]], _ timesteps: [Int], _ coefficients: (NoiseSchedule, Int) -> [Double]
    ) -> [Float] {
        let size = transform.elements
        precondition(
            values.allSatisfy { $0.count == timesteps.count * size },
            "\(values.map(\.count)) numbers of \(timesteps.count) samples of \(size)")
        let transformed = values.map { transform($0) }
        var sum = [Float](repeating: 0, count: timesteps.count * size)
        for (sample, t) in timesteps.enumerated() {
            let ofGroups = schedules.map { coefficients($0, t) }
            for (number, value) in transformed.enumerated() {
                let factors = ofGroups.map { Float($0[number]) }
                for i in 0..<size { sum[sample * size + i] += factors[groups[i]] * value[sample * size + i] }
            }
        }
        return transform.inverse(sum)
    }
}

extension DiffusionConfiguration {
    /// 2^(k−1) of scale k: how many pixels of the data lie along a side of a pixel that the network is shown.
    public var blockSide: Int { 1 << (scale - 1) }

    /// The share of ``samplingSteps`` that falls to this scale, of all spread evenly over t.
    var stepsOfScale: Int { samplingSteps * scale / scales - samplingSteps * (scale - 1) / scales }
}
