import Foundation
import Storage
import StorageSupport
import TestSupport
import Testing

/// What commands write: tried before long work, to the right name, and never lost without a status.
@Suite(.enabled(if: Ability.time.isGiven, "\(Ability.time)"))
struct OutputTests {
    private static let configuration = """
        steps: 3
        batch_size: 4
        preview_every: 0
        eta_variance_every: 0
        model: \(smallPointModel)
        diffusion: {timesteps: 1000, sampling_steps: 1000, sampler: ancestral, flip: false, clip_denoised: false}
        """

    /// Calls `body` with a folder that holds the run `run` and the data set `grid.h5`.
    private func withRun(_ body: (_ folder: String, _ checkpoint: String) throws -> Void) throws {
        try withTemporaryDirectory { folder in
            let config = folder + "/run.yaml"
            try Self.configuration.write(toFile: config, atomically: true, encoding: .utf8)
            for arguments in [
                ["dataset", "prepare", "gaussian-grid", "--count", "40", "--output", folder + "/grid.h5"],
                ["train", config, "--set", "data=\(folder)/grid.h5", "--output", folder + "/run"],
            ] {
                let result = try run([product("smd")] + arguments, timeout: 60)
                try #require(result.status == 0, "\(result.errors)")
            }
            try body(folder, folder + "/run/checkpoints/step-00000003.h5")
        }
    }

