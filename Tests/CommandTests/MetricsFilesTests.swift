import DataSets
import Foundation
import Storage
import StorageSupport
import TestSupport
import Testing

/// Writes the metrics of a run whose loss falls from 1, and returns its folder.
private func metrics(_ folder: String, rows: Int = 200, change: (Int) -> Double = { _ in 0 }) throws -> String {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let writer = try MetricsWriter(
        path: folder + "/metrics.h5", columns: ["loss", "gradient_norm", "seconds_data", "eta_variance"],
        continueAfterStep: nil)
    for step in 1...rows {
        writer.append(
            step: step,
            values: [
                1 / Double(step) + change(step), 0.5, Double.random(in: 0...1), step % 50 == 0 ? 0.25 : .nan,
            ])
    }
    try writer.close()
    return folder
}

/// `smd metrics plot`, `export` and `diff`, and the curves of `show`, as a user runs them.
@Suite struct MetricsFilesTests {
    @Test func plotsAreDrawnAndRepeat() throws {
        try withTemporaryDirectory { folder in
            let runs = [try metrics(folder + "/a"), try metrics(folder + "/b <&\"'>")]
            for name in ["p.png", "p.svg"] {
                let output = folder + "/" + name
                let command = ["metrics", "plot"] + runs + ["--output", output, "--smooth", "0.9", "--log"]
                #expect(try smd(command).status == 0)
                let first = try Data(contentsOf: URL(fileURLWithPath: output))
                let refused = try smd(command)
                #expect(refused.status == 73 && refused.errors.contains("exists already"), "\(refused.errors)")
                #expect(try smd(command + ["--overwrite"]).status == 0)
                #expect(try Data(contentsOf: URL(fileURLWithPath: output)) == first)
            }
            let picture = try RasterImage.decode(Array(Data(contentsOf: URL(fileURLWithPath: folder + "/p.png"))))
            #expect(picture.width == 1920)
            // Both curves are there: some pixels have their colours.
            let pixels = stride(from: 0, to: picture.pixels.count, by: 3).map { Array(picture.pixels[$0..<$0 + 3]) }
            #expect(pixels.contains([0x2F, 0x6F, 0xB7]) && pixels.contains([0xD2, 0x60, 0x1A]))
            let text = try String(contentsOfFile: folder + "/p.svg", encoding: .utf8)
            #expect(text.contains(">b &lt;&amp;&quot;&#39;&gt;</text>") && text.contains(">variance over η</text>"))
        }
    }

    @Test func whatCannotBePlottedIsSaid() throws {
        try withTemporaryDirectory { folder in
            let run = try metrics(folder + "/a")
            for (arguments, status, words) in [
                ([run, "--output", folder + "/p.jpg"], 64, "ends in .png or .svg"),
                ([run, "--output", folder + "/none/p.png"], 73, "there is no folder"),
                (
                    [run, "--output", folder + "/p.png", "--columns", "lost"], 65,
                    "no column 'lost'; there are step, loss"
                ),
                ([run, "--output", folder + "/p.png", "--smooth", "1"], 64, "--smooth is 1.0"),
                ([folder, "--output", folder + "/p.png"], 65, "holds no run"),
                ([], 64, "(see smd metrics plot --help)"),
            ] as [([String], Int32, String)] {
                let result = try smd(["metrics", "plot"] + arguments)
                #expect(result.status == status && result.errors.contains(words), "\(arguments): \(result)")
                #expect(result.errors.filter { $0 == "\n" }.count == 1)
                #expect(!FileManager.default.fileExists(atPath: folder + "/p.png"))
            }
        }
    }

    @Test func exports() throws {
        try withTemporaryDirectory { folder in
            let run = try metrics(folder + "/a", rows: 100)
            func export(_ format: String, _ output: String, _ more: [String] = []) throws -> (
                status: Int32, output: String, errors: String
            ) { try smd(["metrics", "export", run, "--format", format, "--output", output] + more) }
            #expect(try export("csv", folder + "/m.csv", ["--columns", "loss"]).status == 0)
            let lines = try String(contentsOfFile: folder + "/m.csv", encoding: .utf8).split(separator: "\n")
            #expect(lines.count == 101 && lines[0] == "step,loss" && lines[3] == "3,0.3333333333333333")
            #expect(try export("csv", folder + "/m.csv").status == 73)
            let rows = try export("jsonl", "-").output.split(separator: "\n")
            #expect(try object(String(rows[2]))["loss"] as? Double == 1.0 / 3 && rows.count == 100)
            #expect(try export("tensorboard", folder + "/log").status == 0)
            let events = try Data(contentsOf: URL(fileURLWithPath: folder + "/log/events.out.tfevents.0.smd"))
            #expect(events.count > 1000)
            #expect(try export("tensorboard", folder + "/log").status == 73)
            #expect(try export("tensorboard", folder + "/m.csv").status == 73)
            #expect(try export("tensorboard", folder + "/new", ["--columns", "lost"]).status == 65)
            #expect(!FileManager.default.fileExists(atPath: folder + "/new"))
            #expect(try export("tensorboard", "-").status == 64 && export("xml", "x").status == 64)
        }
    }

