import Foundation
import HDF5
import DataSets
import TestSupport
import Testing

/// Writing: what `smd dataset prepare` makes, whole files, shards and manifests, and that damage is found.
@Suite struct PreparationTests {
    let provenance = Provenance(source: "a test", command: "smd dataset prepare …", tool: "smd test")

    func preparation(_ output: String, shardSize: Int? = nil, overwrite: Bool = false) -> Preparation {
        Preparation(output: output, provenance: provenance, shardSize: shardSize, overwrite: overwrite)
    }

    func content(_ path: String) throws -> [UInt8] { try [UInt8](Data(contentsOf: URL(fileURLWithPath: path))) }

    /// Flips one bit of the first stored occurrence of `pattern`.
    func damage(_ path: String, where pattern: [UInt8]) throws {
        var bytes = try content(path)
        let place = bytes.indices.first { bytes[$0...].starts(with: pattern) }
        bytes[try #require(place)] ^= 1
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }

    /// A folder with a few small images in the sub-folders `cat` and `dog`.
    func makeImages(_ folder: String) throws {
        for (index, name) in ["dog/1.png", "cat/b.png", "cat/a.png"].enumerated() {
            let path = folder + "/" + name
            try FileManager.default.createDirectory(
                atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
            let value = UInt8(10 * index + 10)
            try PNG.write(Array(repeating: value, count: 20), height: 4, width: 5, channels: 1, to: path)
        }
        // The content decides, not the name.
        try Data(Samples.bytes(Samples.jpegGrey)).write(to: URL(fileURLWithPath: folder + "/dog/2.png"))
    }

    @Test func imagesOfAFolder() throws {
        try withTemporaryDirectory { folder in
            try makeImages(folder + "/in")
            try Data("no image".utf8).write(to: URL(fileURLWithPath: folder + "/in/cat/notes.txt"))
            try Data("hidden".utf8).write(to: URL(fileURLWithPath: folder + "/in/.hidden"))
            var notes: [PreparationNote] = []
            let result = try preparation(folder + "/a.h5").images(
                folder: folder + "/in", .test(size: 4, channels: 1, strict: false), report: { notes.append($0) })
            #expect(result == PreparedImages(written: 4, skipped: 1, hidden: 1, classes: 2))
            #expect(notes == [.skipped(folder + "/in/cat/notes.txt: neither a PNG, JPEG, WebP nor a TIFF file")])
            let set = try DataSet(path: folder + "/a.h5")
            #expect(set.count == 4 && set.sample == .image(height: 4, width: 4, channels: 1))
            // In the order of their paths: cat/a, cat/b, dog/1, dog/2.
            #expect(try (0..<4).map { try set.pixels($0)[5] } == [30, 20, 10, 77])
            #expect(try set.labels() == [0, 0, 1, 1])
            #expect(try set.labelNames() == ["cat", "dog"])
            #expect {
                try preparation(folder + "/b.h5").images(
                    folder: folder + "/in", .test(size: 4, channels: 1, strict: true), report: { _ in })
            } throws: {
                "\($0)".contains("cat/notes.txt")
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == ["a.h5", "in"])
        }
    }

    @Test func theSameInputGivesTheSameBytes() throws {
        try withTemporaryDirectory { folder in
            try makeImages(folder + "/in")
            for name in ["a.h5", "b.h5"] {
                _ = try preparation("\(folder)/\(name)").images(
                    folder: folder + "/in", .test(size: 8, channels: 3, strict: true), report: { _ in })
            }
            #expect(try content(folder + "/a.h5") == content(folder + "/b.h5"))
        }
    }

    @Test func idxImagesArePadded() throws {
        try withTemporaryDirectory { folder in
            let images: [UInt8] = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4]
            try Data(images).write(to: URL(fileURLWithPath: folder + "/images"))
            func prepare(labels: [UInt8], output: String) throws -> Int {
                try Data(labels).write(to: URL(fileURLWithPath: folder + "/labels"))
                return try preparation(folder + output).idx(
                    images: folder + "/images", labels: folder + "/labels", size: 4, known: []
                ).images.written
            }
            #expect(try prepare(labels: [0, 0, 8, 1, 0, 0, 0, 2, 1, 0], output: "/a.h5") == 2)
            let set = try DataSet(path: folder + "/a.h5")
            #expect(try set.pixels(0) == [0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0])
            #expect(try set.labels() == [1, 0])
            #expect { try prepare(labels: [0, 0, 8, 1, 0, 0, 0, 1, 1], output: "/b.h5") } throws: {
                "\($0)".contains("1 labels for 2 images")
            }
        }
    }

    /// Files of other sets have the same names: a set and its labels are named where the content is known, and only there.
    @Test func onlyKnownIdxFilesAreNamed() throws {
        try withTemporaryDirectory { folder in
            let images: [UInt8] = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4]
            let labels: [UInt8] = [0, 0, 8, 1, 0, 0, 0, 2, 1, 200]
            let (imagePath, labelPath) = (folder + "/images", folder + "/labels")
            try Data(images).write(to: URL(fileURLWithPath: imagePath))
            try Data(labels).write(to: URL(fileURLWithPath: labelPath))
            let names = (0..<201).map { "class \($0)" }
            let known = KnownIDXSet(
                name: "Two bars", images: try IDXArray(path: imagePath).digest,
                labels: try IDXArray(path: labelPath).digest, labelNames: names)
            let other = KnownIDXSet(
                name: "Other bars", images: known.images, labels: known.images, labelNames: ["x", "y"])
            func prepare(_ output: String, _ known: [KnownIDXSet]) throws -> DataSet {
                let result = try preparation(folder + output)
                    .idx(images: imagePath, labels: labelPath, size: 4, known: known)
                #expect(result.images.written == 2 && result.images.classes == (result.known == nil ? 2 : 201))
                return try DataSet(path: folder + output)
            }
            let unnamed = try prepare("/a.h5", [other])
            #expect(try unnamed.labels() == [1, 200] && unnamed.labelNames() == nil)
            #expect(try unnamed.summary().contains { $0 == ("source", "a test") })
            let named = try prepare("/b.h5", [other, known])
            #expect(try named.labels() == [1, 200] && named.labelNames() == names)
            #expect(try named.summary().contains { $0 == ("source", "Two bars") })
            // Packed, they are the same set.
            #expect(try run(["gzip", imagePath, labelPath], timeout: 30).status == 0)
            #expect(try IDXArray(path: imagePath + ".gz").digest == known.images)
        }
    }

    @Test func mixtureIsStoredWithItsPoints() throws {
        try withTemporaryDirectory { folder in
            let grid = GaussianGrid(side: 3, deviation: 0.1, seed: 5)
            try preparation(folder + "/a.h5").points(drawnFrom: grid, count: 500)
            let set = try DataSet(path: folder + "/a.h5")
            let drawn = grid.draw(0..<500)
            #expect(set.count == 500 && set.sample == .point(dimension: 2))
            #expect(try DataSetTests.sample(set, 499) == Array(drawn.points[998...]))
            #expect(try set.labels() == drawn.labels.map(Int.init))
            let root = try HDF5File.open(folder + "/a.h5").root
            let mixture = try root.group("mixture")
            #expect(try mixture.attribute("weights") == .doubles(grid.weights))
            #expect(try mixture.attribute("means") == .doubles(grid.means))
            #expect(try mixture.attribute("covariances") == .doubles(grid.covariances))
            #expect(try root.attribute("tool") == .string("smd test"))
            #expect(try root.attribute("count") == .integer(500))
        }
    }

    @Test func pointsAreStored() throws {
        try withTemporaryDirectory { folder in
            try Data("1 2 3\n4 5 6\n".utf8).write(to: URL(fileURLWithPath: folder + "/p.txt"))
            let result = try preparation(folder + "/a.h5").points(file: folder + "/p.txt")
            #expect(result.count == 2 && result.dimension == 3)
            #expect(try DataSetTests.sample(DataSet(path: folder + "/a.h5"), 1) == [4, 5, 6])
        }
    }

    @Test func nothingIsOverwrittenUnasked() throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/a.h5"
            try Data("precious".utf8).write(to: URL(fileURLWithPath: path))
            let grid = GaussianGrid(side: 2)
            #expect { try preparation(path).points(drawnFrom: grid, count: 3) } throws: {
                "\($0)".contains("exists already")
            }
            #expect(try content(path) == Array("precious".utf8))
            try preparation(path, overwrite: true).points(drawnFrom: grid, count: 3)
            #expect(try DataSet(path: path).count == 3)
            #expect(throws: DataSetError.self) {
                try preparation(folder + "/missing/a.h5").points(drawnFrom: grid, count: 3)
            }
            #expect(throws: DataSetError.self) { try preparation(folder).points(drawnFrom: grid, count: 3) }
        }
    }

    @Test func shardsReadAsOneSet() throws {
        try withTemporaryDirectory { folder in
            let grid = GaussianGrid(side: 4)
            try preparation(folder + "/whole.h5").points(drawnFrom: grid, count: 1000)
            try preparation(folder + "/parts.json", shardSize: 300).points(drawnFrom: grid, count: 1000)
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
                    == (0..<4).map { "parts-0000\($0).h5" } + ["parts.json", "whole.h5"])
            let whole = try DataSet(path: folder + "/whole.h5")
            for limit in [Int.max, 0] {
                let parts = try DataSet(path: folder + "/parts.json", memoryLimitBytes: limit)
                #expect(parts.count == 1000 && parts.sample == whole.sample)
                #expect(try parts.summary().contains { $0.name == "shards" && $0.value == "4" })
                #expect(parts.fingerprint == whole.fingerprint)
                #expect(try parts.labels() == whole.labels())
                for index in [0, 299, 300, 599, 600, 899, 900, 999] {
                    #expect(try DataSetTests.sample(parts, index) == DataSetTests.sample(whole, index))
                }
            }
            #expect(try DataSet.verify(path: folder + "/parts.json").contains { $0.contains("4 shards") })
            // A shorter set takes the place of a longer one whole.
            try preparation(folder + "/parts.json", shardSize: 300, overwrite: true).points(drawnFrom: grid, count: 301)
            #expect(try DataSet(path: folder + "/parts.json").count == 301)
            #expect(!FileManager.default.fileExists(atPath: folder + "/parts-00002.h5"))
        }
    }

    @Test func damageIsFound() throws {
        try withTemporaryDirectory { folder in
            let images = (0..<40).flatMap { image in (0..<16).map { UInt8(image * 5 + $0) } }
            func write(_ path: String, shardSize: Int?) throws {
                let writer = try DataSetWriter(
                    preparation(path, shardSize: shardSize), sample: .image(height: 4, width: 4, channels: 1),
                    labelled: false, expectedCount: 40)
                try writer.append(images: images)
                try writer.finish()
            }
            let (single, sharded) = (folder + "/a.h5", folder + "/b.json")
            try write(single, shardSize: nil)
            try write(sharded, shardSize: 20)
            #expect(try DataSet.verify(path: single).count == 2)
            #expect(try DataSet.verify(path: sharded).count == 3)

            let lastImage = Array(images[39 * 16..<40 * 16])
            try damage(single, where: lastImage)
            #expect { try DataSet.verify(path: single) } throws: { "\($0)".contains("a.h5: the samples are damaged") }
            #expect { try DataSet(path: single) } throws: { "\($0)".contains("a.h5: the samples are damaged") }

            try damage(folder + "/b-00001.h5", where: lastImage)
            #expect { try DataSet.verify(path: sharded) } throws: {
                "\($0)".contains("b-00001.h5: the shard is damaged")
            }
            try FileManager.default.removeItem(atPath: folder + "/b-00001.h5")
            #expect { try DataSet(path: sharded) } throws: { "\($0)".contains("its shard b-00001.h5 is missing") }
            try FileManager.default.copyItem(atPath: single, toPath: folder + "/b-00001.h5")
            #expect { try DataSet(path: sharded) } throws: { "\($0)".contains("b-00001.h5 has ") }
        }
    }

    @Test(arguments: [
        ("\"count\" : 4", "\"count\" : 5", "says 5 samples, but its shards have 4"),
        ("\"count\" : 2,", "\"count\" : -2,", "cannot have -2 samples"),
        ("a-00000.h5", "../a-00000.h5", "does not lie below"), ("a-00000.h5", "/etc/passwd", "does not lie below"),
        ("\"format_version\" : 1", "\"format_version\" : 9", "version 9"),
        ("\"kind\" : \"points\"", "\"kind\" : \"images\"", "cannot have the sample shape"),
        ("\"shards\"", "\"pieces\"", "\"shards\" is missing"), ("smd manifest", "other", "\"smd manifest\""),
    ]) func badManifestsAreExplained(text: String, replacement: String, words: String) throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/a.json"
            try preparation(path, shardSize: 2).points(drawnFrom: GaussianGrid(side: 2), count: 4)
            let manifest = try String(contentsOfFile: path, encoding: .utf8)
            #expect(manifest.contains(text))
            let changed = manifest.replacingOccurrences(of: text, with: replacement)
            try changed.write(toFile: path, atomically: true, encoding: .utf8)
            #expect { try DataSet(path: path) } throws: { "\($0)".contains(words) }
        }
    }

    /// To Swift a slash and a combining accent are one character, and two normal forms of a name one name.
    @Test func shardsAreNamedByBytes() throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/a.json"
            try preparation(path, shardSize: 2).points(drawnFrom: GaussianGrid(side: 2), count: 4)
            let manifest = try String(contentsOfFile: path, encoding: .utf8)
            func change(_ first: String, _ second: String) throws {
                let text = manifest.replacingOccurrences(of: "a-00000.h5", with: first)
                    .replacingOccurrences(of: "a-00001.h5", with: second)
                try text.write(toFile: path, atomically: true, encoding: .utf8)
            }
            try change("..\\/\\u0301/a-00000.h5", "a-00001.h5")
            #expect { try DataSet(path: path) } throws: { "\($0)".contains("does not lie below") }
            try change("../\u{301}/a-00000.h5", "a-00001.h5")
            #expect { try DataSet(path: path) } throws: { "\($0)".contains("does not lie below") }
            try change("a-00000.h5\\u0000b", "a-00001.h5")
            #expect { try DataSet(path: path) } throws: { "\($0)".contains("does not lie below") }
            try change("a-00000.h5", "a-00000.h5")
            #expect { try DataSet(path: path) } throws: { "\($0)".contains("lists the shard a-00000.h5 twice") }
            let (composed, decomposed) = ("caf\u{e9}.h5", "cafe\u{301}.h5")
            for (old, new) in [("a-00000.h5", composed), ("a-00001.h5", decomposed)] {
                try FileManager.default.moveItem(atPath: folder + "/" + old, toPath: folder + "/" + new)
            }
            try change(composed, decomposed)
            #expect(try DataSet(path: path).count == 4)
        }
    }

    @Test func leftoversOfDeadProcessesAreRemoved() throws {
        try withTemporaryDirectory { folder in
            var host = [CChar](repeating: 0, count: 256)
            #expect(gethostname(&host, 255) == 0)
            let name = String(decoding: host.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            // Process numbers end at 2²².
            let (dead, alive) = (".a.h5.\(name)-4194305.partial", ".a.h5.\(name)-1.partial")
            for file in [dead, alive] { try Data([1]).write(to: URL(fileURLWithPath: folder + "/" + file)) }
            try preparation(folder + "/a.h5").points(drawnFrom: GaussianGrid(side: 2), count: 4)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == [alive, "a.h5"])
        }
    }

    /// Sets that are expected to be large go to the disk piece by piece, others are made in memory first.
    @Test func largeSetsHaveTheSameContent() throws {
        try withTemporaryDirectory { folder in
            let pixels = (0..<3000 * 64).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 7) }
            for (name, expectedCount) in [("small.h5", 3000), ("large.h5", 10_000_000)] {
                let writer = try DataSetWriter(
                    preparation("\(folder)/\(name)"), sample: .image(height: 8, width: 8, channels: 1), labelled: true,
                    expectedCount: expectedCount)
                // Pieces that do not end where chunks end.
                for start in stride(from: 0, to: 3000, by: 700) {
                    let end = min(3000, start + 700)
                    try writer.append(
                        images: Array(pixels[start * 64..<end * 64]), labels: (start..<end).map(Int32.init))
                }
                #expect(!FileManager.default.fileExists(atPath: "\(folder)/\(name)"))
                try writer.finish()
            }
            let (small, large) = (try DataSet(path: folder + "/small.h5"), try DataSet(path: folder + "/large.h5"))
            #expect(small.fingerprint == large.fingerprint)
            #expect(try large.pixels(2999) == Array(pixels[(2999 * 64)...]))
            #expect(try large.labels() == Array(0..<3000))
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == ["large.h5", "small.h5"])
        }
    }

    @Test func aFailedSetLeavesNothing() throws {
        try withTemporaryDirectory { folder in
            try Data("precious".utf8).write(to: URL(fileURLWithPath: folder + "/a-00002.h5"))
            #expect {
                try preparation(folder + "/a.json", shardSize: 2).points(drawnFrom: GaussianGrid(side: 2), count: 8)
            } throws: {
                "\($0)".contains("a-00002.h5: exists already")
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["a-00002.h5"])
            #expect(try content(folder + "/a-00002.h5") == Array("precious".utf8))
        }
    }

    @Test func anEmptySetIsNotWritten() throws {
        try withTemporaryDirectory { folder in
            let writer = try DataSetWriter(
                preparation(folder + "/a.h5"), sample: .point(dimension: 2), labelled: false, expectedCount: 0)
            #expect(throws: DataSetError.self) { try writer.finish() }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
            #expect {
                try DataSetWriter(
                    preparation(folder + "/a.json"), sample: .point(dimension: 2), labelled: false, expectedCount: 1)
            } throws: {
                "\($0)".contains(".json is for the manifest")
            }
        }
    }
}
