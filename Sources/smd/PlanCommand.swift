import Reports
import ArgumentParser
import CPUBackend
import Configuration
import Files
import Foundation
import Planning
import Training

/// `smd plan`: what a run needs, before it is launched.
struct PlanCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Show the memory, work, communication and step time of a run before launching it.",
        discussion: """
            Prepares what a run prepares, in memory that is not used; reads the data set if it is there. The step time is a prediction for hosts like this one, joined by a \
            network (docs/scaling.md): give the options below what is measured on yours.

            With --match it shows instead how wide a plain network is (model.smd=false, trained by the squared error) that \
            has as many parameters, or takes as many operations an image: a fair one to compare with.

            EXAMPLES
              smd plan launch/presets/fashion.yaml --ranks 4
              smd plan cifar --ranks 64 --set batch_size=512 --json
              smd plan cifar --ranks 8 --threads 4
              smd plan fashion --match flops
              smd plan cifar --match parameters --json
              smd plan cifar --ranks 256 --set batch_size=2048 --bandwidth 100 --latency 5 --ranks-per-host 32
            """)

    @Argument(help: "Configuration: a YAML file, or the name of a preset.", completion: .configurations)
    var config: String

    @OptionGroup var overrides: ConfigurationOverrides

    @Option(help: "Number of ranks.")
    var ranks = 1

    @Option(help: "Compute threads of each rank.")
    var threads = 1

    @Option(help: "GFLOP/s of a thread; default: 0.75 of this core's multiply-add peak, measured now.")
    var gflops: Double?

    @Option(help: "Gb/s of a host's link; nine tenths of it are counted on.")
    var bandwidth = 10.0

    @Option(help: "Microseconds of a message between hosts.")
    var latency = Fabric.ethernetLatency * 1e6

    @Option(help: "Ranks of a host; default: the cores of this one / --threads.")
    var ranksPerHost: Int?

    @Flag(help: "The network cards move messages without the cores (InfiniBand, Omni-Path, RoCE).")
    var rdma = false

    @Option(
        help: ArgumentHelp(
            "Show the width (model.dim) at which a plain network has as many parameters, or takes as many FLOP an image.",
            valueName: "parameters|flops"))
    var match: WidthMatch.Quantity?

    @Flag(help: "Write JSON.")
    var json = false

    func validate() throws {
        guard (1...1_000_000).contains(ranks) else { throw ValidationError("--ranks is \(ranks); it must be positive") }
        guard (1...1024).contains(threads) else {
            throw ValidationError("--threads is \(threads); it must be in 1 ... 1024")
        }
        for (name, value) in [("--gflops", gflops ?? 1), ("--bandwidth", bandwidth)] {
            guard value > 0, value.isFinite else { throw ValidationError("\(name) is \(value); it must be positive") }
        }
        guard latency >= 0, latency.isFinite else {
            throw ValidationError("--latency is \(latency); it must be 0 or more")
        }
        guard ranksPerHost.map({ $0 > 0 }) ?? true else {
            throw ValidationError("--ranks-per-host is \(ranksPerHost ?? 0); it must be positive")
        }
    }

    func run() throws {
        let configuration = try RunConfiguration.load(fileOrPreset: config, overrides)
        if let match { return try show(WidthMatch(configuration, by: match)) }
        // Without the data set a plan leaves its memory out.
        let file = configuration.method == .dds ? configuration.target.path ?? "" : configuration.data
        if FileManager.default.fileExists(atPath: file) {
            try FileTrial.run(source: configuration)
        }
        let plan = try RunPlan(configuration, ranks: ranks, threads: threads)
        let memory = try MemoryPlan(configuration, ranks: ranks, threads: threads)
        let fabric = Fabric(
            bandwidth: Fabric.usableBandwidth * bandwidth * 1e9 / 8, latency: latency * 1e-6,
            ranksPerHost: ranksPerHost ?? max(1, ProcessInfo.processInfo.activeProcessorCount / threads),
            stackRate: rdma ? .infinity : Fabric.measuredStackRate)
        let rate = try gflops ?? RunPlan.typicalFractionOfPeak * CPUBackend().measurePeak()
        let model = plan.scaling(gflops: rate, fabric: fabric)
        let step = model.predict()
        let efficiency = step.efficiency(alone: model.alone.predict())
        if json {
            return try printJSON(
                plan,
                PlanPrediction(
                    memory: memory, assumedGflopsPerThread: rate, assumedFabric: fabric, predictedStep: step,
                    predictedEfficiency: efficiency))
        }
        if let notice = plan.precisionNotice { warn(notice) }
        func mebibytes(_ bytes: Int) -> String { grouped((bytes + (1 << 20) - 1) >> 20) + " MiB" }
        func milliseconds(_ seconds: Double) -> String { fourDigits(seconds * 1000) + " ms" }
        let images = Double(plan.microBatchSize * plan.microBatchesPerRank * plan.ranks) / step.seconds
        try printOut(
            """
            parameters              \(grouped(plan.parameters))
            ranks × threads         \(plan.ranks) × \(plan.threads)
            step of a rank          \(plan.microBatchesPerRank) micro-batches of \(plan.microBatchSize)
            sums                    \(sums(plan))
            precision               \(plan.precision.rawValue)\(plan.precisionNotice == nil ? "" : ": no bf16 here")
            work                    \(fourDigits(plan.gflopPerImage)) GFLOP an image, \
            \(fourDigits(plan.gflopPerStepAndRank)) GFLOP a step and rank
            memory of a rank        \(mebibytes(memory.bytes)); of rank 0 while it saves a checkpoint \
            \(mebibytes(memory.firstRankBytes))
              program, libraries    \(mebibytes(memory.programBytes - (memory.dataBytes ?? 0)))
              data set              \(dataText(memory, of: configuration, mebibytes))
              activations           \(mebibytes(memory.activationBytes))
              parameters and state  \(mebibytes(memory.stateBytes))\(sharding(plan, mebibytes))
              working weights       \(mebibytes(memory.workingBytes)), with scratch and the network for samples
              messages              \(mebibytes(memory.messageBytes))
            all-reduce a step       \(mebibytes(plan.allReduceBytes)) in \(plan.allReduceBuckets) pieces
            checkpoint              \(mebibytes(plan.checkpointBytes))\(snapshots(plan, mebibytes))
            predicted step          \(milliseconds(step.seconds)), \(fourDigits(images)) images/s, efficiency \
            \(fourDigits(efficiency))
              computing             \(milliseconds(step.compute)) at \(fourDigits(rate)) GFLOP/s a thread\
            \(gflops == nil ? ", 0.75 of this core's peak" : "")
              waiting for slowest   \(milliseconds(step.imbalance))
              copying messages      \(milliseconds(step.copies))
              exposed communication \(milliseconds(step.exposed)) with \(fabric.ranksPerHost) ranks a host, \
            \(fourDigits(bandwidth)) Gb/s, \(fourDigits(latency)) µs
              update                \(milliseconds(step.update))
            """)
    }

    private func snapshots(_ plan: RunPlan, _ mebibytes: (Int) -> String) -> String {
        guard plan.snapshots > 0 else { return "" }
        return "; \(grouped(plan.snapshots)) snapshots of averages of \(mebibytes(plan.snapshotBytes)) each"
    }

    private func show(_ match: WidthMatch) throws {
        if json { return try printJSON(match) }
        func row(_ cost: WidthMatch.Cost) -> String {
            "\(grouped(cost.parameters)) parameters, \(fourDigits(cost.gflopPerImage)) GFLOP an image in training"
        }
        try printOut(
            """
            as configured           \(row(match.configured))
            plain, model.dim=\("\(match.width)".padding(toLength: 7, withPad: " ", startingAt: 0))\(row(match.plain))
            ratio                   \(fourDigits(match.ratio)) of the \(match.quantity == .flops ? "FLOP" : "parameters")
            settings                \(match.settings.map { "--set \($0)" }.joined(separator: " "))
            """)
    }

    private func sums(_ plan: RunPlan) -> String {
        if plan.exact { return "exact: the same bits on 1 to \(plan.leaves) ranks × threads, powers of two" }
        return "fast: bits depend on ranks and threads" + (plan.whyNotExact.map { ", for \($0)" } ?? "")
    }

    private func dataText(_ memory: MemoryPlan, of configuration: RunConfiguration, _ mebibytes: (Int) -> String)
        -> String
    {
        if configuration.method == .dds { return "none: paths towards a density" }
        guard let bytes = memory.dataBytes else { return "there is no \(configuration.absoluteData): not counted" }
        return memory.sharedBytes > 0
            ? "\(mebibytes(memory.sharedBytes)) a host, shared by its ranks: not counted" : mebibytes(bytes)
    }

    private func sharding(_ plan: RunPlan, _ mebibytes: (Int) -> String) -> String {
        guard plan.ranks > 1 else { return "" }
        return plan.sharded
            ? ", sharded: it saves \(mebibytes(plan.shardingSavesBytes))"
            : "; optimizer.sharded=true would save \(mebibytes(plan.shardingSavesBytes))"
    }
}

extension WidthMatch.Quantity: ExpressibleByArgument {}

/// What the JSON has beside the plan.
private struct PlanPrediction: Encodable {
    let memory: MemoryPlan
    let assumedGflopsPerThread: Double
    let assumedFabric: Fabric
    let predictedStep: StepPrediction
    let predictedEfficiency: Double
}
