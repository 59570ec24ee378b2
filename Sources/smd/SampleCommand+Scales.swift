import ArgumentParser
import Communication
import Sampling

/// The runs of the coarser scales of a multi-scale diffusion.
struct ScaleOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Of a multi-scale diffusion, whose finest scale is CHECKPOINT: checkpoint or run of a coarser one; once for each.",
            valueName: "checkpoint"),
        completion: .file(extensions: ["h5"]))
    var coarser: [String] = []

    /// The checkpoints that they mean. Collective.
    func tried(_ communicator: any Communicator) throws -> [String] {
        try coarser.map { try triedCheckpoint($0, communicator) }
    }
}
