import Configuration
import Foundation
import Storage
import StorageSupport
import TestSupport
import Testing

/// `smd runs` and `smd report`, as a user runs them.
@Suite struct RunsCommandTests {
    /// Makes the folder of a run of 1000 steps with a checkpoint of step 1000 and metrics up to `last`.
    private func run(
        _ folder: String, last: Int = 1000, _ change: (inout RunConfiguration) -> Void = { _ in }
    ) throws {
        try FileManager.default.createDirectory(atPath: folder + "/checkpoints", withIntermediateDirectories: true)
        var configuration = RunConfiguration()
        configuration.data = folder + "/none.h5"
        configuration.steps = 1000
        change(&configuration)
        _ = try writeCheckpoint(in: folder + "/checkpoints", config: configuration.resolvedJSON())
        let writer = try MetricsWriter(path: folder + "/metrics.h5", columns: ["loss"], continueAfterStep: nil)
        for step in [1, last - 1, last] { writer.append(step: step, values: [1 / Double(step)]) }
        try writer.close()
    }

    private func rows(_ folder: String) throws -> [String: [String: Any]] {
        let list = try object(smd(["runs", "list", folder, "--json"]).output)["runs"] as? [[String: Any]] ?? []
        return Dictionary(uniqueKeysWithValues: list.map { ($0["name"] as? String ?? "", $0) })
    }