    /// Sampling a million times a thousand steps would take hours: the refusal comes before.
    @Test func samplesThatCannotBeWrittenAreNotDrawn() throws {
        try withRun { folder, checkpoint in
            try FileManager.default.createDirectory(atPath: folder + "/taken.h5", withIntermediateDirectories: true)
            try Data([1]).write(to: URL(fileURLWithPath: folder + "/there.h5"))
            let long = folder + "/" + String(repeating: "n", count: 250) + ".h5"
            for (output, grid, words) in [
                (folder + "/none/s.h5", nil, "there is no folder \(folder)/none"),
                (folder + "/taken.h5", nil, "is a folder"),
                (folder + "/there.h5", nil, "exists already"),
                (long, nil, "File name too long"),
                ("/proc/s.h5", nil, "cannot write into /proc"),
                ("/dev/null", nil, "is a device"),
                (folder + "/s.h5", folder + "/none/g.png", "there is no folder \(folder)/none"),
                (folder + "/s.h5", folder + "/s.h5", "pictures are written as PNG"),
                (folder + "/s.h5", folder + "/g.jpg", "pictures are written as PNG"),
                (folder + "/s.png", folder + "/s.png", "samples are not written as .png"),
                (checkpoint, nil, "which this command needs itself"),
            ] as [(String, String?, String)] {
                let overwrite = output == checkpoint || output == "/dev/null" ? ["--overwrite"] : []
                let result = try run(
                    [product("smd"), "sample", checkpoint, "--count", "1000000", "--output", output]
                        + (grid.map { ["--grid", $0] } ?? []) + overwrite, timeout: 60)
                #expect([64, 73].contains(result.status), "\(output): \(result.status) \(result.errors)")
                #expect(result.errors.contains(words), "\(output): \(result.errors)")
                #expect(result.errors.split(separator: "\n").count == 1, "\(result.errors)")
            }
            _ = try Checkpoint.read(checkpoint)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder).count == 5)
        }
    }

    /// A full or closed standard output is an error of every command that has something to say there; help too.
    @Test func fullOutputIsAnError() throws {
        try withRun { folder, checkpoint in
            for arguments in [
                ["--help"], ["--version"], ["dataset", "--help"],
                ["dataset", "info", folder + "/grid.h5"], ["dataset", "verify", folder + "/grid.h5"],
                ["dataset", "preview", folder + "/grid.h5", "--output", folder + "/p.png", "--overwrite"],
                ["dataset", "prepare", "gaussian-grid", "--count", "4", "--output", folder + "/g.h5", "--overwrite"],
                ["sample", checkpoint, "--count", "2", "--output", folder + "/s.h5", "--overwrite"],
                [
                    "train", folder + "/run.yaml", "--set", "data=\(folder)/grid.h5", "--output", folder + "/run",
                    "--resume",
                    "auto",
                ],
                ["plan", folder + "/run.yaml", "--set", "data=\(folder)/grid.h5", "--gflops", "100"],
                [
                    "train", folder + "/run.yaml", "--set", "data=\(folder)/grid.h5", "--output", folder + "/x",
                    "--dry-run",
                ],
                ["checkpoint", "inspect", checkpoint], ["checkpoint", "inspect", checkpoint, "--json"],
                ["metrics", "show", folder + "/run"], ["metrics", "follow", folder + "/run"],
                ["metrics", "diff", folder + "/run", folder + "/run"], ["runs", "list", folder],
                ["runs", "diff", folder + "/run", checkpoint],
                ["metrics", "export", folder + "/run", "--format", "csv", "--output", "-"],
                ["doctor", "--output", folder],
                ["conformance", goldenFolder + "/schedules.h5"],
                ["conformance", goldenFolder + "/schedules.h5", "--json"],
            ] {
                for sink in [">/dev/full", ">&-"] {
                    let result = try run(
                        ["sh", "-c", "\"$@\" \(sink)", "sh", product("smd")] + arguments, timeout: 60)
                    #expect(result.status == 73, "\(sink) \(arguments): \(result.status) \(result.errors)")
                    #expect(result.errors.contains("cannot write to standard output"), "\(arguments): \(result.errors)")
                }
            }
        }
    }

    /// A full or closed standard error changes no status, that of a result with no place is 73; nor is text written into a file that got its number.
    @Test(arguments: ["2>/dev/full", "2>&-", ">&- 2>&- <&-"]) func fullErrorsKeepTheStatus(sink: String) throws {
        try withRun { folder, checkpoint in
            func status(_ arguments: [String]) throws -> Int32 {
                try run(["sh", "-c", "\"$@\" \(sink)", "sh", product("smd")] + arguments, timeout: 60).status
            }
            #expect(try status(["dataset", "info", folder + "/none.h5"]) == 65)
            #expect(try status(["dataset", "inf"]) == 64)
            let more = ["train", folder + "/run.yaml", "--set", "data=\(folder)/grid.h5", "--set", "steps=5"]
            let done: Int32 = sink.contains(">&- ") ? 73 : 0
            #expect(try status(more + ["--output", folder + "/run", "--resume", "auto"]) == done)
            #expect(try MetricsTable.read(folder + "/run/metrics.h5").steps == Array(1...5))
            _ = try Checkpoint.read(folder + "/run/checkpoints/step-00000005.h5")
            #expect(try status(["sample", checkpoint, "--count", "2", "--output", folder + "/s.h5"]) == done)
            let shown = try run(["h5dump", "-H", folder + "/s.h5"], timeout: 60)
            #expect(shown.status == 0 && shown.output.contains("DATASET \"points\""), "\(shown.errors)")
        }
    }

    /// A reader of the progress that goes away, as head does, ends no run.
    @Test func aClosedPipeEndsNoRun() throws {
        try withRun { folder, _ in
            let train = [product("smd"), "train", folder + "/run.yaml", "--set", "data=\(folder)/grid.h5"]
            let more = ["--set", "steps=300", "--set", "log_every=1", "--output", folder + "/piped"]
            let script = "set -o pipefail; { \"$@\" >/dev/null; } 2>&1 | head -n 1"
            let result = try run(["bash", "-c", script, "bash"] + train + more, timeout: 60)
            #expect(result.status == 0, "\(result.errors)")
            _ = try Checkpoint.read(folder + "/piped/checkpoints/step-00000300.h5")
        }
    }

    /// What a stranger wrote into names, attributes and keys never reaches a terminal as it is.
    @Test func onlyPrintableTextIsShown() throws {
        let evil = "\u{1b}]0;title\u{7}\u{9b}31m\u{202e}\u{2028}\u{85}x"
        try withRun { folder, checkpoint in
            let named = folder + "/" + evil + ".h5"
            try FileManager.default.copyItem(atPath: folder + "/grid.h5", toPath: named)
            let config = folder + "/" + evil + ".yaml"
            try "steps: 3\n\"\(evil)\": 4\n".write(toFile: config, atomically: true, encoding: .utf8)
            for arguments in [
                ["dataset", "info", named], ["dataset", "verify", named], ["dataset", evil],
                ["dataset", "preview", named, "--output", folder + "/" + evil + ".png"],
                ["dataset", "prepare", "gaussian-grid", "--count", "4", "--output", folder + "/" + evil + "2.h5"],
                ["dataset", "prepare", "images", folder + "/" + evil, "--size", "8", "--output", folder + "/i.h5"],
                ["plan", config], ["plan", evil], ["plan", folder + "/run.yaml", "--set", "data=\(evil)"],
                ["plan", folder + "/run.yaml", "--set", "\(evil)=1"],
                ["train", folder + "/run.yaml", "--set", "data=\(named)", "--output", folder + "/" + evil],
                ["metrics", "show", folder + "/" + evil], ["metrics", "show", folder + "/" + evil, "--json"],
                ["metrics", "show", folder + "/run", "--columns", evil],
                ["metrics", "plot", folder + "/run", "--output", folder + "/" + evil],
                ["metrics", "diff", folder + "/run", folder + "/" + evil], ["runs", "list", folder + "/" + evil],
                ["runs", "diff", folder + "/" + evil, named], ["report", folder + "/" + evil, "--output", evil],
                ["checkpoint", "inspect", named], ["sample", checkpoint, "--output", folder + "/" + evil + "/s.h5"],
                ["conformance", named], ["doctor", "--output", folder + "/" + evil],
            ] {
                let result = try run([product("smd")] + arguments, timeout: 60)
                for text in [result.output, result.errors] {
                    let bad = text.unicodeScalars.filter { scalar in
                        scalar != "\n"
                            && [.control, .format, .lineSeparator, .paragraphSeparator].contains(
                                scalar.properties.generalCategory)
                    }
                    #expect(bad.isEmpty, "\(arguments.prefix(2)): \(bad.map { String($0.value, radix: 16) })")
                }
            }
        }
    }

    /// JSON keeps what it escapes.
    @Test func jsonKeepsEveryCharacter() throws {
        try withRun { folder, _ in
            let place = folder + "/run\u{9b}\u{202e}\u{1F600}\u{E0001}"
            try FileManager.default.copyItem(atPath: folder + "/run", toPath: place)
            let result = try run([product("smd"), "metrics", "show", place, "--json"], timeout: 60)
            let object = try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any]
            #expect(object?["path"] as? String == place + "/metrics.h5", "\(result.output)")
        }
    }
}
