import Foundation
import Storage
import Synchronization
import TestSupport
import Testing

/// The claim of one job on a run's folder.
@Suite struct RunLockTests {
    private func contents(_ folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    }

    @Test func onlyOneHoldsIt() throws {
        try withTemporaryDirectory { folder in
            let run = folder + "/a/run"
            let first = try RunLock(folder: run) { Issue.record("\($0)") }
            let start = ContinuousClock.now
            let reason = #expect(throws: StorageError.self) { try RunLock(folder: run) { Issue.record("\($0)") } }
            #expect(ContinuousClock.now - start < .seconds(1))
            #expect(
                reason?.description.contains("another job works in the run folder \(run) (process \(getpid()) on host")
                    == true, "\(reason as Any)")
            withExtendedLifetime(first) {}
        }
    }

    @Test func itEndsWithItsHolder() throws {
        try withTemporaryDirectory { folder in
            do { _ = try RunLock(folder: folder) { Issue.record("\($0)") } }
            let again = try RunLock(folder: folder) { Issue.record("\($0)") }
            #expect(try contents(folder) == [RunLock.name])
            withExtendedLifetime(again) {}
        }
    }

    /// A job that ends before it has written anything leaves no trace; what was there before stays.
    @Test func itIsTakenBack() throws {
        try withTemporaryDirectory { folder in
            let new = try RunLock(folder: folder + "/x/y") { Issue.record("\($0)") }
            new.takeBack()
            #expect(try contents(folder).isEmpty)
            try Data().write(to: URL(fileURLWithPath: folder + "/photo.png"))
            let own = try RunLock(folder: folder) { Issue.record("\($0)") }
            own.takeBack()
            #expect(try contents(folder) == ["photo.png"])
        }
    }

    /// Whoever waited for a file that was removed meanwhile must not think that it holds the claim.
    @Test func aRemovedFileIsNobodys() throws {
        try withTemporaryDirectory { folder in
            let first = try RunLock(folder: folder) { Issue.record("\($0)") }
            first.takeBack()
            let second = try RunLock(folder: folder) { Issue.record("\($0)") }
            #expect(throws: StorageError.self) { try RunLock(folder: folder) { Issue.record("\($0)") } }
            withExtendedLifetime((first, second)) {}
        }
    }

    /// Many at once, from several threads: one gets it, each time.
    @Test func oneOfManyGetsIt() {
        withTemporaryDirectory { folder in
            for number in 0..<50 {
                let run = folder + "/run-\(number)"
                let claims = Mutex(0)
                let (tried, judged) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
                for _ in 0..<4 {
                    // Threads of their own: one that holds the claim must not keep another from trying.
                    Thread {
                        let lock = try? RunLock(folder: run) { _ in }
                        claims.withLock { $0 += lock == nil ? 0 : 1 }
                        tried.signal()
                        judged.wait()
                        withExtendedLifetime(lock) {}
                    }.start()
                }
                for _ in 0..<4 { tried.wait() }
                #expect(claims.withLock { $0 } == 1)
                for _ in 0..<4 { judged.signal() }
            }
        }
    }

    /// Holds the claim for some seconds on a thread beside the test, in the name of a process elsewhere.
    private func holdElsewhere(_ folder: String, seconds: Double) {
        let ready = DispatchSemaphore(value: 0)
        Thread {
            let lock = try? RunLock(folder: folder) { _ in }
            try? "elsewhere 1 - \n".write(toFile: folder + "/" + RunLock.name, atomically: false, encoding: .utf8)
            ready.signal()
            Thread.sleep(forTimeInterval: seconds)
            withExtendedLifetime(lock) {}
        }.start()
        ready.wait()
    }

    /// A file server keeps the locks of a host that is lost for a while.
    @Test func aLostHostIsWaitedFor() throws {
        try withTemporaryDirectory { folder in
            holdElsewhere(folder, seconds: 2)
            var (reports, waits): ([String], Int) = ([], 0)
            let lock = try RunLock(folder: folder, whileWaiting: { waits += 1 }, report: { reports.append($0) })
            #expect(reports == ["waiting for process 1 on host elsewhere to give up \(folder)"] && waits > 3)
            withExtendedLifetime(lock) {}
        }
    }

    /// Not so one that is at work.
    @Test func aHostAtWorkIsNotWaitedFor() throws {
        try withTemporaryDirectory { folder in
            let journal = folder + "/metrics.h5.journal"
            try Data().write(to: URL(fileURLWithPath: journal))
            holdElsewhere(folder, seconds: 30)
            Thread {
                Thread.sleep(forTimeInterval: 0.5)
                try? Data([1]).write(to: URL(fileURLWithPath: journal))
            }.start()
            let start = ContinuousClock.now
            #expect(throws: StorageError.self) { try RunLock(folder: folder) { _ in } }
            #expect(ContinuousClock.now - start < .seconds(20))
        }
    }

    @Test func whatCannotBeAFolderIsSaid() throws {
        try withTemporaryDirectory { folder in
            try Data().write(to: URL(fileURLWithPath: folder + "/file"))
            try FileManager.default.createSymbolicLink(atPath: folder + "/link", withDestinationPath: "nowhere")
            for place in [
                folder + "/file", folder + "/file/run", folder + "/link", folder + "/link/run",
                folder + "/" + String(repeating: "n", count: 300),
            ] {
                let reason = #expect(throws: StorageError.self) { try RunLock(folder: place) { _ in } }
                #expect(reason?.description.contains("run folder \(place)") == true, "\(reason as Any)")
            }
            #expect(try contents(folder) == ["file", "link"])
        }
    }
}
