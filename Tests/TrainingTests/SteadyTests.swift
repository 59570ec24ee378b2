import Foundation
import Storage
import StorageSupport
import TestSupport
import Testing

/// A run that saves all the time holds no more in the end than in the beginning.
@Suite(.enabled(if: Ability.time.isGiven, "\(Ability.time)"))
struct SteadyTrainingTests {
    private struct Sample {
        let megabytes: Double
        let descriptors: Int
    }

    private func sample(_ pid: Int32) throws -> Sample {
        let text = try String(contentsOfFile: "/proc/\(pid)/statm", encoding: .utf8)
        let pages = text.split(separator: " ").dropFirst().first.flatMap { Double($0) } ?? 0
        let descriptors = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd").count
        return Sample(megabytes: pages * Double(sysconf(Int32(_SC_PAGESIZE))) / 1e6, descriptors: descriptors)
    }

    @Test func memoryAndDescriptorsStayFlat() throws {
        let seconds = Torture.amount("hour", short: 8)
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            // A save every few seconds; in the short run, several a second.
            let every = Torture.isLong("hour") ? 300 : 20
            let training = try Background(
                run.command("out", "steps=100000000", "checkpoint_every=\(every)"), in: folder, name: "log")
            let checkpoints = CheckpointFolder(path: run.path("out/checkpoints"))
            #expect(try training.waits { try checkpoints.steps().count == 3 }, "\(training.errors)")
            var samples: [Sample] = []
            let end = Date().addingTimeInterval(Double(seconds))
            while Date() < end, training.isRunning {
                samples.append(try sample(training.pid))
                usleep(100_000)
            }
            let saves = (try checkpoints.steps().last ?? 0) / every
            #expect(training.end(SIGTERM) == 75, "\(training.errors)")
            #expect(saves > 5 && warningLines(training.errors).isEmpty, "\(training.errors)")
            // The first quarter warms up. A save that is under way counts in some samples of every part.
            let parts = samples.dropFirst(samples.count / 4)
            let (first, last) = (parts.prefix(parts.count / 3), parts.suffix(parts.count / 3))
            func highest(_ part: ArraySlice<Sample>) -> (megabytes: Double, descriptors: Int) {
                (part.map(\.megabytes).sorted()[part.count * 9 / 10], part.map(\.descriptors).max() ?? 0)
            }
            let (before, after) = (highest(first), highest(last))
            print(
                "hour: \(saves) saves in \(seconds) s; resident \(before.megabytes) MB, later \(after.megabytes) MB; "
                    + "descriptors \(before.descriptors), later \(after.descriptors)")
            #expect(after.megabytes - before.megabytes < 4)
            #expect(after.descriptors <= before.descriptors + 1)
        }
    }
}
