import Configuration
import DataSets
import Foundation
import HDF5
import TestSupport
import Testing
import Training

/// Where samples lie while a run reads them, and who reads them ahead.
@Suite struct CacheTests {
    /// Whatever holds the samples, and on any ranks and threads, a run has the same bits.
    @Test(arguments: ["samples", "chunks"]) func sameBitsWhereverSamplesLie(shuffle: String) throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            // Ten chunks, in pools of eight.
            try Run.writeImages(to: run.data, count: 20_000)
            let launches: [(cache: String, ranks: Int, threads: Int)] = [
                ("rank", 1, 1), ("auto", 2, 1), ("none", 1, 2), ("stream", 1, 1), ("stream", 2, 2), ("node", 1, 1),
                ("node", 4, 1), ("node", 2, 2),
            ]
            for launch in launches {
                let name = "\(launch.cache)-\(launch.ranks)-\(launch.threads)"
                let result = try run.trainHere(
                    name, ranks: launch.ranks, threads: launch.threads,
                    settings: [
                        "cache=\(launch.cache)", "shuffle=\(shuffle)", "shuffle_window=1", "steps=5", "batch_size=16",
                        "micro_batch_size=1", "reduction=exact", "checkpoint_every=0",
                    ])
                #expect(result.status == 0, "\(name): \(result.errors)")
                try expectSameState(run, "rank-1-1", name, step: 5)
            }
        }
    }

    /// The order decides the bits: so it was the order of chunks above.
    @Test func anotherOrderHasOtherBits() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            for shuffle in ["samples", "chunks"] {
                let result = try run.trainHere(
                    shuffle, settings: ["shuffle=\(shuffle)", "steps=2", "checkpoint_every=0"])
                #expect(result.status == 0, "\(result.errors)")
            }
            let metrics = try ["samples", "chunks"].map { try run.losses($0) }
            #expect(metrics[0] != metrics[1])
        }
    }

    /// A run that streams, killed and resumed with another cache, ends as one that was left alone.
    @Test func cacheMayChangeAtAResume() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let common = ["shuffle=chunks", "checkpoint_every=2"]
            for (steps, cache) in [(2, "stream"), (4, "rank"), (6, "stream")] {
                let result = try run.trainHere(
                    "parts", resume: "auto", settings: common + ["steps=\(steps)", "cache=\(cache)"])
                #expect(result.status == 0, "\(result.errors)")
            }
            #expect(try run.trainHere("whole", settings: common + ["steps=6", "cache=none"]).status == 0)
            try expectSameState(run, "whole", "parts", step: 6)
        }
    }

    // MARK: Reading ahead

    private func stream(_ folder: String) throws -> SampleStream {
        if !FileManager.default.fileExists(atPath: folder + "/a.h5") {
            try Run.writeImages(to: folder + "/a.h5", count: 300)
        }
        let data = try DataSet(SampleSource(path: folder + "/a.h5")) { _ in .chunks(bytes: 1 << 20) }
        var configuration = RunConfiguration()
        configuration.diffusion.flip = true
        return SampleStream(data, configuration)
    }

    /// In order, out of order, again, elsewhere: always the samples asked for.
    @Test(arguments: [0, 1, 3, 50]) func whatIsReadAheadIsWhatIsAskedFor(depth: Int) throws {
        try withTemporaryDirectory { folder in
            var plain = try stream(folder)
            let ahead = ReadAhead(try stream(folder), starts: [0, 8, 4, 12], microBatch: 4, batch: 32, depth: depth)
            func expectSame(_ start: Int, count: Int = 4) throws {
                let (found, wanted) = (try ahead.take(start..<start + count), try plain.read(start..<start + count))
                #expect(found.x0 == wanted.x0 && found.indices == wanted.indices, "\(start)")
            }
            for step in [0, 32, 64] {
                ahead.begin(at: step)
                for start in [0, 8, 4, 12] { try expectSame(step + start) }
            }
            // Again, another length, and what was never announced.
            for start in [64, 76, 17, 1000] { try expectSame(start) }
            try expectSame(96, count: 3)
            // A jump, back and forth; and one micro-batch that nobody takes.
            for step in [640, 0, 32, 320] {
                ahead.begin(at: step)
                for start in [12, 4, 8] { try expectSame(step + start) }
            }
        }
    }

    /// Threads that want theirs in any order do not wait for each other.
    @Test func threadsTakeTheirsInAnyOrder() throws {
        try withTemporaryDirectory { folder in
            let ahead = ReadAhead(
                try stream(folder), starts: [0, 16, 4, 20, 8, 24, 12, 28], microBatch: 4, batch: 32, depth: 1)
            var plain = try stream(folder)
            for step in 0..<20 {
                ahead.begin(at: 32 * step)
                let team = ThreadTeam(size: 2)
                let found = try team.map { thread in
                    // The second thread takes all of its own before the first takes any, or after.
                    if thread == step % 2 { usleep(2000) }
                    return try (0..<4).map {
                        try ahead.take(32 * step + 16 * thread + 4 * $0..<32 * step + 16 * thread + 4 * $0 + 4)
                    }
                }
                let wanted = try plain.read(32 * step..<32 * step + 32)
                #expect(found.joined().flatMap(\.x0) == wanted.x0)
            }
        }
    }

    /// A file that is cut short meanwhile, for which libhdf5 reads zeros: told to the one who wants the samples, and again.
    @Test(arguments: [0, 4]) func failuresReachTheReader(depth: Int) throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/a.h5"
            let file = try HDF5File.create(path)
            try file.root.write([UInt8](repeating: 9, count: 4096 * 64), shape: [4096, 8, 8, 1], to: "images")
            try file.close()
            let data = try DataSet(SampleSource(path: path)) { _ in .nothing }
            let samples = SampleStream(data, RunConfiguration())
            let ahead = ReadAhead(samples, starts: [0], microBatch: 4, batch: 4, depth: depth)
            #expect(truncate(path, 4096) == 0)
            ahead.begin(at: 0)
            var failures = 0
            for step in 0..<20 { do { _ = try ahead.take(4 * step..<4 * step + 4) } catch { failures += 1 } }
            #expect(failures > 10)
        }
    }
}
