import ArgumentParser
import Benchmarks
import CPUBackend
import Configuration
import Files
import TensorGraph
import Training

extension BenchCommand {
    /// `smd bench kernels`.
    struct Kernels: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Measure every operation of the training step alone.",
            discussion: """
                Runs each operation of the graph, once for each kind and size, again and again on memory of its own: \
                what it could give with its operands as near as the caches can hold them. Compare with the same row of \
                smd bench step --profile. GB/s of element-wise operations may be above the memory bandwidth then.

                EXAMPLES
                  smd bench kernels --preset fashion
                  smd bench kernels --preset cifar --batch 8 --filter convolution
                  smd bench kernels --filter 32×32 --json
                """)

        @OptionGroup var network: BenchNetwork

        @Option(help: "Images of the graph; default: the micro-batch of training on one rank.")
        var batch: Int?

        @Option(help: "Only operations whose row contains this text.")
        var filter: String?

        @Option(help: "Counted repetitions.")
        var `repeat` = 5

        @Option(help: "Milliseconds a repetition.")
        var milliseconds = 10.0

        @Flag(help: "Write JSON.")
        var json = false

        func validate() throws {
            try checkBenchBatch("--batch", batch)
            guard (1...100_000).contains(`repeat`) else { throw ValidationError("--repeat must be at least 1") }
            guard (0.001...60_000).contains(milliseconds) else {
                throw ValidationError("--milliseconds is \(milliseconds); it must be in 0.001 ... 60000")
            }
        }

        func run() throws {
            let configuration = try network.load()
            let benchmark = try KernelBenchmark(configuration, batch: batch, probe: MachineProbe())
            if let notice = benchmark.precision.notice { warn(notice) }
            let chosen = benchmark.kernels.filter { kernel in
                filter.map { "\(kernel.operation) \(kernel.shape)".lowercased().contains($0.lowercased()) } ?? true
            }
            guard !chosen.isEmpty else {
                let names = Set(benchmark.kernels.map { String($0.operation.prefix { $0 != "+" }) }).sorted()
                throw CommandFailure(
                    .usage,
                    "no operation of \(network.preset) contains '\(filter ?? "")'; there are \(names.joined(separator: ", "))"
                )
            }
            var rows: [OperationRow] = []
            for kernel in chosen {
                rows.append(try benchmark.measure(kernel, repetitions: `repeat`, milliseconds: milliseconds))
            }
            let all = rows.reduce(0) { $0 + $1.seconds * Double($1.count) }
            for index in rows.indices { rows[index].share = rows[index].seconds * Double(rows[index].count) / all }
            rows.sort { $0.share > $1.share }
            let report = KernelsBenchReport(
                preset: network.preset, smd: configuration.model.smd, network: configuration.networkName,
                batch: benchmark.batch,
                precision: benchmark.precision.precision, operations: rows)
            let machine = MachineRates.median(rows.map(\.machine))
            if json { try printJSON(report, machine) } else { try printOut(report.text(machine)) }
        }
    }
}

/// The result of `smd bench kernels`. Times are those of one run of each; shares are of the sum of all runs in a step.
struct KernelsBenchReport: Encodable {
    var preset: String
    var smd: Bool
    var network: String
    var batch: Int
    var precision: Precision
    var operations: [OperationRow]

    func text(_ machine: MachineRates) -> String {
        """
        \(preset), \(network), micro-batch \(batch), \(precision.rawValue): each operation alone, ms of one run, \
        share of all runs
        \(machine.text)

        \(operationTable(operations, limit: operations.count))
        """
    }
}
