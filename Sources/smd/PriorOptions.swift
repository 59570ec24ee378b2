import ArgumentParser
import Communication
import Diffusion
import Files
import Foundation
import Mixtures
import Sampling

/// Where sampling begins, and with what.
struct PriorOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Begin with draws of this prior, of smd prior fit, noised as the data are; none: N(0, I).",
            valueName: "prior.h5"), completion: .file(extensions: ["h5"]))
    var prior: String?

    @Option(
        help: ArgumentHelp(
            "Begin at this timestep and visit only those below it; default: that of the checkpoint's configuration.",
            valueName: "timesteps"))
    var horizon: Int?

    func validate() throws {
        if let horizon, horizon < 1 { throw ValidationError("--horizon is \(horizon); it must be 1 or more") }
        if prior?.isEmpty ?? false { throw ValidationError("--prior is empty; name a file, or none") }
    }

    /// Lays them over the settings of a sampler.
    ///
    /// - Parameter keepsSteps: whether the number of steps was asked for; else it is at most the horizon.
    func apply(to settings: inout DiffusionConfiguration, keepsSteps: Bool) throws {
        if let horizon {
            guard horizon <= settings.reach else {
                throw CommandFailure(
                    .usage,
                    "--horizon is \(horizon), but the diffusion has \(settings.reach) timesteps"
                        + (settings.horizon == 0
                            ? "" : " (diffusion.horizon), beyond which the network was not trained"))
            }
            settings.horizon = horizon
            if !keepsSteps { settings.samplingSteps = min(settings.samplingSteps, horizon) }
        }
        if let prior { settings.prior = prior }
    }

    /// The prior of these settings, on all ranks; nil for N(0, I). Collective.
    func mixture(
        of job: SamplingJob, _ settings: DiffusionConfiguration, _ communicator: any Communicator
    ) throws -> GaussianMixture? {
        guard let path = settings.priorPath else { return nil }
        // The run's own may lie in the checkpoint alone.
        if !path.hasSameBytes(as: job.configuration.diffusion.prior) || FileManager.default.fileExists(atPath: path) {
            try communicator.together("reading the prior \(path)") {
                if communicator.rank == 0 { try FileTrial.run(.arrays, path, PriorFile.members) }
            }
        }
        return try communicator.together("reading the prior \(path)") { try job.prior(settings) }
    }
}
