import DataSets
import Foundation
import HDF5
import TestSupport
import Testing

/// Data sets of images with the images that they are to be drawn from.
@Suite struct PairTests {
    private func job(_ output: String, shardSize: Int? = nil) -> Preparation {
        Preparation(
            output: output, provenance: Provenance(source: "a", command: "b", tool: "c"), shardSize: shardSize)
    }

    /// Byte `i` of image `k` of 2×3×1, and of its condition of two channels.
    private func image(_ k: Int) -> [UInt8] { (0..<6).map { UInt8(k * 20 + $0) } }
    private func condition(_ k: Int) -> [UInt8] { (0..<12).map { UInt8(200 - k * 7 - $0) } }

    private func write(_ path: String, _ count: Int = 5, shardSize: Int? = nil) throws {
        let writer = try DataSetWriter(
            job(path, shardSize: shardSize), sample: .image(height: 2, width: 3, channels: 1, conditions: 2),
            labelled: true, expectedCount: count)
        try writer.append(
            images: (0..<count).flatMap { image($0) + condition($0) }, labels: (0..<count).map { Int32($0 % 2) })
        try writer.finish()
    }

    private func number(_ byte: UInt8) -> Float { Float(Double(2 * Int(byte) - 255) / 255) }

    /// What is written is read again: from memory, from the file, in chunks, and from shards, under one fingerprint.
    @Test func storing() throws {
        try withTemporaryDirectory { folder in
            try write(folder + "/a.h5")
            try write(folder + "/s.json", shardSize: 2)
            let root = try HDF5File.open(folder + "/a.h5").root
            #expect(try root.dataset("images").read(as: UInt8.self) == (0..<5).flatMap(image))
            let stored = try root.dataset("conditions")
            #expect(try stored.shape == [5, 2, 3, 2] && stored.read(as: UInt8.self) == (0..<5).flatMap(condition))
            let sets = [
                try DataSet(path: folder + "/a.h5"), try DataSet(path: folder + "/a.h5", memoryLimitBytes: 0),
                try DataSet(path: folder + "/s.json"),
                try DataSet(SampleSource(path: folder + "/s.json")) { _ in .chunks(bytes: 1) },
            ]
            for set in sets {
                #expect(set.sample == .image(height: 2, width: 3, channels: 1, conditions: 2))
                #expect(
                    set.fingerprint == sets[0].fingerprint && set.elementsPerSample == 6 && set.bytesPerSample == 18)
                for k in 0..<5 {
                    #expect(try set.pixels(k) == image(k))
                    #expect(try set.samples([k]) == image(k).map(number))
                    #expect(try set.conditions([k]) == condition(k).map(number))
                }
            }
            var mirrored = [Float](repeating: 0, count: 4)
            try mirrored.withUnsafeMutableBufferPointer {
                try sets[0].readCondition(
                    3, flip: true, window: ImageWindow(top: 1, left: 1, height: 1, width: 2), into: $0)
            }
            let row = condition(3)[6...].map(number)
            #expect(mirrored == [row[4], row[5], row[2], row[3]])
            #expect(
                try DataSet.verify(path: folder + "/s.json")[0] == "5 2×3×1 images with conditions of 2 channels read")
        }
    }

    /// Conditions count for the fingerprint, go with their images, and stay with them; damage of theirs is found.
    @Test func conditionsBelongToTheirImages() throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/a.h5"
            try write(path)
            let set = try DataSet(path: path)
            var selection = try SampleSelection([set, set])
            selection.shuffle(seed: 3)
            try selection.write(job(folder + "/b.h5"))
            let shuffled = try DataSet(path: folder + "/b.h5")
            for (slot, place) in selection.places.enumerated() {
                #expect(try shuffled.pixels(slot) == image(place.sample))
                #expect(try shuffled.conditions([slot]) == condition(place.sample).map(number))
            }
            #expect {
                try selection.write(job(folder + "/c.h5"), treatment: ImageTreatment(size: 2, channels: 1))
            } throws: {
                "\($0)".contains("prepare images and conditions anew")
            }
            // Of a chunk that is stored plainly, one byte.
            var bytes = try Data(contentsOf: URL(filePath: path))
            let place = try #require(bytes.range(of: Data(condition(2))))
            bytes[place.lowerBound] ^= 1
            try bytes.write(to: URL(filePath: path))
            #expect { try DataSet(path: path) } throws: { "\($0)".contains("the samples are damaged") }
        }
    }

    /// What others keep under the name is used where it fits, and else said; a file of this product has to be right.
    @Test func filesOfOthers() throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/a.h5"
            func other(_ shape: [Int], ours: Bool = false) throws {
                let file = try HDF5File.create(path, overwrite: true)
                try file.root.write((0..<30).map { UInt8($0) }, shape: [5, 2, 3, 1], to: "images")
                try file.root.write([UInt8](repeating: 7, count: shape.reduce(1, *)), shape: shape, to: "conditions")
                if ours { try file.root.setAttribute("format", .string("smd data set")) }
                try file.close()
            }
            try other([5, 2, 3])
            #expect(try DataSet(path: path).sample.conditions == 1)
            for shape in [[4, 2, 3, 1], [5, 3, 2, 1], [5, 2, 3, 5], [30]] {
                try other(shape)
                #expect(try DataSet(path: path).sample.conditions == 0)
                let summary = try DataSetInfo(path: path).summary
                #expect(summary.contains { $0.name == "not used" && $0.value.contains("/conditions is uint8") })
                try other(shape, ours: true)
                #expect { try DataSet(path: path) } throws: { "\($0)".contains("wanted is uint8 5×2×3×C") }
            }
        }
    }
}
