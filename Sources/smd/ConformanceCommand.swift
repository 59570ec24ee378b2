import ArgumentParser
import CPUBackend
import Conformance
import Files
import Foundation
import TensorGraph

/// `smd conformance`
struct ConformanceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "conformance",
        abstract: "Compare this build with reference cases.",
        discussion: """
            A reference case holds numbers that the published code computed in double precision: training steps of a \
            network (outputs, losses, gradients, parameters after the steps), runs of a sampler, or noise schedules. \
            For every file the largest error of each quantity is printed beside what is allowed, with the tensor it is in.

            Exits with 0 when every file is within the tolerances, with 1 when one is not or cannot be used.

            EXAMPLES
              smd conformance Tests/Fixtures/golden/*.h5
              smd conformance case.h5 --json
              smd conformance Tests/Fixtures/golden/*.h5 --precision bf16-emulated
            """)

    @Argument(help: "Reference files.", completion: .file(extensions: ["h5"]))
    var cases: [String]

    @Option(help: "Precision: fp32, bf16 or bf16-emulated; each has tolerances of its own.")
    var precision = Precision.fp32

    @Flag(help: "Print one JSON object instead of tables.")
    var json = false

    func run() throws {
        guard precision != .bf16 || CPUBackend.bfloat16Unit != nil else {
            throw CommandFailure(
                .failure,
                "--precision bf16: this processor has no fast bf16 (AMX, or AMD's AVX512_BF16); "
                    + "bf16-emulated rounds as AMX does on any")
        }
        let backend = try CPUBackend(precision: precision)
        var summary = ConformanceSummary()
        for path in cases {
            do {
                try FileTrial.run(.conformance, path)
                let report = try Conformance.run(path, on: backend)
                summary.add(report)
                if !json { try printOut(report.table + "\n\n") }
            } catch let failure as CommandFailure {
                throw failure
            } catch {
                let line = describeOnOneLine(error)
                summary.add(path, error: line)
                printError("smd: error: \(line)")
            }
        }
        if json {
            try printOut(json: summary.json())
        } else {
            let passed = summary.files.filter(\.passes).count
            try printOut("\(passed) of \(cases.count) files pass")
        }
        if !summary.passes { throw ExitCode.failure }
    }
}
