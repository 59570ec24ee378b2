import DataSets
import Files
import Foundation
import HDF5
import TestSupport
import Testing

/// Latents as a data set: what is done of them is not done again, and what is damaged is told.
@Suite struct LatentPreparationTests {
    private struct Stop: Error, HasExitStatus { let exitStatus = Files.ExitStatus.tryAgain }

    private static let shape = SampleShape.latent(height: 2, width: 2, channels: 1)

    private func images(_ folder: String, count: Int) throws -> DataSet {
        let path = folder + "/images.h5"
        let file = try HDF5File.create(path)
        try file.root.write(
            (0..<count * 16).map { UInt8(truncatingIfNeeded: $0 * 7) }, shape: [count, 4, 4, 1], to: "images")
        try file.root.write((0..<count).map { Int32($0 % 5) }, shape: [count], to: "labels")
        try file.close()
        return try DataSet(path: path)
    }

    private func job(_ output: String, resume: Bool = false, shardSize: Int? = nil) -> Preparation {
        var job = Preparation(
            output: output, provenance: Provenance(source: "here", command: "test", tool: "test"), shardSize: shardSize)
        job.resume = resume
        return job
    }

    /// Of each image four means and four deviations.
    private func encode(_ images: [Float]) -> [Float] {
        stride(from: 0, to: images.count, by: 16).flatMap { (first: Int) -> [Float] in
            images[first..<first + 4] + images[first + 4..<first + 8].map { abs($0) + 0.5 }
        }
    }

    @Test func stoppedWorkGoesOn() throws {
        try withTemporaryDirectory { folder in
            let images = try images(folder, count: 3000)
            let (whole, parts) = (folder + "/whole.h5", folder + "/parts.h5")
            var encoded = 0
            func make(_ output: String, resume: Bool, stopAt limit: Int) throws {
                _ = try job(output, resume: resume).latents(
                    of: images, to: Self.shape, firstStage: "ab", mirrored: false
                ) {
                    if encoded >= limit { throw Stop() }
                    encoded += $0.count / 16
                    return encode($0)
                }
            }
            try make(whole, resume: false, stopAt: .max)
            #expect(encoded == 3000)
            encoded = 0
            #expect(throws: Stop.self) { try make(parts, resume: false, stopAt: 1500) }
            #expect(!FileManager.default.fileExists(atPath: parts))
            encoded = 0
            try make(parts, resume: true, stopAt: .max)
            #expect(encoded == 3000 - 1024)
            #expect(try Data(contentsOf: URL(filePath: whole)) == Data(contentsOf: URL(filePath: parts)))
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == [
                    "images.h5", "parts.h5", "whole.h5",
                ])
        }
    }

    /// Shards, and what is made of latents by the commands for any data set, keep means, deviations and facts.
    @Test func shardsAndSelections() throws {
        try withTemporaryDirectory { folder in
            let images = try images(folder, count: 50)
            _ = try job(folder + "/one.h5").latents(
                of: images, to: Self.shape, firstStage: "ab", mirrored: true, encode: encode)
            _ = try job(folder + "/many.json", shardSize: 30).latents(
                of: images, to: Self.shape, firstStage: "ab", mirrored: true, encode: encode)
            let (one, many) = (try DataSet(path: folder + "/one.h5"), try DataSet(path: folder + "/many.json"))
            #expect(one.fingerprint == many.fingerprint && one.latents == many.latents && one.count == 100)
            #expect(try one.samples(0..<100) == many.samples(0..<100))
            var some = try SampleSelection([many])
            some.places = [(0, 3), (0, 99)]
            try some.write(job(folder + "/some.h5"))
            let selected = try DataSet(path: folder + "/some.h5")
            #expect(try selected.samples(0..<2) == one.samples([3, 99]) && selected.latents == one.latents)
            let noise: [Float] = [1, 2, 3, 4]
            func drawn(_ set: DataSet, _ index: Int) throws -> [Float] {
                var out = [Float](repeating: 0, count: 4)
                try out.withUnsafeMutableBufferPointer { try set.read(index, flip: false, noise: noise, into: $0) }
                return out
            }
            #expect(try drawn(selected, 1) == drawn(one, 99))
            let comparison = try DataSetComparison(one, many) { _, _ in }
            #expect(comparison.isSame)
            _ = try job(folder + "/other.h5").latents(
                of: images, to: Self.shape, firstStage: "cd", mirrored: false, encode: encode)
            #expect(throws: DataSetError.self) { try SampleSelection([one, DataSet(path: folder + "/other.h5")]) }
        }
    }

    @Test func damage() throws {
        try withTemporaryDirectory { folder in
            /// Why a file of 9 latents is refused; nil where it is not.
            func problem(
                scale: Double = 2, deviation: Float = 1, shape: [Int] = [9, 2, 2, 1], digest: String? = nil
            ) throws -> String? {
                let path = folder + "/latents.h5"
                let file = try HDF5File.create(path, overwrite: true)
                try file.root.write([Float](repeating: 1, count: 36), shape: [9, 2, 2, 1], to: "mean")
                var deviations = [Float](repeating: 1, count: 36)
                deviations[4 * 7] = deviation
                try file.root.write(deviations, shape: shape, to: "deviation")
                let facts = LatentFacts(firstStage: "ab", scale: scale, image: [4, 4, 1])
                for (name, value) in facts.fileAttributes(count: 9) { try file.root.setAttribute(name, value) }
                if let digest { try file.root.dataset("mean").setAttribute("sha256", .string(digest)) }
                try file.close()
                do { _ = try DataSet(path: path) } catch { return "\(error)" }
                return nil
            }
            #expect(try problem() == nil)
            #expect(try problem(scale: -1)?.contains("encode them again") == true)
            #expect(try problem(deviation: .nan)?.contains("/mean or /deviation row 7 holds nan") == true)
            #expect(try problem(shape: [9, 4, 1, 1])?.contains("wanted are two of float32") == true)
            #expect(try problem(digest: String(repeating: "0", count: 64))?.contains("are damaged") == true)
            let images = try images(folder, count: 2)
            #expect(throws: DataSetError.self) {
                try job(folder + "/zero.h5").latents(
                    of: images, to: Self.shape, firstStage: "", mirrored: false
                ) { _ in [Float](repeating: 0, count: 16) }
            }
            #expect(!FileManager.default.fileExists(atPath: folder + "/zero.h5"))
        }
    }
}