    @Test func runsAreListedWithTheirState() throws {
        try withTemporaryDirectory { folder in
            try run(folder + "/done")
            try run(folder + "/deep/er/stopped") { $0.steps = 4000 }
            try run(folder + "/going") { $0.steps = 4000 }
            let lock = try RunLock(folder: folder + "/going") { _ in }
            try run(folder + "/.hidden")
            try FileManager.default.createDirectory(atPath: folder + "/empty", withIntermediateDirectories: true)
            let found = try rows(folder)
            #expect(
                found.mapValues { $0["state"] as? String } == [
                    "done": "finished", "deep/er/stopped": "stopped", "going": "running",
                ])
            #expect(found["done"]?["last_step"] as? Int == 1000 && found["done"]?["loss"] as? Double == 0.001)
            #expect(found["going"]?["steps"] as? Int == 4000 && found["going"]?["method"] as? String == "SMD")
            let size = try FileManager.default.attributesOfItem(atPath: folder + "/done/metrics.h5")[.size] as? Int ?? 0
            #expect(found["done"]?["bytes"] as? Int ?? 0 > size)
            let text = try smd(["runs", "list", folder])
            #expect(text.status == 0 && text.output.split(separator: "\n").count == 4, "\(text)")
            withExtendedLifetime(lock) {}
        }
    }

    /// One run that cannot be read keeps none of the others from being shown.
    @Test func damagedRunsAreTold() throws {
        try withTemporaryDirectory { folder in
            try run(folder + "/good")
            for (name, file) in [("metrics", "/metrics.h5"), ("checkpoint", "/checkpoints/step-00001000.h5")] {
                try run(folder + "/" + name)
                let path = folder + "/" + name + file
                let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
                try bytes.prefix(bytes.count / 2).write(to: URL(fileURLWithPath: path))
            }
            let found = try rows(folder)
            #expect(
                found.mapValues { $0["state"] as? String } == [
                    "good": "finished", "metrics": "damaged", "checkpoint": "damaged",
                ])
            #expect((found["checkpoint"]?["problem"] as? String)?.contains("payload bytes") == true)
            let text = try smd(["runs", "list", folder])
            #expect(text.status == 65 && text.output.contains("step-00001000.h5 is truncated"), "\(text)")
        }
    }

    @Test func placesWithoutRuns() throws {
        try withTemporaryDirectory { folder in
            let none = try smd(["runs", "list", folder])
            #expect(none.status == 0 && none.output == "there are no runs in \(folder)\n")
            #expect(try smd(["runs", "list", folder + "/none"]).status == 65)
            try run(folder + "/only")
            #expect(try rows(folder + "/only").keys.sorted() == ["only"])
        }
    }

    @Test func exactlyTheChangedSettingsAreShown() throws {
        try withTemporaryDirectory { folder in
            try run(folder + "/a") { $0.data = "/x" }
            try run(folder + "/b") { $0.data = "/x" }
            try run(folder + "/c") { configuration in
                configuration.data = "/x"
                configuration.seed = 7
                configuration.model.smd = false
            }
            func diff(_ arguments: String...) throws -> (status: Int32, output: String, errors: String) {
                try smd(["runs", "diff"] + arguments)
            }
            let same = try diff(folder + "/a", folder + "/b")
            #expect(same.status == 0 && same.output == "all settings are the same\n")
            let different = try diff(folder + "/a", folder + "/c/checkpoints/step-00001000.h5", "--json")
            let settings = try object(different.output)["settings"] as? [[String: String]]
            #expect(different.status == 1)
            #expect(
                settings == [
                    ["key": "model.smd", "first": "true", "second": "false"],
                    ["key": "seed", "first": "0", "second": "7"],
                ])
            #expect(try diff(folder + "/a", folder + "/c", "--quiet") == (1, "", ""))
            #expect(try diff(folder + "/a", folder + "/none").status == 65)
            #expect(try diff(folder + "/a", folder).errors.contains("holds no checkpoint"))
        }
    }

    // MARK: Reports

    /// A name that would end an attribute, an element or a style sheet if it could.
    private static let evil = "a\"'><script>alert(1)</script><!--"

    @Test func aReportHoldsAllAndNothingFromElsewhere() throws {
        try withTemporaryDirectory { folder in
            let place = folder + "/" + Self.evil.replacingOccurrences(of: "/", with: "\u{2215}")
            try run(place) { $0.seed = 77 }
            try FileManager.default.createDirectory(atPath: place + "/previews", withIntermediateDirectories: true)
            for step in 1...20 {
                let path = place + "/previews/step-" + String(format: "%08d", step * 100) + "-ema.png"
                try smdGrid(path, folder)
            }
            let evaluation = folder + "/e.json"
            try #"{"figures": {"fid": {"value": 12.5}}, "known": true, "name": "</style><b>", "list": [1, 2]}"#.write(
                toFile: evaluation, atomically: true, encoding: .utf8)
            let output = folder + "/r.html"
            let command = [
                "report", place, "--output", output, "--evaluation", evaluation, "--samples",
                place + "/previews/step-00000100-ema.png",
            ]
            let result = try smd(command)
            #expect(result.status == 0 && result.output == "\(output): the run \(place)\n", "\(result)")
            let page = try String(contentsOfFile: output, encoding: .utf8)
            for text in ["http://", "https://", "<script", "<b>", "<link", "@import", "url("] {
                // The one address is a name, of SVG.
                let rest = page.replacingOccurrences(of: "http://www.w3.org/2000/svg", with: "")
                #expect(!rest.contains(text), "\(text)")
            }
            #expect(page.contains("<td>12.5</td>") && page.contains("<th scope=\"row\">figures.fid.value</th>"))
            #expect(page.contains("<td>true</td>") && page.contains("<td>1, 2</td>"))
            #expect(page.components(separatedBy: "data:image/png;base64,").count == 1 + 8 + 1)
            #expect(page.contains("step 100, averaged weights") && page.contains("step 2,000, averaged weights"))
            #expect(page.contains("finished</span>") && page.contains("class=\"curve0\""))
            // Settings of its own come first, the defaults folded.
            let parts = page.components(separatedBy: "<details>")
            #expect(
                parts[0].contains("<th scope=\"row\">seed</th><td>77</td>")
                    && !parts[0].contains(">learning_rate</th><td>0.0001"))
            #expect(parts[1].contains("<th scope=\"row\">learning_rate</th><td>0.0001</td>"))
            #expect(page.contains("<th scope=\"row\">not read</th>"))  // the data set is not there
            try FileManager.default.removeItem(atPath: output)
            #expect(try smd(command).status == 0)
            #expect(try String(contentsOfFile: output, encoding: .utf8) == page)
        }
    }

    /// Draws a small picture.
    private func smdGrid(_ path: String, _ folder: String) throws {
        let data = folder + "/grid.h5"
        if !FileManager.default.fileExists(atPath: data) {
            _ = try smd(["dataset", "prepare", "gaussian-grid", "--count", "50", "--output", data])
            _ = try smd(["dataset", "preview", data, "--output", folder + "/grid.png"])
        }
        try FileManager.default.copyItem(atPath: folder + "/grid.png", toPath: path)
    }

    @Test func whatCannotBeReportedIsSaid() throws {
        try withTemporaryDirectory { folder in
            try run(folder + "/a")
            try Data("hello".utf8).write(to: URL(fileURLWithPath: folder + "/text"))
            for (arguments, status, words) in [
                ([folder, "--output", folder + "/r.html"], 65, "is not the folder of a run"),
                ([folder + "/a", "--output", folder + "/none/r.html"], 73, "there is no folder"),
                ([folder + "/a", "--output", folder + "/text"], 73, "exists already"),
                ([folder + "/a", "--output", folder + "/r.html", "--samples", folder + "/text"], 65, "is no PNG file"),
                (
                    [folder + "/a", "--output", folder + "/r.html", "--evaluation", folder + "/text"], 65,
                    "no JSON object"
                ),
                ([folder + "/a", "--output", folder + "/r.html", "--evaluation", folder + "/no"], 65, "no"),
            ] as [([String], Int32, String)] {
                let result = try smd(["report"] + arguments)
                #expect(result.status == status && result.errors.contains(words), "\(arguments): \(result)")
                #expect(result.errors.filter { $0 == "\n" }.count == 1, "\(result.errors)")
                #expect(!FileManager.default.fileExists(atPath: folder + "/r.html"))
            }
        }
    }
}
