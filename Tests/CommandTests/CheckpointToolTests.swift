import Foundation
import Storage
import StorageSupport
import TestSupport
import Testing

/// A checkpoint of given numbers.
private func state(
    _ step: Int = 1, weights: [Float] = [3, -4, 0, 0], bias: [Float] = [1], config: String = "{\"data\": \"a.h5\"}",
    data: String = "abc"
) -> Checkpoint {
    let tensors = [
        NamedTensor(name: "model.bias", shape: [1], values: bias),
        NamedTensor(name: "model.weight", shape: [2, 2], values: weights),
    ]
    let header = CheckpointHeader(step: step, seed: 5, config: config, dataFingerprint: data, version: "0.1.0")
    return Checkpoint(
        header,
        groups: ["parameters", "ema", "optimizer/first_moment"].map { TensorGroup(name: $0, tensors: tensors) })
}

/// `smd checkpoint list`, `verify`, `diff`, `prune` and the tables of `inspect`, as a user runs them.
@Suite struct CheckpointToolTests {
    private func save(_ steps: [Int], in folder: String) throws {
        let checkpoints = CheckpointFolder(path: folder + "/run/checkpoints")
        for step in steps { _ = try checkpoints.save(state(step), keep: Retention(last: 0)) }
    }

    private func path(_ folder: String, _ step: Int) -> String {
        CheckpointFolder(path: folder + "/run/checkpoints").path(step: step)
    }

