import Foundation
import Philox
import Storage
import StorageSupport
import TestSupport
import Testing

/// What a save does when the system refuses: a tracer makes single system calls of it fail, or kills it there.
@Suite struct FaultTests {
    private struct Fault: CustomStringConvertible {
        let call: String
        /// Which call of that name of the process, from 1.
        let number: Int
        /// As strace takes it: "error=ENOSPC", "signal=KILL".
        let what: String
        var description: String { "\(call) \(number) \(what)" }
        var kills: Bool { what.hasPrefix("signal") }
    }

    private static let kinds = ["error=ENOSPC", "error=EIO", "error=EINTR", "signal=KILL"]

    /// Runs a save in `folder` under strace.
    private func traced(_ folder: String, _ arguments: [String]) throws -> (status: Int32, errors: String) {
        let command =
            ["strace", "-f", "-qq", "-o", folder + "/../trace"] + arguments
            + [product("storage-program"), "save", folder]
        let result = try run(command, timeout: 120)
        return (result.status, result.errors)
    }

    /// A folder with the checkpoint of step 1.
    private func fresh(_ folder: String) throws {
        try? FileManager.default.removeItem(atPath: folder)
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let old = CheckpointFolder(path: folder).path(step: 1)
        try FileManager.default.copyItem(atPath: folder + "/../old.h5", toPath: old)
    }

    /// Every system call on files between the start and the end of a save, each with every kind of fault.
    private func faults(_ folder: String) throws -> [Fault] {
        try fresh(folder)
        let clean = try traced(folder, ["-e", "trace=%file,%desc"])
        try #require(clean.status == 0, "\(clean.errors)")
        let trace = try String(contentsOfFile: folder + "/../trace", encoding: .utf8)
        var (counts, faults, isInside): ([String: Int], [Fault], Bool) = ([:], [], false)
        for line in trace.split(separator: "\n") {
            // "PID  name(arguments…"
            guard let name = line.split(separator: " ").dropFirst().first?.split(separator: "(").first.map(String.init)
            else { continue }
            counts[name, default: 0] += 1
            if line.contains("/save-begins") { isInside = true; continue }
            if line.contains("/save-ends") { isInside = false }
            // Memory is not what fails here.
            guard isInside, !["mmap", "munmap", "mprotect"].contains(name) else { continue }
            faults += Self.kinds.map { Fault(call: name, number: counts[name] ?? 0, what: $0) }
        }
        return faults
    }

    @Test(.enabled(if: Ability.tracing.isGiven, "\(Ability.tracing)"))
    func everyFailingSystemCallLeavesAGoodCheckpoint() throws {
        try withTemporaryDirectory { base in
            let folder = base + "/checkpoints"
            try smallCheckpoint(step: 1).write(to: base + "/old.h5")
            let all = try faults(folder)
            for call in ["openat", "pwrite64", "fsync", "rename", "close", "unlink"] {
                #expect(all.contains { $0.call == call }, "a save without \(call)?")
            }
            // All of them, or a sample.
            let amount = min(Torture.amount("saves", short: 24), all.count)
            let stream = RandomStream(seed: Torture.seed, purpose: .data)
            let order = all.indices.map { (stream.integer(below: 1 << 30, epoch: 0, position: $0), $0) }.sorted {
                $0 < $1
            }
            for (_, index) in order.prefix(amount) { try check(all[index], folder) }
            print("saves: \(amount) of \(all.count) faults, seed \(Torture.seed)")
        }
    }

    private func check(_ fault: Fault, _ folder: String) throws {
        try fresh(folder)
        let inject = "inject=\(fault.call):\(fault.what):when=\(fault.number)"
        let result = try traced(folder, ["-e", "trace=\(fault.call)", "-e", inject])
        let checkpoints = CheckpointFolder(path: folder)
        let comment = "\(fault), seed \(Torture.seed): status \(result.status), \(result.errors)"
        if fault.kills {
            #expect(result.status == 137, "\(comment)")
        } else {
            #expect([0, 1].contains(result.status), "\(comment)")
            #expect(result.errors.split(separator: "\n").count == Int(result.status), "\(comment)")
        }
        let newest = try checkpoints.newestVerified { Issue.record("\(comment): \($0)") }?.header.step
        #expect(newest == 2 || (newest == 1 && result.status != 0), "\(comment): step \(newest ?? 0)")
        if !fault.kills { #expect(try temporaries(folder).isEmpty, "\(comment)") }
        // The next one works, and cleans up.
        let next = try run([product("storage-program"), "save", folder], timeout: 60)
        #expect(next.status == 0, "\(comment), then \(next.errors)")
        #expect(try checkpoints.newestVerified { _ in }?.header.step == 2, "\(comment)")
        #expect(try temporaries(folder).isEmpty, "\(comment)")
    }

    private func temporaries(_ folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.contains(".tmp-") }
    }

    @Test func shortWritesAreContinued() throws {
        try withTemporaryDirectory { folder in
            let result = try run([product("storage-program"), "save-short", folder], timeout: 60)
            #expect(result.status == 0, "\(result.errors)")
            #expect(try CheckpointFolder(path: folder).newestVerified { Issue.record("\($0)") }?.header.step == 2)
        }
    }

}

@Suite(.enabled(if: Ability.time.isGiven, "\(Ability.time)"))
struct SteadyStorageTests {
    /// Saves, metrics and reads, over and over: libhdf5 holds no more in the end than after the first round.
    @Test func nothingStaysOpen() throws {
        try withTemporaryDirectory { folder in
            let seconds = Torture.amount("hour", short: 3)
            let result = try run(
                [product("storage-program"), "steady", folder, "\(seconds)"], timeout: Double(seconds) + 60)
            let counts = result.output.split(separator: "\n").compactMap { Int($0) }
            #expect(result.status == 0 && counts.count > 5, "\(result.errors)")
            #expect(Set(counts).count == 1, "\(counts.prefix(3)) … \(counts.suffix(3))")
            print("hour: \(counts.count) saves in \(seconds) s, \(counts.last ?? 0) HDF5 objects open after each")
        }
    }
}
