import Foundation
import Storage
import StorageSupport
import TestSupport
import Testing

/// Nothing that happens to a file's bytes goes unnoticed.
@Suite struct CorruptionTests {
    /// A checkpoint of so many tensors.
    private func checkpoint(in folder: String, tensors: Int) throws -> (path: String, bytes: [UInt8]) {
        let path = folder + "/a.h5"
        var state = smallCheckpoint()
        let parameters = (0..<tensors).map { NamedTensor(name: "layer.\($0)", shape: [3], values: [1, -2, 0.5]) }
        for group in state.groups.map(\.name) { state[group] = group.hasPrefix("optimizer") ? [] : parameters }
        try state.write(to: path)
        return (path, [UInt8](try Data(contentsOf: URL(fileURLWithPath: path))))
    }

    @Test func everyFlippedBitIsFound() throws {
        try withTemporaryDirectory { folder in
            let (path, whole) = try checkpoint(in: folder, tensors: Torture.amount("bits", short: 2))
            // In place: a file system may wait for the disk each time a whole file is replaced.
            let file = open(path, O_RDWR)
            defer { close(file) }
            var missed: [Int] = []
            for position in whole.indices {
                for bit in 0..<8 {
                    var byte = whole[position] ^ UInt8(1 << bit)
                    #expect(pwrite(file, &byte, 1, position) == 1)
                    if (try? CheckpointFile(path)) != nil { missed.append(8 * position + bit) }
                }
                var byte = whole[position]
                #expect(pwrite(file, &byte, 1, position) == 1)
            }
            #expect(missed.isEmpty && whole.count > 2000)
            try Checkpoint.verify(path)
        }
    }

    @Test func everyTruncationAndExtensionIsFound() throws {
        try withTemporaryDirectory { folder in
            let (path, whole) = try checkpoint(in: folder, tensors: Torture.amount("bits", short: 2))
            var missed: [Int] = []
            for length in whole.indices.reversed() {
                #expect(truncate(path, length) == 0)
                do {
                    try Checkpoint.verify(path)
                    missed.append(length)
                } catch is StorageError {}
            }
            #expect(missed.isEmpty)
            for more in [[0x0A], [0], [UInt8](repeating: 0, count: 4096)] {
                try Data(whole + more).write(to: URL(fileURLWithPath: path))
                #expect(throws: StorageError.self) { try Checkpoint.verify(path) }
            }
        }
    }
}
