import Configuration
import Diffusion

/// The networks that draw samples together: one of each scale of a multi-scale diffusion, or one alone. The coarsest begins with
/// noise; where a scale ends the next finer one goes on, with details of noise (``HaarScales``).
public struct ScaleRuns {
    /// The one whose samples they are.
    public let finest: SamplingJob
    /// The others, the next finer one first.
    public let coarser: [SamplingJob]

    /// - Throws: ``RunError`` where these are not one run of each scale of the same diffusion of the same samples.
    public init(_ finest: SamplingJob, coarser: [SamplingJob]) throws {
        self.finest = finest
        self.coarser = coarser.sorted { $0.configuration.diffusion.scale < $1.configuration.diffusion.scale }
        let n = finest.configuration.diffusion.scales
        guard n > 1 || coarser.isEmpty else {
            throw RunError("\(finest.path) is of one scale (diffusion.scales is 1): leave out --coarser")
        }
        let first = finest.configuration.diffusion.scale
        guard first == 1 else {
            throw RunError(
                "\(finest.path) is scale \(first) of \(n); name the run of scale 1 in its place, and this one with --coarser"
            )
        }
        var byScale = [1: finest]
        for job in self.coarser {
            try Self.requireSame(job, finest)
            let scale = job.configuration.diffusion.scale
            if let other = byScale[scale] {
                throw RunError("\(other.path) and \(job.path) are both scale \(scale) of \(n): leave one out")
            }
            byScale[scale] = job
        }
        if let missing = (1...n).first(where: { byScale[$0] == nil }) {
            throw RunError("the run of scale \(missing) of \(n) is missing; name it: --coarser RUN")
        }
    }

    /// Refuses a run that is no scale of the diffusion of `finest`.
    private static func requireSame(_ job: SamplingJob, _ finest: SamplingJob) throws {
        let (own, its) = (finest.configuration, job.configuration)
        let pairs: [(String, String, String)] = [
            ("diffusion.scales", "\(own.diffusion.scales)", "\(its.diffusion.scales)"),
            ("diffusion.timesteps", "\(own.diffusion.timesteps)", "\(its.diffusion.timesteps)"),
            ("diffusion.logsnr_max", "\(own.diffusion.logSNRMax)", "\(its.diffusion.logSNRMax)"),
            ("diffusion.logsnr_min", "\(own.diffusion.logSNRMin)", "\(its.diffusion.logSNRMin)"),
            ("model.channels", "\(own.model.channels)", "\(its.model.channels)"),
            ("model.classes", "\(own.model.classes)", "\(its.model.classes)"),
        ]
        for (key, own, its) in pairs where own != its {
            throw RunError("\(job.path) has \(key) \(its), but \(finest.path) \(own)")
        }
        let side = its.model.size * its.diffusion.blockSide
        guard own.model.size == side, job.dataFingerprint == finest.dataFingerprint else {
            throw RunError(
                "\(job.path) was trained on other samples than \(finest.path)"
                    + (own.model.size == side ? "" : ", on images of \(side)×\(side)"))
        }
    }

    /// What each is run with, the coarsest first: its own configuration with what `settings`, those of the finest, say of
    /// sampling.
    ///
    /// - Throws: ``RunError`` where one of the networks cannot be guided, or the optimal variance was not measured.
    public func samplers(_ settings: RunConfiguration) throws -> [Sampler] {
        let chosen = ConfigurationKey.sampler.map { "\($0.name)=\($0.text(in: settings))" }
        return try coarser.reversed().map { job in
            let own = try job.configuration.sampling(overrides: chosen).diffusion
            if let fault = own.guidance.fault(job.configuration.model) { throw RunError("\(job.path): \(fault)") }
            return try job.sampler(own)
        } + [try finest.sampler(settings.diffusion)]
    }

    /// What is drawn, and how.
    public struct Settings {
        let seed: UInt64
        let classes: SampleClasses
        let guide: ClassifierGuide?
        let hooks: SamplingHooks
        let batch: Int
        let precision: JobPrecision

        /// - Parameters:
        ///   - guide: of one scale alone; so are `hooks`, but for what begins the coarsest.
        ///   - batch: samples at a time.
        public init(
            seed: UInt64, classes: SampleClasses, guide: ClassifierGuide?, hooks: SamplingHooks, batch: Int,
            precision: JobPrecision
        ) {
            (self.seed, self.classes, self.guide, self.hooks) = (seed, classes, guide, hooks)
            (self.batch, self.precision) = (batch, precision)
        }
    }

    /// Samples number `positions`, `[positions, H, W, C]`.
    ///
    /// - Parameters:
    ///   - samplers: those of ``samplers(_:)``.
    ///   - progress: called with (passes through the networks done, all) after each.
    public func samples(
        _ positions: Range<Int>, _ samplers: [Sampler], _ settings: Settings,
        progress: @escaping (Int, Int) throws -> Void
    ) throws -> [Float] {
        let batches = (positions.count + settings.batch - 1) / settings.batch
        let all = batches * samplers.reduce(0) { $0 + $1.passes }
        var (x, hooks, done, round) = ([Float](), settings.hooks, 0, 0)
        for (job, sampler) in zip(coarser.reversed() + [finest], samplers) {
            if round > 0, let scales = HaarScales(sampler.configuration, job.configuration.model) {
                hooks = SamplingHooks()
                hooks.start = { [x] places, noise in
                    scales.start(
                        approximation: rows(x, places, of: positions, x.count / positions.count), noise: noise)
                }
            }
            let generator = try job.generator(batch: settings.batch, precision: settings.precision)
            x = try generator.samples(
                positions, seed: settings.seed, sampler: sampler, classes: settings.classes, guide: settings.guide,
                hooks: hooks, firstRound: round
            ) { [done] ofScale, _ in try progress(done + ofScale, all) }
            done += batches * sampler.passes
            round += sampler.times.count + 1
        }
        return x
    }
}
