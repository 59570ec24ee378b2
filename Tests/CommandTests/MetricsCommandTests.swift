import Foundation
import Storage
import TestSupport
import Testing

/// `smd metrics`, as a user runs it.
@Suite struct MetricsCommandTests {
    private let columns = ["loss", "gradient_norm", "seconds_compute", "seconds_data", "seconds_step", "eta_variance"]

    /// 200 rows: the loss falls from 2 to 1, and the variance over η is measured every 100 steps.
    private func writer(_ folder: String, rows: Int = 200, diverged: Bool = false) throws -> MetricsWriter {
        let writer = try MetricsWriter(path: folder + "/metrics.h5", columns: columns, continueAfterStep: nil)
        for step in 1...rows {
            let loss = diverged && step > 150 ? .nan : step <= 100 ? 2.0 : 1.0
            let variance = step.isMultiple(of: 100) ? 0.5 : .nan
            writer.append(step: step, values: [loss, 0.25, 0.3, 0.1, 0.4, variance])
        }
        try writer.flush()
        return writer
    }

    @Test func summary() throws {
        try withTemporaryDirectory { folder in
            try writer(folder).close()
            for path in [folder, folder + "/metrics.h5"] {
                let result = try smd(["metrics", "show", path])
                #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
                #expect(!hasControlCharacters(result.output))
                let lines = result.output.split(separator: "\n").map {
                    $0.split(separator: " ").joined(separator: " ")
                }
                #expect(lines.first == "\(folder)/metrics.h5: steps 1 to 200, 200 rows")
                #expect(lines.contains("start now lowest highest"))
                #expect(lines.contains("loss 2 1 1 2"))
                #expect(lines.contains("eta_variance 0.5 0.5 0.5 0.5"))
                #expect(lines.contains("time now: compute 75.0 %, data 25.0 %"))
                #expect(!result.output.contains("not finite"))
            }
        }
    }

    /// Of several ranks, the fastest and the slowest are told, and which one the others wait for.
    @Test func ranksThatDiffer() throws {
        try withTemporaryDirectory { folder in
            let parts = ["seconds_data", "seconds_compute"]
            let columns = parts.flatMap { [$0, $0 + "_min", $0 + "_max"] } + ["slowest_rank"]
            for (name, spread) in [("one", 0.0), ("many", 0.25)] {
                let path = "\(folder)/\(name).h5"
                let writer = try MetricsWriter(path: path, columns: columns, continueAfterStep: nil)
                for step in 1...100 {
                    let rank = spread == 0 ? 0.0 : step.isMultiple(of: 5) ? 1.0 : 12.0
                    writer.append(
                        step: step, values: [0.5, 0.5, 0.5, 1.5, 1.5 - spread, 1.5 + spread, rank])
                }
                try writer.close()
                let text = try smd(["metrics", "show", path]).output
                #expect(text.contains("  time now: compute 75.0 %, data 25.0 %"))
                let line =
                    "  by rank: data 0.5 to 0.5 s, compute 1.25 to 1.75 s; rank 12 computes longest in 80 % of the steps"
                #expect(text.contains(line) == (spread > 0), "\(text)")
                #expect(text.contains("by rank") == (spread > 0) && !text.contains("_max"), "\(text)")
                let found = try object(smd(["metrics", "show", path, "--json"]).output)
                let ranges = found["rank_seconds"] as? [String: [String: Double]]
                #expect(ranges?["seconds_compute"]?["maximum"] == (spread > 0 ? 1.75 : nil))
                let slowest = found["slowest_rank"] as? [String: Any]
                #expect(slowest?["rank"] as? Int == (spread > 0 ? 12 : nil))
            }
        }
    }

    @Test func aRunThatDivergedIsSaid() throws {
        try withTemporaryDirectory { folder in
            try writer(folder, diverged: true).close()
            #expect(try smd(["metrics", "show", folder]).output.contains("loss is not finite in 50 rows"))
        }
    }

    /// The writer still holds the file.
    @Test func liveFile() throws {
        try withTemporaryDirectory { folder in
            let writer = try writer(folder, rows: 7)
            #expect(try smd(["metrics", "show", folder]).output.contains("steps 1 to 7, 7 rows"))
            writer.append(step: 8, values: [1, 1, 1, 1, 1, 1])
            try writer.flush()
            #expect(try smd(["metrics", "show", folder]).output.contains("steps 1 to 8, 8 rows"))
            try writer.close()
        }
    }

    @Test func noStepsYet() throws {
        try withTemporaryDirectory { folder in
            try MetricsWriter(path: folder + "/metrics.h5", columns: columns, continueAfterStep: nil).close()
            let result = try smd(["metrics", "show", folder])
            #expect(result.status == 0)
            #expect(result.output == "\(folder)/metrics.h5: no steps yet\n")
            #expect(try object(smd(["metrics", "show", folder, "--json"]).output)["rows"] as? Int == 0)
        }
    }

    @Test func lastRows() throws {
        try withTemporaryDirectory { folder in
            try writer(folder).close()
            let result = try smd(["metrics", "show", folder, "--last", "2", "--columns", "loss, gradient_norm"])
            let rows = result.output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
            #expect(rows.first == ["step", "loss", "gradient_norm"])
            #expect(rows.suffix(2) == [["199", "1", "0.25"], ["200", "1", "0.25"]])
        }
    }

