import Foundation
import Storage
import StorageSupport
import TestSupport
import Testing

/// Folders where a file is meant, and the other way round.
@Suite struct FolderArgumentTests {
    private func makeFolder(_ path: String) throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    /// A checkpoint with a configuration and nothing else that matters.
    private func save(_ step: Int, in folder: String) throws {
        try makeFolder(folder)
        let checkpoint = Checkpoint(
            CheckpointHeader(step: step, seed: 1, config: "{}", dataFingerprint: "abc", version: "0.1.0"),
            groups: [
                TensorGroup(
                    name: "parameters", tensors: [NamedTensor(name: "model.weight", shape: [1], values: [3])])
            ])
        try checkpoint.write(to: CheckpointFolder(path: folder).path(step: step))
    }

    private func step(_ text: String) -> Substring? { text.firstMatch(of: /\n  step +(\d+)\n/)?.1 }

    /// The folder of a run, and of its checkpoints, stand for the newest checkpoint that verifies.
    @Test func newestCheckpointOfARun() throws {
        try withTemporaryDirectory { folder in
            let run = folder + "/a run"
            for step in [1, 2, 3] { try save(step, in: run + "/checkpoints") }
            for path in [run, run + "/", run + "/checkpoints"] {
                let found = try smd(["checkpoint", "inspect", path])
                #expect(found.status == 0 && step(found.output) == "3", "\(found.output)")
                let separator = path == run + "/checkpoints" ? "" : "/checkpoints"
                let name = (path.hasSuffix("/") ? String(path.dropLast()) : path) + separator + "/step-00000003.h5"
                #expect(found.errors == "smd: taking \(name)\n")
                let json = try smd(["checkpoint", "inspect", path, "--json"])
                #expect(try object(json.output)["step"] as? Int == 3)
            }
            // A damaged one is told and passed over, and so is one that was renamed.
            try Data(count: 4000).write(to: URL(fileURLWithPath: run + "/checkpoints/step-00000003.h5"))
            try FileManager.default.copyItem(
                atPath: run + "/checkpoints/step-00000001.h5", toPath: run + "/checkpoints/step-00000007.h5")
            let older = try smd(["checkpoint", "inspect", run])
            #expect(older.status == 0 && step(older.output) == "2", "\(older.output)")
            let lines = older.errors.split(separator: "\n")
            #expect(lines.count == 3 && lines.last?.hasSuffix("/step-00000002.h5") == true, "\(older.errors)")
            #expect(lines[0].contains("step-00000007.h5 holds step 1: it was renamed"))
            #expect(lines[1].contains("step-00000003.h5"))
        }
    }

    @Test func foldersWithoutACheckpoint() throws {
        try withTemporaryDirectory { folder in
            try makeFolder(folder + "/empty")
            try makeFolder(folder + "/begun/checkpoints")
            try makeFolder(folder + "/bad/checkpoints")
            try Data(count: 4000).write(to: URL(fileURLWithPath: folder + "/bad/checkpoints/step-00000003.h5"))
            for (name, words) in [
                ("empty", "/empty holds no checkpoint: of a folder, the newest checkpoints/step-N.h5 is taken"),
                ("begun", "/begun holds no checkpoint: "),
                ("bad", "/bad/checkpoints holds no checkpoint that can be used"),
                ("missing", "there is no checkpoint, nor the folder of a run, "),
            ] {
                let result = try smd(["checkpoint", "inspect", folder + "/" + name])
                #expect(result.status == 65 && result.output.isEmpty)
                #expect(result.errors.split(separator: "\n").last?.contains(words) == true, "\(result.errors)")
            }
        }
    }

    /// `metrics show` and `follow` of what is no run.
    @Test(arguments: ["show", "follow"]) func metricsOfNoRun(command: String) throws {
        try withTemporaryDirectory { folder in
            try makeFolder(folder + "/empty")
            try Data("hello".utf8).write(to: URL(fileURLWithPath: folder + "/text"))
            for (name, words) in [
                ("missing", "there is no run folder or file \(folder)/missing"),
                ("empty", "\(folder)/empty holds no run: there is no \(folder)/empty/metrics.h5"),
                ("empty/", "\(folder)/empty/ holds no run: there is no \(folder)/empty/metrics.h5"),
                ("text", "\(folder)/text is not an HDF5 file"),
            ] {
                let result = try smd(["metrics", command, folder + "/" + name])
                #expect(result.status == 65 && result.output.isEmpty)
                #expect(result.errors == "smd: error: \(words)\n")
            }
        }
    }

    /// A folder of a preset's name hides nothing; a file of that name is ambiguous, and the message's two ways are one
    /// each.
    @Test func namesOfPresets() throws {
        try withTemporaryDirectory { folder in
            func train(_ configuration: String) throws -> (status: Int32, output: String, errors: String) {
                try run(
                    ["env", "--chdir", folder, product("smd"), "train", configuration, "--output", "x", "--dry-run"],
                    timeout: 60)
            }
            let plain = try train("fashion")
            #expect(plain.status == 0, "\(plain.errors)")
            try makeFolder(folder + "/fashion")
            try makeFolder(folder + "/launch/presets/cifar.yaml")
            #expect(try train("fashion").output == plain.output)
            #expect(try train("cifar").status == 0)
            let refused = try train("./fashion")
            #expect(refused.status == 65 && refused.errors.contains("./fashion is a folder"), "\(refused.errors)")

            try "data: own.h5\nsteps: 7\n".write(toFile: folder + "/grid", atomically: true, encoding: .utf8)
            let ambiguous = try train("grid")
            #expect(ambiguous.status == 65, "\(ambiguous.output)")
            let ways = try #require(ambiguous.errors.firstMatch(of: /write (.*) for the file, or (.*) for the preset/))
            #expect(try object(train(String(ways.1)).output)["steps"] as? Int == 7)
            #expect(try object(train(String(ways.2)).output)["steps"] as? Int == 20000)
            // With its suffix it is a file like any other.
            try "data: own.h5\nsteps: 8\n".write(toFile: folder + "/grid.yaml", atomically: true, encoding: .utf8)
            #expect(try object(train("grid.yaml").output)["steps"] as? Int == 8)
            let unknown = try train("fashion.yaml").errors
            #expect(unknown.contains("there is no configuration fashion.yaml; the presets are"), "\(unknown)")
        }
    }

    /// `~` behind `--set data=` and in a file, where no shell writes it out.
    @Test func homeInPaths() throws {
        try withTemporaryDirectory { folder in
            let config = folder + "/run.yaml"
            try "data: ~/in file.h5\n".write(toFile: config, atomically: true, encoding: .utf8)
            func data(_ arguments: String...) throws -> String? {
                let result = try smd(
                    ["train", config, "--output", folder + "/x", "--dry-run"] + arguments,
                    environment: ["HOME": folder])
                return try object(result.output)["data"] as? String
            }
            #expect(try data() == folder + "/in file.h5")
            #expect(try data("--set", "data=~/set.h5") == folder + "/set.h5")
            #expect(try data("--set", "data=/~/x.h5") == "/~/x.h5")
        }
    }
}
