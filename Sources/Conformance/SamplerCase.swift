import Diffusion
import TensorGraph

/// A reference file of `kind = sampler`: a run of a sampler from given parameters and random numbers.
struct SamplerCase {
    private let file: CaseFile
    private let tolerances: Tolerances
    private let configuration: CaseConfiguration
    private let sampler: Sampler
    /// The class of each image, where the network takes it.
    private var labels: [Float]?
    /// `[N, C, H, W]`.
    private let imageShape: [Int]

    init(_ file: CaseFile, _ tolerances: Tolerances) throws {
        self.file = file
        self.tolerances = tolerances
        configuration = try file.json("config", as: CaseConfiguration.self)
        if let fault = configuration.fault { throw file.error("the attribute 'config' cannot be used: \(fault)") }
        let word = try file.text("sampler")
        guard let kind = SamplerKind(rawValue: word) else {
            let known = SamplerKind.allCases.map(\.rawValue).joined(separator: " or ")
            throw file.error("the attribute 'sampler' is '\(word)'; it can be \(known)")
        }
        let model = configuration.model
        var diffusion = configuration.diffusion
        diffusion.sampler = kind
        diffusion.samplingSteps = diffusion.timesteps
        if kind == .ddim, let steps = configuration.samplingTimesteps { diffusion.samplingSteps = steps }
        diffusion.clipDenoised = try file.flag("clip_denoised")
        sampler = Sampler(diffusion)
        if configuration.model.takesLabels { labels = try file.integers("label").map(Float.init) }
        imageShape = [try file.shape("x_T").first ?? 0, model.channels, model.size, model.size]
        guard imageShape[0] > 0 else { throw file.error("/x_T is empty") }
        guard labels?.count ?? imageShape[0] == imageShape[0],
            labels?.allSatisfy({ $0 >= 0 && $0 < Float(model.classes) }) ?? true
        else { throw file.error("/label is not a class of \(model.classes) for each image") }
    }

    /// Runs the sampler and compares every x on its way.
    func run(on backend: any Backend) throws -> CaseReport {
        let c = configuration.model
        let model = try DenoiserModel(c, batch: imageShape[0], on: backend)
        try file.checkNames("parameters/initial", model.layout)
        try model.load(try file.arena("parameters/initial", model.layout))

        let draws = try self.draws()
        var (used, reached) = (0, [try file.images("x_T", shape: imageShape)])
        let count = imageShape[0]
        _ = try sampler.sample(
            from: reached[0], usesEta: c.usesEta, selfCondition: c.selfCondition,
            predict: { x, t, eta, estimate in
                let timestep = [Float](repeating: Float(t), count: count)
                let (output, _) = try model.predict(
                    x, timestep: timestep, eta: eta, selfCondition: estimate, labels: labels)
                let (noise, v) = c.parts(ofOutput: output)
                return noise + v
            },
            draw: { _, _ in
                defer { used += 1 }
                guard used < draws.count else { throw file.error("/draws ends after \(used) tensors") }
                return draws[used]
            },
            reached: { reached.append($1) })
        guard used == draws.count else {
            throw file.error("/draws holds \(draws.count) tensors, of which the sampler took \(used)")
        }
        var m = Measurements()
        try compare(reached, &m)
        return CaseReport(
            path: file.path,
            summary: "sampler \(sampler.configuration.sampler.rawValue), \(sampler.evaluations) of "
                + "\(sampler.configuration.timesteps) steps, "
                + "\(c.smd ? "SMD" : "vanilla"), \(model.parameterCount) parameters",
            measurements: m.all, notes: m.notes)
    }

    /// Compares `[step][N, H, W, C]` with the stored `[N, step, C, H, W]`, relative to the whole trajectory's largest.
    private func compare(_ reached: [[Float]], _ m: inout Measurements) throws {
        let (n, c, size) = (imageShape[0], imageShape[1], imageShape[2])
        let stored = try file.images("trajectory", shape: [n, reached.count, c, size, size])
        let largest = stored.reduce(0) { $1.isFinite ? max($0, Double(abs($1))) : $0 }
        let image = c * size * size
        for (step, x) in reached.enumerated() {
            let expected = (0..<n).flatMap { sample in
                let start = (sample * reached.count + step) * image
                return stored[start..<start + image]
            }
            let found = configuration.normalize ? x.map { ($0 + 1) / 2 } : x
            m.compare(
                "trajectory", tolerance: tolerances.output, found, Array(expected), "trajectory, step \(step)",
                scale: largest)
        }
    }

    /// The random tensors in the order in which they were drawn.
    private func draws() throws -> [[Float]] {
        guard file.contains("draws"), let count = try file.shape("draws").first, count > 0 else { return [] }
        let values = try file.images("draws", shape: [count] + imageShape)
        let size = imageShape.reduce(1, *)
        return (0..<count).map { Array(values[$0 * size..<($0 + 1) * size]) }
    }
}
