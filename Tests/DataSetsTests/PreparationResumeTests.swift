import DataSets
import Files
import Foundation
import TestSupport
import Testing

/// A preparation that was stopped goes on where it was, and makes the bytes of an undisturbed one.
@Suite struct PreparationResumeTests {
    private struct Stop: Error, HasExitStatus, CustomStringConvertible {
        let exitStatus: Files.ExitStatus
        var description: String { "stopped" }
    }

    private func preparation(_ output: String, tool: String = "smd test") -> Preparation {
        Preparation(output: output, provenance: Provenance(source: "a", command: "b", tool: tool))
    }

    private func makeImages(_ folder: String) throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        for place in 0..<2500 {
            try PNG.write([UInt8(place % 251)], height: 1, width: 1, channels: 1, to: "\(folder)/\(place).png")
        }
    }

    private func bytes(_ path: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path)) }

    @Test func whatIsStoppedGoesOn() throws {
        try withTemporaryDirectory { folder in
            try makeImages(folder + "/in")
            let rules = ImageRules.test(size: 1, channels: 1)
            _ = try preparation(folder + "/whole.h5").images(folder: folder + "/in", rules)
            // Stopped at 1200 and again at 2300 of 2500.
            var tried: [Int] = []
            for (stop, resume) in [(1200, false), (2300, true)] {
                var job = preparation(folder + "/a.h5")
                job.resume = resume
                job.progress = { done, _ in
                    tried.append(done)
                    if done > stop { throw Stop(exitStatus: .tryAgain) }
                }
                #expect(throws: Stop.self) { try job.images(folder: folder + "/in", rules) }
                #expect(!FileManager.default.fileExists(atPath: folder + "/a.h5"))
            }
            // The second began behind the block that the first had finished.
            #expect(tried.filter { $0 <= 1024 }.count == 2, "\(tried)")

            func refusal(_ change: (inout Preparation) -> Void) -> String {
                var job = preparation(folder + "/a.h5")
                change(&job)
                do {
                    return "\(try job.images(folder: folder + "/in", rules))"
                } catch {
                    return "\(error)"
                }
            }
            #expect(refusal { _ in }.contains("stopped here with 2048 of 2500 images done; go on with --resume"))
            let other = refusal {
                $0.resume = true
                $0.provenance.command = "c"
            }
            #expect(other.contains("was begun as \"b\""))
            try FileManager.default.moveItem(atPath: folder + "/in/7.png", toPath: folder + "/7.png")
            #expect(refusal { $0.resume = true }.contains("the images have changed"))
            try FileManager.default.moveItem(atPath: folder + "/7.png", toPath: folder + "/in/7.png")

            var job = preparation(folder + "/a.h5")
            job.resume = true
            #expect(try job.images(folder: folder + "/in", rules).written == 2500)
            #expect(try bytes(folder + "/a.h5") == bytes(folder + "/whole.h5"))
            let left = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
            #expect(left == ["a.h5", "in", "whole.h5"])
        }
    }

    /// What failed has to be done differently: nothing is left of it.
    @Test func whatFailsLeavesNothing() throws {
        try withTemporaryDirectory { folder in
            try makeImages(folder + "/in")
            var job = preparation(folder + "/a.h5")
            job.progress = { _, _ in throw Stop(exitStatus: .badInput) }
            #expect(throws: Stop.self) { try job.images(folder: folder + "/in", .test(size: 1, channels: 1)) }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["in"])
        }
    }

    @Test func threeRanksMakeTheBytesOfOne() throws {
        try withTemporaryDirectory { folder in
            try makeImages(folder + "/in")
            let prepare = [product("smd"), "dataset", "prepare", "images", folder + "/in", "--size", "2", "-o"]
            #expect(try run(prepare + [folder + "/one.h5"], timeout: 60).status == 0)
            let three = try mpirun(3, prepare + [folder + "/three.h5"], timeout: 120)
            #expect(
                three.status == 0
                    && three.output.hasSuffix("2500 images of 2×2×3; no labels; 2249 exact copies of others\n"))
            #expect(try bytes(folder + "/one.h5") == bytes(folder + "/three.h5"))
            let failed = try mpirun(3, prepare + [folder + "/none/three.h5"], timeout: 120)
            #expect(failed.status != 0 && failed.errors.components(separatedBy: "smd: error:").count == 2)
        }
    }
}
