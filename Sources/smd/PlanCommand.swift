import ArgumentParser
import Configuration
import Training

/// `smd plan`: what a run needs, before it is launched.
struct PlanCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Show the memory, work and communication of a run before launching it.",
        discussion: """
            Builds the graph, allocates nothing.

            EXAMPLES
              smd plan launch/presets/fashion.yaml --ranks 4
              smd plan cifar --ranks 64 --set batch_size=512 --json
              smd plan cifar --ranks 8 --threads 4
            """)

    @Argument(help: "Configuration: a YAML file, or the name of a preset.", completion: .file(extensions: ["yaml"]))
    var config: String

    @OptionGroup var overrides: ConfigurationOverrides

    @Option(help: "Number of ranks.")
    var ranks = 1

    @Option(help: "Compute threads of each rank.")
    var threads = 1

    @Flag(help: "Write JSON.")
    var json = false

    func validate() throws {
        guard (1...1_000_000).contains(ranks) else { throw ValidationError("--ranks is \(ranks); it must be positive") }
        guard (1...1024).contains(threads) else {
            throw ValidationError("--threads is \(threads); it must be in 1 ... 1024")
        }
    }

    func run() throws {
        let plan = try RunPlan(RunConfiguration.load(fileOrPreset: config, overrides), ranks: ranks, threads: threads)
        if json { return try printJSON(plan) }
        func mebibytes(_ bytes: Int) -> String { grouped((bytes + (1 << 20) - 1) >> 20) + " MiB" }
        try printOut(
            """
            parameters              \(grouped(plan.parameters))
            ranks × threads         \(plan.ranks) × \(plan.threads)
            step of a rank          \(plan.microBatchesPerRank) micro-batches of \(plan.microBatchSize)
            work                    \(fourDigits(plan.gflopPerImage)) GFLOP an image, \
            \(fourDigits(plan.gflopPerStepAndRank)) GFLOP a step and rank
            memory of a rank        \(mebibytes(plan.bytesPerRank)), without the data set and the libraries
              activations           \(mebibytes(plan.activationBytes))
              parameters and state  \(mebibytes(plan.stateBytes))
              working weights       \(mebibytes(plan.workingWeightBytes))
            all-reduce a step       \(mebibytes(plan.allReduceBytes)) in \(plan.allReduceBuckets) pieces
            checkpoint              \(mebibytes(plan.checkpointBytes))
            """)
    }
}
