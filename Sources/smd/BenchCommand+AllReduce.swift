import Reports
import ArgumentParser
import Benchmarks
import CPUBackend
import Communication
import Files
import Training

extension BenchCommand {
    /// `smd bench allreduce`.
    struct AllReduce: RankCommand {
        static let configuration = CommandConfiguration(
            commandName: "allreduce",
            abstract: "Measure the sum over ranks that ends a training step.",
            discussion: """
                Sums buffers over ranks, blocking and in the pieces that training sends while it computes, and checks \
                every element. The rate is size by time ("algorithm bandwidth"); the latency that of 4 bytes. Without \
                a launcher it starts its ranks itself; for several hosts start it with mpirun or srun.

                EXAMPLES
                  smd bench allreduce --ranks 2
                  smd bench allreduce --ranks 4 --size 1MiB --size 112MiB --json
                  mpirun -n 64 --hostfile hosts smd bench allreduce
                """)

        @Option(help: "Ranks to start where no launcher has.")
        var ranks = 2

        @Option(
            parsing: .singleValue,
            help: "Size of the buffer, such as 512KB or 112MiB; repeatable; default: 64KiB to 64MiB in powers of 4.")
        var size: [ByteCount] = []

        @OptionGroup var repetitions: BenchRepetitions

        @Flag(help: "Write JSON.")
        var json = false

        func validate() throws {
            guard (2...4096).contains(ranks) else {
                throw ValidationError("--ranks is \(ranks); a sum needs at least 2 (at most 4096)")
            }
            for size in size where !(4...1 << 34).contains(size.bytes) {
                throw ValidationError("--size is \(size); it must be 4 bytes to 16GiB")
            }
        }

        func run() throws {
            try relaunchUnderMPI(ranks: ranks)
            try onAllRanks { communicator in
                guard communicator.size > 1 else {
                    throw CommandFailure(.usage, "the launcher started 1 rank: a sum over ranks needs at least 2")
                }
                let sizes = size.isEmpty ? (0..<6).map { 1 << (16 + 2 * $0) } : size.map(\.bytes)
                let bytes = sizes.map { $0 / 4 * 4 }
                let (probe, benchmark) = try communicator.together("making the buffers") {
                    (try MachineProbe(), try AllReduceBenchmark(communicator, largestBytes: bytes.max() ?? 4))
                }
                func measure(_ bytes: Int) throws -> AllReduceRow {
                    try benchmark.measure(
                        bytes: bytes, repetitions: repetitions.repeat, warmup: repetitions.warmup)
                }
                let latency = try measure(4).seconds
                var machine = [probe.measure()]
                let rows = try bytes.map { size in
                    defer { machine.append(probe.measure()) }
                    return try measure(size)
                }
                guard communicator.rank == 0 else { return }
                let report = AllReduceBenchReport(
                    ranks: communicator.size, repetitions: repetitions.repeat, latencySeconds: latency, sizes: rows)
                let rates = MachineRates.median(machine)
                if json { try printJSON(report, rates) } else { try printOut(report.text(rates)) }
            }
        }
    }
}

/// The result of `smd bench allreduce`.
struct AllReduceBenchReport: Encodable {
    var ranks: Int
    var repetitions: Int
    var latencySeconds: Double
    var sizes: [AllReduceRow]

    func text(_ machine: MachineRates) -> String {
        var cells = [["size", "ms", "GB/s", "of memory", "pieces", "ms in pieces", "GB/s in pieces"]]
        for row in sizes {
            let size = row.bytes < 1 << 20 ? "\(row.bytes >> 10) KiB" : "\(row.bytes >> 20) MiB"
            cells.append([
                size, fourDigits(row.seconds * 1e3), fourDigits(row.gigabytesPerSecond),
                fourDigits(row.gigabytesPerSecond / machine.bandwidth), String(row.pieces),
                fourDigits(row.secondsInPieces * 1e3), fourDigits(row.gigabytesPerSecondInPieces),
            ])
        }
        return """
            \(ranks) ranks, medians of \(repetitions), the slowest rank of each; all sums are right
            latency          \(fourDigits(latencySeconds * 1e6)) µs for 4 bytes
            memory           \(fourDigits(machine.bandwidth)) GB/s a core

            \(aligned(cells))
            """
    }
}