    @Test func differencesAreFound() throws {
        try withTemporaryDirectory { folder in
            let run = try metrics(folder + "/a")
            let same = try metrics(folder + "/b", rows: 210)
            let other = try metrics(folder + "/c") { $0 >= 150 ? 1e-15 : 0 }
            func diff(_ arguments: String...) throws -> (status: Int32, output: String, errors: String) {
                try smd(["metrics", "diff"] + arguments)
            }
            let equal = try diff(run, same)
            #expect(equal.status == 0 && equal.output.hasPrefix("equal to the bit in 200 common steps"), "\(equal)")
            #expect(equal.output.contains("the last step is 200 of the first, 210 of the second"))
            let different = try diff(run, other)
            #expect(different.status == 1 && different.output.hasPrefix("step 150 is the first"), "\(different)")
            #expect(different.output.contains("  loss: \(1.0 / 150) and \(1.0 / 150 + 1e-15)"))
            #expect(try diff(run, other, "--quiet") == (1, "", ""))
            #expect(try diff(run, same, "-q") == (0, "", ""))
            let json = try object(diff(run, other, "--json").output)
            #expect(json["step"] as? Int == 150 && json["same"] as? Bool == false)
            #expect((json["values"] as? [[String: Any]])?.first?["column"] as? String == "loss")
            #expect(try diff(run, folder + "/none").status == 65)
            try Data("hello".utf8).write(to: URL(fileURLWithPath: folder + "/text.h5"))
            #expect(try diff(run, folder + "/text.h5").status == 65)
            #expect(try diff(run).status == 64 && diff(run, same, "--columns", "lost").status == 65)
        }
    }

    @Test func curvesInAPipe() throws {
        try withTemporaryDirectory { folder in
            let runs = [try metrics(folder + "/a"), try metrics(folder + "/b")]
            func shown(_ locale: String) throws -> [Substring] {
                try smd(
                    ["metrics", "show"] + runs + ["--log"],
                    environment: ["LC_ALL": locale]
                ).output.split(separator: "\n")
            }
            let braille = try shown("C.UTF-8").filter { $0.contains("│") }
            #expect(braille.count == 20 && braille.allSatisfy { $0.count <= 80 })
            #expect(braille[0].unicodeScalars.contains { (0x2801...0x28FF).contains($0.value) })
            let plain = try shown("C").filter { $0.contains("|") }
            #expect(plain.count == 20 && plain.allSatisfy { $0.utf8.allSatisfy { $0 < 0x80 } })
            #expect(try shown("C").filter { $0.hasPrefix("loss, logarithmic") }.count == 2)
        }
    }

    /// Under script(1) the output is a terminal: colours, but not with NO_COLOR.
    @Test func colorsInATerminal() throws {
        try withTemporaryDirectory { folder in
            let runs = [try metrics(folder + "/a"), try metrics(folder + "/b")]
            func shown(_ noColor: String) throws -> String {
                let command = ([product("smd"), "metrics", "show"] + runs).joined(separator: " ")
                return try run(
                    ["script", "-qec", command, "/dev/null"],
                    environment: ["NO_COLOR": noColor, "TERM": "xterm", "LC_ALL": "C.UTF-8"], timeout: 60
                ).output
            }
            #expect(try shown("").contains("\u{1B}[33m") && shown("").contains("\u{1B}[34m"))
            #expect(try !shown("1").contains("\u{1B}["))
        }
    }

    @Test func rowsAroundAStep() throws {
        try withTemporaryDirectory { folder in
            let run = try metrics(folder + "/a")
            let text = try smd(["metrics", "show", run, "--around", "100", "--window", "2", "--columns", "loss"]).output
            let steps = text.split(separator: "\n").dropFirst().compactMap { $0.split(separator: " ").first }
            #expect(steps == ["98", "99", "100", "101", "102"])
            #expect(try smd(["metrics", "show", run, "--around", "\(Int.max)"]).status == 0)
            #expect(try smd(["metrics", "show", run, "--around", "5", "--last", "5"]).status == 64)
            let both = try object(smd(["metrics", "show", run, run, "--json"]).output)["runs"] as? [[String: Any]]
            #expect(both?.count == 2 && both?[1]["last_step"] as? Int == 200)
        }
    }

    @Test func followingWritesJSONLines() throws {
        try withTemporaryDirectory { folder in
            let run = try metrics(folder + "/a")
            let result = try smd(
                ["metrics", "follow", run, "--json", "--last", "2", "--columns", "loss,eta_variance"])
            let rows = try result.output.split(separator: "\n").map { try object(String($0)) }
            #expect(rows.map { $0["step"] as? Int } == [199, 200] && rows[0]["eta_variance"] is NSNull)
            #expect(rows[1]["loss"] as? Double == 0.005 && result.status == 0)
        }
    }
}
