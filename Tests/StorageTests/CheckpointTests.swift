import Foundation
import HDF5
import Storage
import StorageSupport
import TestSupport
import Testing

/// A small state with awkward values: zeros of both signs, a scalar, an empty tensor, the largest seed.
func smallCheckpoint(step: Int = 1000) -> Checkpoint {
    let parameters = [
        NamedTensor(name: "model.final_conv.weight", shape: [1, 2, 1, 1], values: [-0.0, .leastNonzeroMagnitude]),
        NamedTensor(name: "model.final_conv.bias", shape: [1], values: [Float(step)]),
    ]
    let header = CheckpointHeader(
        step: step, seed: .max, config: "{\"model\": {\"dim\": 8}}", dataFingerprint: "ab12", version: "0.1.0",
        attributes: ["ema_updates": .integer(90), "note": .string("grüße"), "flag": .boolean(true)])
    return Checkpoint(header, groups: groupNames.map { TensorGroup(name: $0, tensors: parameters) })
}

private let groupNames = ["parameters", "ema", "optimizer/first_moment", "optimizer/second_moment"]

private func bytes(_ path: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(fileURLWithPath: path))) }
private func write(_ bytes: [UInt8], _ path: String) throws { try Data(bytes).write(to: URL(fileURLWithPath: path)) }

