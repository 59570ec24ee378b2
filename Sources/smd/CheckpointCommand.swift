import ArgumentParser

/// `smd checkpoint`: looks into the files that training leaves, and makes others of them.
struct CheckpointCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "checkpoint",
        abstract: "Look into checkpoints, compare them, and exchange weights with other programs.",
        discussion: """
            EXAMPLES
              smd checkpoint list runs/fashion
              smd checkpoint inspect runs/fashion/checkpoints/step-00030000.h5 --json
              smd checkpoint diff step-00020000.h5 step-00030000.h5
              smd checkpoint export runs/fashion --format safetensors --output fashion.safetensors
            """,
        subcommands: [
            CheckpointListCommand.self, CheckpointInspectCommand.self, CheckpointDiffCommand.self,
            CheckpointVerifyCommand.self, CheckpointExportCommand.self, CheckpointImportCommand.self,
            CheckpointAverageCommand.self, CheckpointPruneCommand.self,
        ])
}
