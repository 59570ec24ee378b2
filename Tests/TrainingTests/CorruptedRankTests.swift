import Foundation
import Storage
import StorageSupport
import TestSupport
import Testing

/// A bit that flips in the memory of one rank of a real job. It is flipped where it changes nothing else: the average of
/// rank 1 is neither saved nor used, so only a comparison of all that ranks hold can find it.
@Suite(.enabled(if: Ability.time.isGiven, "\(Ability.time)"))
struct CorruptedRankTests {
    @Test func flippedBitOfTheAverageIsFound() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            // Steps of a large batch take long: the checkpoint of one is on disk while the next is computed.
            let job = try run.start(
                2,
                run.command(
                    "out", "steps=1000", "batch_size=2048", "checkpoint_every=1", "check_ranks_every=1"))
            var step = 4  // the average has left the parameters
            while job.isRunning, step < 1000, try !flip(job, averageIn: run.checkpoint("out", step: step)) { step += 1 }
            #expect(job.end() == 75, "\(job.output)")
            let lines = job.output.split(separator: "\n").filter { $0.contains("smd: error: ") }
            #expect(lines.count == 1 && lines[0].contains("smd: error: the averages after step "), "\(job.output)")
            #expect(lines.first?.contains(" differ on rank 1 on host ") == true, "\(job.output)")
        }
    }

    /// Flips a bit of rank 1's average when it is that of the checkpoint at `path`, which it waits for; false when rank 1
    /// has gone on meanwhile.
    private func flip(_ job: Job, averageIn path: String) throws -> Bool {
        guard waitUntil(60, { !job.isRunning || FileManager.default.fileExists(atPath: path) }), job.isRunning else {
            return false
        }
        let rank = try #require(job.ranks.last)
        kill(rank, SIGSTOP)
        defer { kill(rank, SIGCONT) }
        let tensor = try #require(try Checkpoint.read(path)["ema"].max { $0.values.count < $1.values.count })
        let wanted = tensor.values.map(\.bitPattern)
        let memory = open("/proc/\(rank)/mem", O_RDWR)
        try #require(memory >= 0, "this test needs leave to write to the memory of its own children")
        defer { close(memory) }
        for line in try String(contentsOfFile: "/proc/\(rank)/maps", encoding: .utf8).split(separator: "\n") {
            // "start-end rw-p 00000000 00:00 0": memory of no file.
            let fields = line.split(separator: " ")
            let ends = fields[0].split(separator: "-").compactMap { Int($0, radix: 16) }
            guard fields[1].hasPrefix("rw"), fields[4] == "0", ends.count == 2 else { continue }
            var words = [UInt32](repeating: 0, count: (ends[1] - ends[0]) / 4)
            guard pread(memory, &words, words.count * 4, ends[0]) == words.count * 4 else { continue }
            let place = words.indices.first { words[$0] == wanted[0] && words[$0...].starts(with: wanted) }
            guard let place else { continue }
            words[place] ^= 1 << 20  // one that the next update does not round away
            return pwrite(memory, &words[place], 4, ends[0] + 4 * place) == 4
        }
        return false
    }
}
