import Foundation
import HDF5
import TestSupport
import Testing

/// `smd doctor` as a user starts it.
@Suite(.enabled(if: Ability.time.isGiven, "\(Ability.time)"))
struct DoctorCommandTests {
    /// A job of the smallest preset but with a data set that is made here.
    private func doctor(
        _ ranks: Int, _ folder: String, _ arguments: String...
    ) throws -> (status: Int32, output: String, errors: String) {
        let command = [product("smd"), "doctor", "--output", folder] + arguments
        return ranks == 1 ? try run(command, timeout: 60) : try mpirun(ranks, command)
    }

    private func findings(_ output: String) throws -> [String: [String: Any]] {
        let rows = try object(output)["findings"] as? [[String: Any]] ?? []
        return Dictionary(rows.map { ($0["check"] as? String ?? "", $0) }, uniquingKeysWith: { $1 })
    }

    /// Nothing fails on a machine on which the tests run, and nothing is left in the folder, which need not exist.
    @Test(arguments: [1, 2, 4]) func healthy(ranks: Int) throws {
        try withTemporaryDirectory { folder in
            let result = try doctor(ranks, folder + "/runs/new", "--json")
            #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
            #expect(try object(result.output)["ok"] as? Bool == true)
            let found = try findings(result.output)
            #expect(
                Set(found.keys).isSuperset(of: [
                    "launch", "versions", "cores", "speed", "shared memory", "clocks", "memory", "run folder",
                    "shared folder", "HDF5", "all-reduce",
                ]))
            for (check, finding) in found where finding["verdict"] as? String != "ok" {
                #expect(finding["fix"] is String, "\(check) has no fix")
            }
            let sum = found["all-reduce"]?["text"] as? String ?? ""
            #expect(ranks == 1 ? sum == "one rank has nothing to sum" : sum.hasPrefix("every sum is right"))
            let launch = found["launch"]?["text"] as? String ?? ""
            #expect(launch.contains(ranks == 1 ? "without a launcher" : "mpirun, "))
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
        }
    }

    /// Each failure is one line with its fix, the other checks go on, and the status is 1 on any number of ranks.
    @Test(arguments: [1, 2]) func sick(ranks: Int) throws {
        try withTemporaryDirectory { folder in
            let text = try doctor(
                ranks, "/proc/no-such-run", "fashion", "--set", "data=\(folder)/none.h5", "--set", "batch_size=7",
                "--set", "micro_batch_size=2")
            #expect(text.status == 1 && !text.errors.contains("smd: error"), "\(text.errors)")
            let failed = text.output.split(separator: "\n").filter { $0.hasPrefix("FAILED") }
            #expect(failed.count == 3, "\(text.output)")
            for check in ["configuration", "run folder", "data set"] {
                #expect(failed.contains { $0.dropFirst(9).hasPrefix(check) }, "\(check) is not among \(failed)")
            }
            #expect(text.output.components(separatedBy: " fix: ").count - 1 >= 3)
            #expect(text.output.contains("ok       versions") && text.output.contains("checks: 3 failed"))
        }
    }

    /// Images larger than the network are no failure where it trains on windows of them.
    @Test func windowsOfImages() throws {
        try withTemporaryDirectory { folder in
            let file = try HDF5File.create(folder + "/large.h5")
            try file.root.write([UInt8](repeating: 7, count: 2 * 40 * 36), shape: [2, 40, 36, 1], to: "images")
            try file.close()
            func verdict(_ crop: String) throws -> String? {
                let settings = ["--set", "data=\(folder)/large.h5", "--set", "crop=\(crop)"]
                let result = try smd(["doctor", "fashion", "--json", "--output", folder + "/new"] + settings)
                return try findings(result.output)["data set"]?["verdict"] as? String
            }
            #expect(try verdict("random") == "ok")
            #expect(try verdict("none") == "failure")
        }
    }

    @Test func overridesNeedAConfiguration() throws {
        try withTemporaryDirectory { folder in
            let result = try smd(["doctor", "--output", folder, "--set", "batch_size=7"])
            #expect(result.status == 64 && result.errors.contains("--set needs a configuration"))
        }
    }
}