@Suite struct CheckpointTests {
    @Test func stateComesBackBitForBit() throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/a.h5"
            let state = smallCheckpoint()
            try state.write(to: path)
            var read = try Checkpoint.read(path)
            #expect(read["parameters"].map(\.name) == ["model.final_conv.bias", "model.final_conv.weight"])
            #expect(read["parameters"][1].values.map(\.bitPattern) == [0x8000_0000, 1])
            for name in groupNames { read[name].reverse() }
            #expect(read == state)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["a.h5"])
        }
    }

    @Test func sameStateGivesSameBytesInAnyOrder() throws {
        try withTemporaryDirectory { folder in
            var state = smallCheckpoint()
            try state.write(to: folder + "/a.h5")
            state["parameters"].reverse()
            try state.write(to: folder + "/b.h5")
            #expect(try bytes(folder + "/a.h5") == bytes(folder + "/b.h5"))
        }
    }

    /// Files of this version are those of smd 0.1.0: the digest is the one it wrote for this state.
    @Test func bytesAreThoseOfTheFirstVersion() throws {
        try withTemporaryDirectory { folder in
            #expect(try run([product("storage-program"), "save", folder], timeout: 60).status == 0)
            let head = String(decoding: try bytes(folder + "/step-00000002.h5").prefix(150), as: UTF8.self)
            #expect(
                head.contains(
                    "payload 48384 bytes\nsha256 30854018dc3efb92d1a88af4fac0d4f68f861c43409d64162ee7e9c6368de927"))
        }
    }

    /// A further network has groups of its own; they come network by network, the parameters first.
    @Test func anyNumberOfNetworks() throws {
        try withTemporaryDirectory { folder in
            var state = smallCheckpoint()
            let tensors = [NamedTensor(name: "b", shape: [2], values: [1, .nan])]
            let more = ["networks/critic/parameters", "networks/critic/a", "networks/critic/optimizer/slow"]
            for name in more { state[name] = name.hasSuffix("a") ? [] : tensors }
            state["later"] = []
            try state.write(to: folder + "/a.h5")
            let read = try Checkpoint.read(folder + "/a.h5")
            #expect(
                read.groups.map(\.name) == [
                    "parameters", "ema", "later", "optimizer/first_moment", "optimizer/second_moment",
                ] + more)
            #expect(read["networks/critic/a"].isEmpty && read["networks/critic/optimizer/slow"][0].values[0] == 1)
            #expect(read["networks/critic/parameters"][0].values[1].isNaN)
        }
    }

    /// What does not belong together, or is no list of tensors, is refused with its place.
    @Test(arguments: [
        ("networks/critic/ema", ["a"], "has no group /networks/critic/parameters"),
        ("parameters", [], "/ema has 2 tensors, /parameters 0"),
        ("ema", ["a"], "/ema has 1 tensors, /parameters 2"),
        ("optimizer/first_moment", ["a", "b"], "/optimizer/first_moment/a [1] is not like /parameters/"),
        ("parameters/more", ["a"], "/parameters/more in"),
    ]) func groupsThatDoNotFit(group: String, names: [String], reason: String) throws {
        try withTemporaryDirectory { folder in
            var state = smallCheckpoint()
            state[group] = names.map { NamedTensor(name: $0, shape: [1], values: [0]) }
            try state.write(to: folder + "/a.h5")
            do {
                _ = try Checkpoint.read(folder + "/a.h5")
                Issue.record("no error")
            } catch { #expect("\(error)".contains(reason), "\(error)") }
        }
    }

    @Test func countlessGroupsAreRefused() throws {
        try withTemporaryDirectory { folder in
            var state = smallCheckpoint()
            for number in 0..<59 { state["later\(number)"] = [] }
            try state.write(to: folder + "/a.h5")
            #expect(try Checkpoint.read(folder + "/a.h5").groups.count == 63)
            state["one more"] = []
            try state.write(to: folder + "/a.h5")
            #expect {
                try Checkpoint.read(folder + "/a.h5")
            } throws: { "\($0)" == "\(folder)/a.h5 has more than 64 groups" }
        }
    }

    @Test func manyTensorsAndLongConfiguration() throws {
        try withTemporaryDirectory { folder in
            var state = smallCheckpoint()
            state.header.config = "\"" + String(repeating: "x", count: 300_000) + "\""
            let parameters = (0..<900).map { index in
                let values = (0..<index % 50).map { Float($0 * index) }
                return NamedTensor(name: "layer.\(index).weight", shape: [1, values.count], values: values)
            }.sorted { $0.name < $1.name }
            for name in groupNames { state[name] = name == "optimizer/first_moment" ? [] : parameters }
            try state.write(to: folder + "/a.h5")
            #expect(try Checkpoint.read(folder + "/a.h5") == state)
        }
    }

    /// The room that is asked for at once suffices, for a state of any kind, and is not much too large.
    @Test(arguments: [(1, 0), (2, 1), (40, 1000), (900, 7), (300, 20_000)])
    func memoryGrowsOnce(tensors: Int, length: Int) throws {
        try withTemporaryDirectory { folder in
            var state = smallCheckpoint()
            let parameters = (0..<tensors).map { index in
                NamedTensor(
                    name: "model.downs.0.1.fn.fn.to_qkv.block\(index).weight", shape: [1, length, 1, 1],
                    values: [Float](repeating: 1, count: length))
            }
            for name in groupNames { state[name] = parameters }
            try state.write(to: folder + "/a.h5")
            let size = try bytes(folder + "/a.h5").count
            let expected = CheckpointImage.expectedBytes(
                state.header, elements: 4 * tensors * length, tensors: 4 * tensors)
            #expect(expected >= size && expected - size <= 64 << 10 + 4 * tensors * 512, "\(expected) for \(size)")
        }
    }

    @Test func reasonsAreClear() throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/a.h5"
            func reason() -> String {
                do {
                    _ = try Checkpoint.read(path)
                    return "no error"
                } catch { return "\(error)" }
            }
            #expect(reason() == "\(path) does not exist")
            try write([], path)
            #expect(reason() == "\(path) is empty, not a checkpoint")
            try write(Array("hello".utf8), path)
            #expect(reason().contains("is not an smd checkpoint"))
            try smallCheckpoint().write(to: path)
            var whole = try bytes(path)
            try write(whole.dropLast(10), path)
            #expect(reason().contains("truncated: \(whole.count - 522) of \(whole.count - 512) payload bytes"))
            whole[whole.count / 2] ^= 1
            try write(whole, path)
            #expect(reason().contains("damaged: its SHA-256 does not match"))
            whole.replaceSubrange(15..<16, with: Array("9".utf8))
            try write(whole, path)
            #expect(reason().contains("checkpoint format 9; this smd reads 1"))
        }
    }

    @Test func failedWriteLeavesTheOldFileAndNoTemporary() throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/a.h5"
            try smallCheckpoint(step: 1).write(to: path)
            // The program's largest file is limited to 4 KiB: its write ends half-way, as on a full disk.
            let result = try run([product("storage-program"), "checkpoint-limited", path], timeout: 60)
            #expect(result.status == 1 && result.errors.contains("cannot write \(path)"))
            #expect(try Checkpoint.read(path).header.step == 1)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["a.h5"])
            #expect(throws: HDF5Error.self) { try smallCheckpoint().write(to: folder + "/absent/a.h5") }
            #expect(throws: HDF5Error.self) { try smallCheckpoint().write(to: path + "/a.h5") }
        }
    }
}

@Suite struct CheckpointFolderTests {
    @Test func keepsTheLastAndFindsTheNewest() throws {
        try withTemporaryDirectory { folder in
            let checkpoints = CheckpointFolder(path: folder + "/run/checkpoints")
            #expect(try checkpoints.newestVerified { _ in } == nil)
            for step in [100, 200, 300, 400] {
                let path = try checkpoints.save(smallCheckpoint(step: step), keep: Retention(last: 2)).path
                #expect(path == folder + "/run/checkpoints/step-00000\(step).h5")
            }
            #expect(try checkpoints.steps() == [300, 400])
            _ = try checkpoints.save(smallCheckpoint(step: 500), keep: Retention(last: 0))
            #expect(try checkpoints.steps() == [300, 400, 500])
            #expect(try checkpoints.newestVerified { Issue.record("\($0)") }?.header.step == 500)
        }
    }

