import ArgumentParser

/// `smd evaluate`: how good samples and networks are, in numbers. A subcommand is a file.
struct EvaluateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate",
        abstract: "Measure samples and networks against data, or against the truth where it is known.",
        discussion: """
            EXAMPLES
              smd evaluate variance CHECKPOINT --data fashion-mnist.h5
              smd evaluate classifier CHECKPOINT --data fashion-mnist-test.h5
              smd evaluate oracle CHECKPOINT --data grid.h5
              smd evaluate points samples.h5 --against grid.h5
              smd evaluate images samples.h5 --against fashion-mnist.h5 --features pca:64
              smd evaluate spread CHECKPOINT --data test.h5
              smd evaluate nll CHECKPOINT --data test.h5 --discrete
              smd evaluate gap --data train.h5 --config fashion
              smd evaluate partition runs/funnel --paths 2000
            """,
        subcommands: [
            EvaluatePointsCommand.self,
            EvaluateOracleCommand.self,
            EvaluateImagesCommand.self,
            EvaluateSpreadCommand.self,
            EvaluateNLLCommand.self, EvaluateGapCommand.self,
            EvaluateClassifierCommand.self, EvaluateAutoencoderCommand.self,
            EvaluateVarianceCommand.self, EvaluatePartitionCommand.self,
        ]
    )
}