    /// 47 GB that are not there: whoever read them would not be done soon, and would find other bytes than were sealed.
    @Test func aLongListIsNotRead() throws {
        try withTemporaryDirectory { folder in
            try save([1], in: folder)
            let whole = try Data(contentsOf: URL(fileURLWithPath: path(folder, 1)))
            let lines = String(decoding: whole.prefix(512), as: UTF8.self).split(separator: "\n")
            let text = "\(lines[0])\npayload 469999488 bytes\n\(lines[2])\n\(lines[3])"
            let head = text + String(repeating: "\n", count: 512 - text.utf8.count)
            for step in 1...100 {
                let file = path(folder, step)
                try Data(head.utf8).write(to: URL(fileURLWithPath: file))
                #expect(truncate(file, 470_000_000) == 0)
            }
            let listed = try smd(["checkpoint", "list", folder + "/run"])
            #expect(listed.status == 0 && listed.output.hasSuffix("100 files, 47,000,000,000 bytes\n"))
            #expect(listed.output.contains(/step-00000100.h5 +100 +20..-..-..T..:..:..Z +470,000,000 +intact/))
            #expect(truncate(path(folder, 7), 1_000_000) == 0)
            let json = try smd(["checkpoint", "list", folder + "/run", "--json"])
            #expect(
                json.status == 65 && json.errors.hasSuffix("1 of 100 files in \(folder)/run/checkpoints are damaged\n"))
            let rows = try object(json.output)["checkpoints"] as? [[String: Any]]
            #expect(rows?.map { $0["state"] as? String == "damaged" } == (1...100).map { $0 == 7 })
            let problem = rows?.compactMap { $0["problem"] as? String }
            #expect(problem?.first?.contains("truncated: 999488 of 469999488") == true)
        }
    }

    @Test func verifyFindsTheDamagedAndTheRenamed() throws {
        try withTemporaryDirectory { folder in
            try save([1, 2, 3], in: folder)
            #expect(try smd(["checkpoint", "verify", folder + "/run"]).status == 0)
            var bytes = try Data(contentsOf: URL(fileURLWithPath: path(folder, 2)))
            bytes[bytes.count - 1] ^= 1
            try bytes.write(to: URL(fileURLWithPath: path(folder, 2)))
            try FileManager.default.moveItem(atPath: path(folder, 3), toPath: path(folder, 4))
            let result = try smd(["checkpoint", "verify", folder + "/run"])
            #expect(result.status == 65 && result.errors.contains("2 of 3 checkpoints cannot be used"))
            #expect(result.errors.contains("step-00000002.h5 is damaged") && result.errors.contains("holds step 3"))
            // The digest is the one that coreutils computes.
            let digest = try run(["sh", "-c", "tail -c +513 '\(path(folder, 1))' | sha256sum"], timeout: 60).output
                .prefix(64)
            #expect(result.output.hasSuffix("SHA-256 \(digest)\n") && !result.output.contains("00002"))
            #expect(try smd(["checkpoint", "list", folder + "/run"]).status == 0)
            let alone = try smd(["checkpoint", "verify", path(folder, 2)])
            #expect(alone.status == 65 && alone.errors.split(separator: "\n").count == 1 && alone.output.isEmpty)
        }
    }

    /// A bit, of a number that hardly moves, is found and named.
    @Test func diffNamesWhatMoved() throws {
        try withTemporaryDirectory { folder in
            let (a, b) = (folder + "/a.h5", folder + "/b.h5")
            try state().write(to: a)
            try state().write(to: b)
            let equal = try smd(["checkpoint", "diff", a, b])
            #expect(equal.status == 0 && equal.output == "equal to the bit\n")
            var other = state()
            other["ema"][1].values[3] = -0.0
            try other.write(to: b)
            let bit = try smd(["checkpoint", "diff", a, b, "--json"])
            let found = try object(bit.output)
            let moved = found["tensors"] as? [[String: Any]]
            #expect(bit.status == 1 && found["equal"] as? Bool == false && moved?.count == 1)
            let tensor = try #require(moved?.first)
            #expect(tensor["name"] as? String == "model.weight" && tensor["group"] as? String == "ema")
            #expect(tensor["moved"] as? Int == 1 && tensor["relative_change"] as? Double == 0)
            let quiet = try smd(["checkpoint", "diff", a, b, "--quiet"])
            #expect(quiet.status == 1 && quiet.output.isEmpty && quiet.errors.isEmpty)
        }
    }

    /// (3, −4) → (3, 4): ‖a−b‖/‖a‖ = 8/5, cosine −7/25; 1 → 1.5: 1/2 and 1.
    @Test func diffInNumbers() throws {
        try withTemporaryDirectory { folder in
            let (a, b) = (folder + "/a.h5", folder + "/b.h5")
            try state().write(to: a)
            var other = state(
                2, config: #"{"data": "a.h5", "model": {"dim": 8}, "learning_rate": 0.5}"#, data: "def")
            other["parameters"][0].values = [1.5]
            other["parameters"][1].values = [3, 4, 0, 0]
            other["optimizer/first_moment"] = []
            try other.write(to: b)
            let text = try smd(["checkpoint", "diff", a, b])
            #expect(text.status == 1)
            for line in [
                "  step: 1 → 2", "  data set: abc → def", "  learning_rate: 0.0001 → 0.5", "  model.dim: 128 → 8",
                "  first_moment: 2 tensors only in the first",
            ] { #expect(text.output.contains(line + "\n"), "\(text.output)") }
            let rows = text.output.split(separator: "\n").filter {
                $0.contains("model.weight") || $0.contains("model.bias")
            }
            #expect(
                rows.map { $0.split(separator: " ").map(String.init) } == [
                    ["model.weight", "parameters", "4", "1", "1.6", "-0.280000000", "8"],
                    ["model.bias", "parameters", "1", "1", "0.5", "1.000000000", "0.5"],
                ])
            #expect(try smd(["checkpoint", "diff", a, b, "--top", "1"]).output.contains("… and 1 more"))
            // Together: √(64 + 1/4) / √26.
            let groups = try object(smd(["checkpoint", "diff", a, b, "--json"]).output)["groups"] as? [[String: Any]]
            let change = groups?.first { $0["name"] as? String == "parameters" }?["relative_change"] as? Double
            #expect(abs((change ?? 0) - (64.25 / 26).squareRoot()) < 1e-15)
        }
    }

    @Test func diffInTrouble() throws {
        try withTemporaryDirectory { folder in
            try state().write(to: folder + "/a.h5")
            try Data("hello".utf8).write(to: URL(fileURLWithPath: folder + "/b.h5"))
            for other in ["b.h5", "c.h5"] {
                let result = try smd(["checkpoint", "diff", folder + "/a.h5", folder + "/" + other, "-q"])
                #expect(result.status == 65 && result.errors.split(separator: "\n").count == 1, "\(result.errors)")
            }
            #expect(try smd(["checkpoint", "diff", folder + "/a.h5"]).status == 64)
        }
    }

    @Test func pruneIsDryUntilAsked() throws {
        try withTemporaryDirectory { folder in
            try save([10, 20, 30, 40, 50], in: folder)
            try Data("{}".utf8).write(to: URL(fileURLWithPath: CheckpointFolder.variancePath(of: path(folder, 10))))
            let prune = ["checkpoint", "prune", folder + "/run", "--keep-last", "1", "--keep-every", "20"]
            let dry = try smd(prune)
            #expect(dry.status == 0 && dry.output.contains("would remove 2 of 5 checkpoints"))
            let checkpoints = CheckpointFolder(path: folder + "/run/checkpoints")
            #expect(try checkpoints.steps() == [10, 20, 30, 40, 50])
            // All newer ones are damaged, two of them in a way that only reading them finds.
            for step in [30, 40] {
                var bytes = try Data(contentsOf: URL(fileURLWithPath: path(folder, step)))
                bytes[bytes.count - 1] ^= 1
                try bytes.write(to: URL(fileURLWithPath: path(folder, step)))
            }
            #expect(truncate(path(folder, 50), 600) == 0)
            let kept = try smd(["checkpoint", "prune", folder + "/run", "--keep-last", "1", "--yes", "--json"])
            #expect(kept.status == 0 && kept.errors.contains("left alone: ") && kept.errors.contains("00000050.h5"))
            #expect(try checkpoints.steps() == [20, 40, 50])
            let removed = try object(kept.output)["removed"] as? [Any]
            #expect(removed?.count == 2)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/run/checkpoints").count == 3)
            #expect(truncate(path(folder, 20), 600) == 0)
            #expect(try smd(["checkpoint", "prune", folder + "/run", "--keep-last", "1", "--yes"]).status == 65)
            #expect(try checkpoints.steps() == [20, 40, 50])
            #expect(try smd(["checkpoint", "prune", folder + "/run", "--keep-last", "0"]).status == 64)
        }
    }

    /// Values 0 … 7, one of them not a number: mean 3, deviation 2, and where they lie.
    @Test func statisticsOfATensor() throws {
        try withTemporaryDirectory { folder in
            var checkpoint = state()
            let values: [Float] = [0, 1, 2, 3, 4, 5, 6, .nan]
            checkpoint.groups = ["parameters", "ema"].map {
                TensorGroup(name: $0, tensors: [NamedTensor(name: "model.w", shape: [8], values: values)])
            }
            try checkpoint.write(to: folder + "/a.h5")
            let inspect = ["checkpoint", "inspect", folder + "/a.h5", "--tensors"]
            let tensors =
                try object(smd(inspect + ["--weights", "ema", "--json"]).output)["tensors"] as? [[String: Any]]
            let found = try #require(tensors?.first)
            #expect(tensors?.count == 1 && found["group"] as? String == "ema" && found["norm"] == nil)
            #expect(found["mean"] as? Double == 3 && found["deviation"] as? Double == 2)
            #expect(found["minimum"] as? Double == 0 && found["maximum"] as? Double == 6)
            #expect(found["not_finite"] as? Int == 1)
            #expect(found["histogram"] as? [Int] == [1, 0, 1, 0, 0, 1, 0, 0, 1, 0, 1, 0, 0, 1, 0, 1])
            let block = try smd(inspect, environment: ["LC_ALL": "C.UTF-8"]).output
            #expect(block.contains("|█ █  █  █ █  █ █|"))
            #expect(try smd(inspect, environment: ["LC_ALL": "C"]).output.contains("|@ @  @  @ @  @ @|"))
            let all = try smd(inspect + ["--weights", "all"]).output
            #expect(all.matches(of: /tensors of/).count == 2)
        }
    }

    /// A row a tensor under the head, a column a group. The same numbers give the same bytes.
    @Test func histogramsAsAPicture() throws {
        try withTemporaryDirectory { folder in
            let inspect = ["checkpoint", "inspect", folder + "/a.h5", "--plot"]
            try state(bias: [.nan]).write(to: folder + "/a.h5")
            #expect(try smd(inspect + [folder + "/one.png"]).status == 0)
            #expect(try smd(inspect + [folder + "/two.png", "--fast"]).status == 0)
            let picture = try Data(contentsOf: URL(fileURLWithPath: folder + "/one.png"))
            #expect(try picture == Data(contentsOf: URL(fileURLWithPath: folder + "/two.png")))
            #expect(picture.starts(with: [0x89, 0x50, 0x4E, 0x47]))
            // Width and height of the PNG: a name of 12 letters, one group.
            func size(_ picture: Data) -> [Int] { [16, 20].map { Int(picture[$0 + 2]) << 8 | Int(picture[$0 + 3]) } }
            #expect(size(picture) == [2 * (16 + 72 + 96 + 124 + 72 + 48), 2 * (60 + 2 * 32 + 16)])
            #expect(try smd(inspect + [folder + "/all.png", "--weights", "all"]).status == 0)
            let all = try Data(contentsOf: URL(fileURLWithPath: folder + "/all.png"))
            #expect(size(all) == [2 * (16 + 72 + 3 * 340), 2 * (60 + 2 * 32 + 16)])
            #expect(try smd(inspect + [folder + "/one.png"]).status == 73)
            #expect(try smd(inspect + [folder + "/one.jpg"]).status == 64)
            let none = try smd(inspect + [folder + "/none.png", "--weights", "second_moment"])
            #expect(none.status == 65 && none.errors.contains("has no tensors 'second_moment' to draw"))
        }
    }

    /// --fast sees what the prefix and the table of contents say, and no more.
    @Test func fastDoesNotCheckTheBytes() throws {
        try withTemporaryDirectory { folder in
            try save([1, 2], in: folder)
            var bytes = try Data(contentsOf: URL(fileURLWithPath: path(folder, 2)))
            let place = try #require(bytes.range(of: withUnsafeBytes(of: Float(-4)) { Data($0) })?.lowerBound)
            bytes[place] ^= 1
            try bytes.write(to: URL(fileURLWithPath: path(folder, 2)))
            let fast = try smd(["checkpoint", "inspect", folder + "/run", "--fast", "--json"])
            let found = try object(fast.output)
            #expect(fast.status == 0 && found["step"] as? Int == 2 && found["verified"] as? Bool == false)
            let parts = found["parts"] as? [String: [String: Any]]
            #expect(parts?["parameters"]?["norm"] == nil && parts?["parameters"]?["elements"] as? Int == 5)
            let tensors = try smd(["checkpoint", "inspect", path(folder, 2), "--fast", "--tensors"])
            #expect(tensors.status == 0 && tensors.output.contains("model.weight"))
            let slow = try smd(["checkpoint", "inspect", folder + "/run", "--json"])
            #expect(try object(slow.output)["step"] as? Int == 1)
            #expect(truncate(path(folder, 2), 2000) == 0)
            #expect(
                try object(smd(["checkpoint", "inspect", folder + "/run", "--fast", "--json"]).output)["step"] as? Int
                    == 1)
            #expect(try smd(["checkpoint", "inspect", path(folder, 2), "--fast"]).status == 65)
        }
    }
}
