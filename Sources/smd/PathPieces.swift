import Communication
import Configuration
import Sampling
import Storage

/// Paths in pieces that do not depend on the number of ranks.
struct PathPieces {
    /// Of all paths.
    let paths: Int

    init(count: Int) { paths = count }

    /// How many there are.
    var count: Int { (paths + PathJob.batch - 1) / PathJob.batch }

    subscript(number: Int) -> Range<Int> {
        number * PathJob.batch..<min((number + 1) * PathJob.batch, paths)
    }
}

/// The checkpoint of a density's sampler at `path`, which was tried; the file of its density is, where the checkpoint does not
/// keep that itself. Collective.
func triedPathJob(_ path: String, _ weights: SampleWeights, _ communicator: any Communicator) throws -> PathJob {
    try communicator.together("reading the density") {
        guard communicator.rank == 0 else { return }
        let header = try CheckpointFile(path, isVerified: false).header
        let configuration = try RunConfiguration(json: header.config, name: path)
        guard configuration.method == .dds, header.attributes["target_weights"] == nil else { return }
        try FileTrial.run(source: configuration)
    }
    return try communicator.together("reading the checkpoint") { try PathJob(path, weights) }
}