    @Test func json() throws {
        try withTemporaryDirectory { folder in
            try writer(folder).close()
            let found = try object(smd(["metrics", "show", folder, "--json", "--last", "2"]).output)
            #expect(found["rows"] as? Int == 200)
            #expect(found["last_step"] as? Int == 200)
            #expect(found["window"] as? Int == 20)
            let columns = found["columns"] as? [String: [String: Any]]
            #expect(columns?["loss"]?["start"] as? Double == 2)
            #expect(columns?["loss"]?["now"] as? Double == 1)
            let shares = found["time_shares"] as? [String: Double]
            #expect(abs((shares?["seconds_compute"] ?? 0) - 0.75) < 1e-12)
            let rows = found["last_rows"] as? [[String: Any]]
            #expect(rows?.count == 2)
            #expect(rows?.first?["step"] as? Int == 199)
            #expect(rows?.first?["eta_variance"] is NSNull)
        }
    }

    @Test func unknownColumnAndBadFiles() throws {
        try withTemporaryDirectory { folder in
            try writer(folder).close()
            let result = try smd(["metrics", "show", folder, "--columns", "los"])
            #expect(result.status == 65)
            #expect(result.errors.hasPrefix("smd: error: no column 'los'; there are step, loss"))
            try Data("hello".utf8).write(to: URL(fileURLWithPath: folder + "/text.h5"))
            for name in ["text.h5", "missing.h5"] {
                let result = try smd(["metrics", "show", folder + "/" + name])
                #expect(result.status == 65)
                #expect(result.errors.contains(name) && result.errors.filter { $0 == "\n" }.count == 1)
            }
        }
    }

    /// Rows come as they are written, through a pipe, until the run ends.
    @Test func rowsAreFollowed() throws {
        try withTemporaryDirectory { folder in
            let writer = try self.writer(folder, rows: 20)
            let follower = Process()
            follower.executableURL = URL(fileURLWithPath: product("smd"))
            follower.arguments = [
                "metrics", "follow", folder, "--columns", "loss", "--last", "2", "--interval", "0.02",
            ]
            let pipe = Pipe()
            follower.standardOutput = pipe
            try follower.run()
            defer { if follower.isRunning { kill(follower.processIdentifier, SIGKILL) } }
            func line() throws -> [String] {
                var bytes: [UInt8] = []
                while let byte = try pipe.fileHandleForReading.read(upToCount: 1)?.first, byte != UInt8(ascii: "\n") {
                    bytes.append(byte)
                }
                return String(decoding: bytes, as: UTF8.self).split(separator: " ").map(String.init)
            }
            #expect(try line() == ["step", "loss"])
            #expect(try line().first == "19")
            #expect(try line().first == "20")
            for step in 21...23 {
                writer.append(step: step, values: [Double(step) / 4, 0, 0, 0, 0, 0])
                #expect(try line() == ["\(step)", "\(Double(step) / 4)"])
            }
            writer.append(step: 24, values: [0.5, 0, 0, 0, 0, 0])
            try writer.close()
            #expect(try line() == ["24", "0.5"])
            #expect(try line().isEmpty)
            follower.waitUntilExit()
            #expect(follower.terminationStatus == 0)
            // Of a run that has ended, the last rows; of one that was killed, an error after them.
            let late = try smd(["metrics", "follow", folder, "--columns", "loss", "--last", "1"])
            #expect(late.status == 0 && late.output.split(separator: "\n").last?.hasSuffix("0.5") == true, "\(late)")
        }
    }

    @Test func aKilledRunEndsTheFollowing() throws {
        try withTemporaryDirectory { folder in
            let writer = try self.writer(folder, rows: 5)
            try FileManager.default.createDirectory(atPath: folder + "/dead", withIntermediateDirectories: true)
            try FileManager.default.copyItem(
                atPath: folder + "/metrics.h5.journal", toPath: folder + "/dead/metrics.h5.journal")
            try writer.close()
            let result = try smd(["metrics", "follow", folder + "/dead", "--columns", "loss", "--interval", "0.02"])
            #expect(result.status == 1 && result.output.split(separator: "\n").count == 6)
            #expect(result.errors.contains("the run was killed after step 5"), "\(result.errors)")
        }
    }
}

/// The rows of a run that was killed between two writes of its HDF5 file.
@Suite struct KilledMetricsTests {
    @Test func rowsOfTheJournalAreShown() throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/metrics.h5"
            let writer = try MetricsWriter(path: path, columns: ["loss"], continueAfterStep: nil)
            for step in 1...9 { writer.append(step: step, values: [Double(step)]) }
            let dead = folder + "/dead"
            try FileManager.default.createDirectory(atPath: dead, withIntermediateDirectories: true)
            for end in ["", ".journal"] {
                try FileManager.default.copyItem(atPath: path + end, toPath: dead + "/metrics.h5" + end)
            }
            try writer.close()
            let result = try run([product("smd"), "metrics", "show", dead, "--last", "2"], timeout: 60)
            #expect(result.output.contains("9") && result.status == 0, "\(result.output)\(result.errors)")
            let json = try run([product("smd"), "metrics", "show", dead, "--json"], timeout: 60)
            #expect(json.output.contains("\"last_step\" : 9"), "\(json.output)")
        }
    }
}
