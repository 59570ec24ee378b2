import ArgumentParser
import Communication
import DataSets
import Sampling

/// What becomes of samples that are latents.
struct LatentOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Of latents: the checkpoint or run that encoded them; default: first_stage of the run's configuration.",
            valueName: "checkpoint"),
        completion: .file(extensions: ["h5"]))
    var firstStage: String?

    @Flag(help: "Of latents: write them as they are, a data set of /mean and /deviation, for smd dataset decode.")
    var latents = false

    func validate() throws {
        if latents, firstStage != nil { throw ValidationError("--latents and --first-stage exclude one another") }
    }

    /// What makes images of the samples; nil where these are written as they are. Collective.
    func images(of job: SamplingJob, _ communicator: any Communicator) throws -> LatentImages? {
        let path = firstStage ?? job.configuration.firstStagePath ?? ""
        let facts = try communicator.together("checking the first stage") { () throws -> LatentFacts? in
            guard let facts = job.latents else {
                if latents || firstStage != nil {
                    throw CommandFailure(
                        .badInput, "\(latents ? "--latents" : "--first-stage"): the network does not draw latents")
                }
                return nil
            }
            if latents { return nil }
            guard !path.isEmpty else {
                throw CommandFailure(
                    .badInput,
                    "the network draws latents; name what makes images of them, --first-stage CHECKPOINT, or write them "
                        + "as they are: --latents")
            }
            if communicator.rank == 0, !isFolder(path) { try FileTrial.run(.checkpoint, path) }
            return facts
        }
        guard let facts else { return nil }
        return try communicator.together("reading the first stage") { try LatentImages(facts, at: path) }
    }
}