    @Test func damagedOnesAreReportedAndSkipped() throws {
        try withTemporaryDirectory { folder in
            let checkpoints = CheckpointFolder(path: folder)
            for step in [1, 2, 3] { _ = try checkpoints.save(smallCheckpoint(step: step), keep: Retention(last: 0)) }
            var damaged = try bytes(checkpoints.path(step: 3))
            damaged[damaged.count - 1] ^= 0x80
            try write(damaged, checkpoints.path(step: 3))
            try write(try bytes(checkpoints.path(step: 1)), checkpoints.path(step: 4))
            var reports: [String] = []
            let newest = try checkpoints.newestVerified { reports.append($0) }
            #expect(newest?.header.step == 2 && newest?.path == checkpoints.path(step: 2))
            #expect(reports.count == 2)
            #expect(reports[0].contains("step-00000004.h5 holds step 1"))
            #expect(reports[1].contains("step-00000003.h5 is damaged"))
        }
    }

    /// What lies under the name of the newest can be anything.
    @Test func whatCannotBeReadIsPassedOver() throws {
        try withTemporaryDirectory { folder in
            let checkpoints = CheckpointFolder(path: folder)
            for step in 1...3 { _ = try checkpoints.save(smallCheckpoint(step: step), keep: Retention(last: 0)) }
            #expect(chmod(checkpoints.path(step: 3), 0) == 0)
            try FileManager.default.createDirectory(
                atPath: checkpoints.path(step: 4), withIntermediateDirectories: false)
            #expect(mkfifo(checkpoints.path(step: 5), 0o600) == 0 && chmod(checkpoints.path(step: 5), 0o666) == 0)
            #expect(symlink("/nowhere/at/all", checkpoints.path(step: 6)) == 0)
            #expect(symlink(checkpoints.path(step: 7), checkpoints.path(step: 7)) == 0)
            #expect(chmod(folder, 0o755) == 0)
            // Nothing is closed to root: the program goes on as somebody else.
            let result = try run([product("storage-program"), "newest-as-nobody", folder], timeout: 60)
            let lines = result.output.split(separator: "\n")
            #expect(lines.last == "\(checkpoints.path(step: 2))", "\(result)")
            let reasons = [
                "step-00000007.h5", "step-00000006.h5 does not exist", "step-00000005.h5 is not a regular file",
                "step-00000004.h5 is not a regular file", "step-00000003.h5: Permission denied",
            ]
            #expect(lines.count == reasons.count + 1)
            for (line, reason) in zip(lines, reasons) { #expect(line.contains(reason)) }
        }
    }

    @Test func someAreKeptForEver() throws {
        try withTemporaryDirectory { folder in
            let checkpoints = CheckpointFolder(path: folder)
            for step in stride(from: 10, through: 120, by: 10) {
                let saved = try checkpoints.save(smallCheckpoint(step: step), keep: Retention(last: 2, every: 40))
                #expect(saved.problem == nil)
            }
            #expect(try checkpoints.steps() == [40, 80, 110, 120])
        }
    }

    @Test func aRunThatWasSetBackKeepsWhatItJustSaved() throws {
        try withTemporaryDirectory { folder in
            let checkpoints = CheckpointFolder(path: folder)
            for step in [10, 20, 30, 15] {
                _ = try checkpoints.save(smallCheckpoint(step: step), keep: Retention(last: step == 15 ? 1 : 0))
            }
            #expect(try checkpoints.steps() == [15, 20, 30])
        }
    }

    @Test func temporariesOfDeadWritersGo() throws {
        try withTemporaryDirectory { folder in
            let checkpoints = CheckpointFolder(path: folder)
            try write([1, 2], folder + "/step-00000001.h5.tmp-abc")
            try write([1, 2], folder + "/notes.tmp-abc")
            let alive = folder + "/step-00000002.h5.tmp-def"
            let descriptor = open(alive, O_RDWR | O_CREAT, 0o600)
            defer { close(descriptor) }
            #expect(flock(descriptor, LOCK_EX) == 0)
            _ = try checkpoints.save(smallCheckpoint(step: 5), keep: Retention(last: 1))
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
                    == ["notes.tmp-abc", "step-00000002.h5.tmp-def", "step-00000005.h5"])
        }
    }
}
