import Communication
import Configuration
import Diffusion
import Evaluation
import NeuralNetwork
import Sampling
import Mixtures

/// What `smd evaluate nll` measures: a network, or the oracle in its place.
enum JudgedDenoiser {
    case network(SamplingJob, JobPrecision, path: String)
    case oracle(GaussianMixture, RunConfiguration, path: String)

    var configuration: RunConfiguration {
        switch self {
        case .network(let job, _, _): job.configuration
        case .oracle(_, let configuration, _): configuration
        }
    }
    var model: ModelConfiguration { configuration.model }
    /// How many classes it knows; 0 where it knows none.
    var classes: Int {
        switch self {
        case .network(let job, _, _): job.classes
        case .oracle: 0
        }
    }
    var path: String {
        switch self {
        case .network(_, _, let path), .oracle(_, _, let path): path
        }
    }

    /// The bounds of `set`. Collective.
    func measure(
        _ set: LikelihoodSamples, _ command: EvaluateNLLCommand, _ communicator: any Communicator
    ) throws -> DenoisingLikelihood {
        var diffusion = configuration.diffusion
        let schedule = NoiseSchedule(diffusion)
        let times = try communicator.together("reading --levels") {
            try command.prior.apply(to: &diffusion, keepsSteps: false)
            return try Self.times(command.levels, of: diffusion.reach)
        }
        let prior = try prior(command, diffusion, communicator)?.noised(schedule.alphaBars[diffusion.reach - 1])
        var settings = DenoisingLikelihood.Settings()
        (settings.seed, settings.isDiscrete) = (command.seed, command.discrete)
        settings.draws = command.etaDraws ?? usualDraws(command)
        let work = evaluationWork(communicator)
        switch self {
        case .oracle(let mixture, _, _):
            (settings.batch, settings.clips) = (command.batch, false)
            let oracle = MixtureOracle(mixture, schedule)
            return try DenoisingLikelihood.measure(
                set.samples, schedule, times: times, prior: prior, settings, work
            ) {
                Watchdog.beat()
                return oracle.estimates(
                    xt: $0, $1, places: $2, draw: $3, isDraw: command.oracle.estimate == .posterior, seed: settings.seed
                )
            }
        case .network(let job, let runs, _):
            let process = ForwardProcess(configuration.diffusion).withoutOffsetNoise
            let generator = try communicator.together("preparing the network") {
                try job.generator(batch: min(command.batch, set.samples.places.count), precision: runs)
            }
            (settings.batch, settings.clips) = (generator.batch, configuration.diffusion.clipDenoised)
            return try DenoisingLikelihood.measure(
                set.samples, schedule, times: times, prior: prior, settings, work
            ) {
                xt, timestep, places, draw in
                Watchdog.beat()
                return try generator.estimates(
                    xt: xt, timesteps: places.map { _ in timestep }, places: places,
                    // Draws of a place at another time are others.
                    draw: draw * schedule.timesteps + timestep, seed: settings.seed, process,
                    labels: set.labels.map { labels in places.map { labels[$0] ?? 0 } })
            }
        }
    }

    /// What the noisiest level is taken to be; nil: N(0, I). Collective.
    private func prior(
        _ command: EvaluateNLLCommand, _ diffusion: DiffusionConfiguration, _ communicator: any Communicator
    ) throws -> GaussianMixture? {
        switch self {
        case .network(let job, _, _): return try command.prior.mixture(of: job, diffusion, communicator)
        case .oracle(let mixture, _, _):
            guard let path = diffusion.priorPath else { return nil }
            let prior = try triedPrior(path, communicator).mixture
            guard prior.dimension == mixture.dimension else {
                throw CommandFailure(
                    .badInput, "\(path): a prior of \(prior.dimension) numbers, the data have \(mixture.dimension)")
            }
            return prior
        }
    }

    private func usualDraws(_ command: EvaluateNLLCommand) -> Int {
        switch self {
        case .network: model.drawsEta || model.head == .mixture ? 4 : 1
        case .oracle: command.oracle.estimate == .posterior ? 4 : 1
        }
    }

    /// The timesteps visited, evenly spaced with both ends.
    private static func times(_ levels: Int?, of count: Int) throws -> [Int] {
        guard count > 1, levels ?? 2 <= count else {
            throw CommandFailure(.usage, "--levels is \(levels ?? 2), but the diffusion has \(count) timesteps")
        }
        let points = levels ?? min(count, 100)
        return (0..<points).map { $0 * (count - 1) / (points - 1) }
    }
}
