import Foundation
import HDF5
import Storage
import StorageSupport
import TestSupport
import Testing

/// What is told of checkpoints without reading them, and the check of every byte.
@Suite struct CheckpointListingTests {
    private func save(_ step: Int, in folder: String) throws -> String {
        let tensors = [NamedTensor(name: "w", shape: [3], values: [1, 2, Float(step)])]
        let header = CheckpointHeader(step: step, seed: 1, config: "{}", dataFingerprint: "ab", version: "0.1.0")
        let checkpoint = Checkpoint(header, groups: [TensorGroup(name: "parameters", tensors: tensors)])
        return try CheckpointFolder(path: folder).save(checkpoint, keep: Retention(last: 0)).path
    }

    private func change(_ path: String, _ body: (inout [UInt8]) -> Void) throws {
        var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        body(&bytes)
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }

    @Test func whatLengthAndPrefixSay() throws {
        try withTemporaryDirectory { folder in
            let paths = try (1...7).map { try save($0, in: folder) }
            try change(paths[1]) { $0.removeLast() }
            try change(paths[2]) { $0.append(0) }
            try change(paths[3]) { $0[500] = 0x20 }  // among the newlines after the text
            try change(paths[4]) { $0 = [] }
            try change(paths[5]) { $0[15] = UInt8(ascii: "2") }
            // Only reading all of it finds this.
            try change(paths[6]) { $0[$0.count - 1] ^= 1 }
            try Data([1]).write(to: URL(fileURLWithPath: paths[0] + ".tmp-abc"))
            try Data([1]).write(to: URL(fileURLWithPath: folder + "/step-1.h5"))
            try FileManager.default.createDirectory(
                atPath: folder + "/step-00000008.h5", withIntermediateDirectories: false)
            let entries = try CheckpointFolder(path: folder).entries()
            #expect(entries.map(\.step) == [1, 1, 2, 3, 4, 5, 6, 7, 8])
            #expect(entries.map(\.isTemporary) == [false, true] + [Bool](repeating: false, count: 7))
            #expect(entries.map(\.seemsIntact) == [true, false, false, false, false, false, false, true, false])
            let reasons = [
                "is truncated", "is too long", "first 512 bytes are not those", "is empty", "has checkpoint format 2",
            ]
            for (entry, reason) in zip(entries[2...6], reasons) {
                #expect(entry.problem?.hasPrefix(entry.path) == true && entry.problem?.contains(reason) == true)
            }
            #expect(entries[8].problem?.contains("is not a regular file") == true)
            #expect(abs(entries[0].saved?.timeIntervalSinceNow ?? 1e9) < 600 && entries[0].bytes > 512)
        }
    }

    @Test func everyByteIsVerified() throws {
        try withTemporaryDirectory { folder in
            let path = try save(1, in: folder)
            let size = try Data(contentsOf: URL(fileURLWithPath: path)).count
            var last = 0
            let digest = try CheckpointEnvelope.verify(path) { last = $0 }
            #expect(last == size)
            #expect(try CheckpointFile(path).digest == digest)
            for place in [0, 20, 511, 512, size / 2, size - 1] {
                try change(path) { $0[place] ^= 4 }
                #expect(throws: StorageError.self, "byte \(place)") { try CheckpointEnvelope.verify(path) }
                try change(path) { $0[place] ^= 4 }
            }
            #expect(try CheckpointEnvelope.verify(path) == digest)
        }
    }

    /// Without the check of every byte the same is read from a file that is whole.
    @Test func aFileThatIsNotVerifiedReadsAlike() throws {
        try withTemporaryDirectory { folder in
            let path = try save(5, in: folder)
            let (one, other) = (try CheckpointFile(path), try CheckpointFile(path, isVerified: false))
            #expect(one.header == other.header && one.digest == other.digest && one.bytes == other.bytes)
            #expect(try one.values("parameters") == other.values("parameters"))
            try FileManager.default.moveItem(atPath: path, toPath: folder + "/step-00000006.h5")
            #expect(throws: StorageError.self) {
                try CheckpointFolder.requireNamed(CheckpointFile(folder + "/step-00000006.h5", isVerified: false))
            }
        }
    }
}
