import Foundation
import HDF5
import DataSets
import TestSupport
import Testing

/// Reading: exact values, files of others, and every way in which a file can be wrong.
@Suite struct DataSetTests {
    /// Writes an HDF5 file of the kind other programs write.
    static func plain<T: HDF5Scalar>(_ values: [T], _ shape: [Int], _ name: String, to path: String) throws {
        let file = try HDF5File.create(path, overwrite: true)
        try file.root.write(values, shape: shape, to: name)
        try file.close()
    }

    static func sample(_ set: DataSet, _ index: Int, flip: Bool = false) throws -> [Float] {
        var out = [Float](repeating: .nan, count: set.elementsPerSample)
        try out.withUnsafeMutableBufferPointer { try set.read(index, flip: flip, into: $0) }
        return out
    }

    @Test(arguments: [Int.max, 0]) func imagesAreScaledAndMirrored(memoryLimitBytes: Int) throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/a.h5"
            // Two images of 2×3 pixels with 2 channels.
            let bytes = [UInt8](0..<12) + [0, 255, 127, 128, 51, 204, 255, 0, 1, 254, 64, 191]
            try Self.plain(bytes, [2, 2, 3, 2], "images", to: path)
            let set = try DataSet(path: path, memoryLimitBytes: memoryLimitBytes)
            #expect(set.count == 2 && set.sample == .image(height: 2, width: 3, channels: 2))
            #expect(set.elementsPerSample == 12 && set.isInMemory == (memoryLimitBytes > 0))
            func scaled(_ values: [UInt8]) -> [Float] { values.map { Float((2 * Double($0) - 255) / 255) } }
            #expect(try Self.sample(set, 0) == scaled(Array(bytes[..<12])))
            #expect(try Self.sample(set, 1) == scaled(Array(bytes[12...])))
            // Pixels change places within a row, the channels of a pixel do not.
            let mirrored: [UInt8] = [51, 204, 127, 128, 0, 255, 64, 191, 1, 254, 255, 0]
            #expect(try Self.sample(set, 1, flip: true) == scaled(mirrored))
            #expect(try Self.sample(set, 1)[..<4] == [-1, 1, -1 / 255, 1 / 255])
            #expect(try set.pixels(1) == Array(bytes[12...]))
        }
    }

    /// A window, mirrored within itself.
    @Test(arguments: [Int.max, 0]) func windowsOfImages(memoryLimitBytes: Int) throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/a.h5"
            // Two images of 4×5 pixels with 2 channels: 40 bytes each.
            try Self.plain([UInt8](0..<80), [2, 4, 5, 2], "images", to: path)
            let set = try DataSet(path: path, memoryLimitBytes: memoryLimitBytes)
            func read(_ window: ImageWindow, flip: Bool) throws -> [Int] {
                var out = [Float](repeating: .nan, count: window.height * window.width * 2)
                try out.withUnsafeMutableBufferPointer { try set.read(1, flip: flip, window: window, into: $0) }
                return out.map { Int((($0 + 1) * 255 / 2).rounded()) - 40 }
            }
            let window = ImageWindow(top: 1, left: 2, height: 2, width: 3)
            #expect(try read(window, flip: false) == [14, 15, 16, 17, 18, 19, 24, 25, 26, 27, 28, 29])
            #expect(try read(window, flip: true) == [18, 19, 16, 17, 14, 15, 28, 29, 26, 27, 24, 25])
            #expect(try read(ImageWindow(top: 0, left: 0, height: 4, width: 5), flip: false) == Array(0..<40))
            #expect(try read(ImageWindow(top: 3, left: 4, height: 1, width: 1), flip: true) == [38, 39])
        }
    }

    @Test(arguments: [Int.max, 0]) func pointsComeAsTheyAre(memoryLimitBytes: Int) throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/a.h5"
            try Self.plain([0.5, -1e20, 3, 7] as [Double], [2, 2], "points", to: path)
            let set = try DataSet(path: path, memoryLimitBytes: memoryLimitBytes)
            #expect(set.count == 2 && set.sample == .point(dimension: 2))
            #expect(try Self.sample(set, 0, flip: true) == [0.5, -1e20])
            #expect(try Self.sample(set, 1) == [3, 7])
        }
    }

    /// In chunks, however few are kept, a set of files that divide it elsewhere reads as it does from memory.
    @Test(arguments: [0, 300 << 10, 1 << 30]) func chunksReadAsMemory(limit: Int) throws {
        try withTemporaryDirectory { folder in
            // Chunks of 10 images of 64×64×3, in shards of 35: some chunks lie in two shards.
            let (count, size) = (96, 64 * 64 * 3)
            let shards = try (0..<3).map { shard -> String in
                let path = folder + "/part-\(shard).h5"
                let images = shard * 35..<min(count, (shard + 1) * 35)
                let bytes = images.flatMap { image in
                    (0..<size).map { UInt8(truncatingIfNeeded: image &* 7 &+ $0 / 48) }
                }
                try Self.plain(bytes, [images.count, 64, 64, 3], "images", to: path)
                let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int ?? 0
                return #"{"file": "part-\#(shard).h5", "count": \#(images.count), "bytes": \#(size), "sha256": "-"}"#
            }
            let path = folder + "/parts.json"
            try """
            {"format": "smd manifest", "format_version": 1, "kind": "images", "sample_shape": [64, 64, 3],
             "count": \(count), "shards": [\(shards.joined(separator: ", "))]}
            """.write(toFile: path, atomically: true, encoding: .utf8)
            let whole = try DataSet(path: path)
            let chunked = try DataSet(SampleSource(path: path)) { _ in .chunks(bytes: limit) }
            #expect(whole.chunkSamples == 10 && whole.count == count && !chunked.isInMemory)
            #expect(chunked.fingerprint == whole.fingerprint)
            #expect(chunked.residentBytes == max(limit, 10 * size))
            for index in [0, 95, 34, 35, 36, 10, 9, 70, 69, 0, 50] {
                #expect(try Self.sample(chunked, index) == Self.sample(whole, index), "\(index)")
                #expect(try chunked.pixels(index) == whole.pixels(index))
            }
        }
    }

    /// A link's own size says nothing of the file that it leads to.
    @Test func linksAreFollowed() throws {
        try withTemporaryDirectory { folder in
            try Self.plain([Float](repeating: 0.5, count: 200_000), [100_000, 2], "points", to: folder + "/a.h5")
            try FileManager.default.createSymbolicLink(
                atPath: folder + "/link.h5", withDestinationPath: folder + "/a.h5")
            #expect(try DataSet(path: folder + "/link.h5").count == 100_000)
        }
    }

    @Test func threeAxesAreOneChannel() throws {
        try withTemporaryDirectory { folder in
            try Self.plain([UInt8](0..<24), [2, 3, 4], "images", to: folder + "/a.h5")
            #expect(try DataSet(path: folder + "/a.h5").sample == .image(height: 3, width: 4, channels: 1))
        }
    }

    @Test func fingerprintTellsContent() throws {
        try withTemporaryDirectory { folder in
            func fingerprint(_ values: [UInt8], _ shape: [Int], memory: Int = .max, name: String = "a") throws -> String
            {
                try Self.plain(values, shape, "images", to: "\(folder)/\(name).h5")
                return try DataSet(path: "\(folder)/\(name).h5", memoryLimitBytes: memory).fingerprint
            }
            let values = [UInt8](0..<48)
            let reference = try fingerprint(values, [3, 4, 4, 1])
            #expect(reference.count == 64)
            #expect(try fingerprint(values, [3, 4, 4, 1], name: "b") == reference)
            #expect(try fingerprint(values, [3, 4, 4, 1], memory: 0) == reference)
            #expect(try fingerprint(values, [3, 4, 4], name: "c") == reference)
            #expect(try fingerprint(values, [3, 2, 8, 1]) != reference)
            #expect(try fingerprint(values, [1, 4, 4, 3]) != reference)
            for position in [0, 20, 47] {
                var changed = values
                changed[position] ^= 1
                #expect(try fingerprint(changed, [3, 4, 4, 1]) != reference)
            }
        }
    }

    @Test(arguments: [
        ([4, 4], "of rank 2; wanted is rank 4, N×H×W×C"), ([1, 2, 2, 2, 2], "of rank 5; wanted is rank 4"),
        ([1, 1, 2, 8], "with 8 channels"),
        ([0, 4, 4, 1], "holds no samples"), ([4, 0, 4, 1], "senseless size"), ([16], "of rank 1"),
    ]) func wrongShapesAreExplained(shape: [Int], words: String) throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/a.h5"
            try Self.plain([UInt8](repeating: 1, count: shape.reduce(1, *)), shape, "images", to: path)
            #expect { try DataSet(path: path) } throws: { "\($0)".contains(words) && "\($0)".contains(path) }
        }
    }

    @Test func wrongTypesAreExplained() throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/a.h5"
            func message() -> String {
                do {
                    return try "opened: \(DataSet(path: path).count)"
                } catch {
                    return "\(error)"
                }
            }
            try Self.plain([Float](repeating: 0, count: 16), [1, 4, 4, 1], "images", to: path)
            #expect(message().contains("/images is float32 1×4×4×1; wanted is uint8 N×H×W×C"))
            try Self.plain([Int32](repeating: 0, count: 16), [1, 4, 4, 1], "images", to: path)
            #expect(message().contains("/images is int32 1×4×4×1; wanted is uint8"))
            try Self.plain([Int32](repeating: 0, count: 16), [8, 2], "points", to: path)
            #expect(message().contains("/points is int32 8×2; wanted is float32 N×D"))
            try Self.plain([Float](repeating: 0, count: 16), [16], "points", to: path)
            #expect(message().contains("/points is float32 16, of rank 1; wanted is rank 2"))
            try Self.plain([1, 2, 3, .nan] as [Float], [2, 2], "points", to: path)
            #expect(message().contains("row 1 holds nan"))
            try Self.plain([UInt8(1)], [1], "pictures", to: path)
            #expect(message().contains("has neither /images nor /points, but /pictures"))
        }
    }

    @Test func unusableFilesAreExplained() throws {
        try withTemporaryDirectory { folder in
            func message(_ name: String) -> String {
                do {
                    return try "opened: \(DataSet(path: folder + "/" + name).count)"
                } catch {
                    return "\(error)"
                }
            }
            #expect(message("missing.h5").contains("missing.h5: no such data set"))
            #expect(message("").contains("is a folder"))
            try Data("hello".utf8).write(to: URL(fileURLWithPath: folder + "/text.h5"))
            #expect(message("text.h5").contains("is not an HDF5 file"))
            try Data("{\"a\": 1}".utf8).write(to: URL(fileURLWithPath: folder + "/other.json"))
            #expect(message("other.json").contains("smd manifest"))
            try Self.plain([UInt8](repeating: 7, count: 40_000), [100, 20, 20, 1], "images", to: folder + "/whole.h5")
            let whole = try Data(contentsOf: URL(fileURLWithPath: folder + "/whole.h5"))
            try whole.prefix(20_000).write(to: URL(fileURLWithPath: folder + "/short.h5"))
            #expect(message("short.h5").contains("short.h5 is truncated"))
        }
    }

    @Test(arguments: [[1 << 30, 32, 32, 3], [2, 1 << 16, 1 << 16, 1], [1 << 40, 1, 1, 1], [1 << 31, 1, 1, 1]])
    func absurdSizesAreRefused(shape: [Int]) throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/a.h5"
            let file = try HDF5File.create(path)
            // Nothing is written: a chunked data set takes no space until it is.
            _ = try file.root.createDataset(
                "images", type: .uint8, shape: shape, maximumShape: shape, chunk: shape.map { min($0, 32) })
            try file.close()
            let words = ["which a file of", "senseless size", "at most 2147483647 samples"]
            #expect { try DataSet(path: path) } throws: { error in words.contains { "\(error)".contains($0) } }
        }
    }

    /// Cut off anywhere, a file is refused. (Bytes changed within a file's own tables are another matter: some crash
    /// libhdf5 1.10.8 itself, in h5ls and h5dump as well.)
    @Test func everyTruncationIsAnError() throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/a.h5"
            try Self.plain([UInt8](repeating: 7, count: 64), [4, 4, 4, 1], "images", to: path)
            let whole = try Data(contentsOf: URL(fileURLWithPath: path))
            for length in stride(from: 0, to: whole.count, by: 5) {
                try whole.prefix(length).write(to: URL(fileURLWithPath: path))
                #expect { try DataSet(path: path) } throws: { "\($0)".contains(path) && !"\($0)".contains("\n") }
            }
        }
    }
}
