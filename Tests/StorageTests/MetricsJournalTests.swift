import Foundation
import HDF5
import Storage
import TestSupport
import Testing

/// What the journal beside `metrics.h5` is for: no row is lost, whatever becomes of that file.
@Suite struct MetricsJournalTests {
    private let columns = ["loss", "seconds"]
    private func values(_ step: Int) -> [Double] { [1 / Double(step), step % 3 == 0 ? .nan : Double(step) * 1e-17] }

    /// Rows `first...last`, each once, in order, bit for bit.
    private func expectRows(_ table: MetricsTable, _ steps: ClosedRange<Int>, _ comment: String = "") {
        let rows = (0..<table.rowCount).map { table.row($0).map(\.bitPattern) }
        let expected = steps.map { step in ([Double(step)] + values(step)).map(\.bitPattern) }
        let isEqual = rows == expected
        #expect(isEqual, "\(comment): \(rows.count) rows, steps \(table.steps.prefix(3)) … \(table.steps.suffix(3))")
    }

    /// Leaves the files of a writer that was killed after `last` rows, the last ones not flushed.
    private func killedWriter(in folder: String, rows last: Int) throws -> String {
        let path = folder + "/metrics.h5"
        let writer = try MetricsWriter(path: path, columns: columns, units: ["loss": "1"], continueAfterStep: nil)
        for step in 1...last { writer.append(step: step, values: values(step)) }
        // A copy of the bytes is what kill -9 leaves.
        let dead = folder + "/dead"
        try FileManager.default.createDirectory(atPath: dead, withIntermediateDirectories: true)
        for end in ["", ".journal"] {
            try FileManager.default.copyItem(atPath: path + end, toPath: dead + "/metrics.h5" + end)
        }
        try writer.close()
        #expect(!FileManager.default.fileExists(atPath: path + ".journal"))
        return dead + "/metrics.h5"
    }

    private func resume(_ path: String, after step: Int) throws -> (table: MetricsTable, reports: [String]) {
        var reports: [String] = []
        let writer = try MetricsWriter(path: path, columns: columns, continueAfterStep: step) { reports.append($0) }
        writer.append(step: step + 1, values: values(step + 1))
        try writer.close()
        return (try MetricsTable.read(path), reports)
    }

    @Test func rowsThatWereNotFlushedSurvive() throws {
        try withTemporaryDirectory { folder in
            let path = try killedWriter(in: folder, rows: 50)
            // The HDF5 file alone has none of them: half a second had not passed.
            #expect(try MetricsTable.readFile(path).rowCount < 50)
            expectRows(try MetricsTable.read(path), 1...50, "read as it is")
            let (table, reports) = try resume(path, after: 50)
            expectRows(table, 1...51)
            #expect(reports.isEmpty && table.units["loss"] == "1")
        }
    }

    @Test(arguments: ["cut", "zeroed", "missing", "flipped"])
    func aDamagedFileIsBuiltAgain(damage: String) throws {
        try withTemporaryDirectory { folder in
            let path = try killedWriter(in: folder, rows: 40)
            var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
            switch damage {
            case "cut": bytes = bytes.prefix(bytes.count / 3)
            case "zeroed": bytes = Data(count: bytes.count)
            case "flipped": for index in stride(from: 64, to: bytes.count, by: 7) { bytes[index] ^= 0x55 }
            default: break
            }
            try FileManager.default.removeItem(atPath: path)
            if damage != "missing" { try bytes.write(to: URL(fileURLWithPath: path)) }
            expectRows(try MetricsTable.read(path), 1...40, "read as it is")
            let (table, reports) = try resume(path, after: 30)
            expectRows(table, 1...31)
            #expect(reports.count == (damage == "missing" ? 0 : 1), "\(reports)")
            #expect(reports.allSatisfy { $0.contains("built again from its journal, 40 rows") }, "\(reports)")
        }
    }

    /// Cut anywhere, as a kill or a loss of power may leave it: whole lines count, the rest is passed over.
    @Test func aTornJournalGivesItsWholeLines() throws {
        try withTemporaryDirectory { folder in
            let path = try killedWriter(in: folder, rows: 20)
            let journal = try Data(contentsOf: URL(fileURLWithPath: path + ".journal"))
            let ends = journal.indices.filter { journal[$0] == UInt8(ascii: "\n") }
            try FileManager.default.removeItem(atPath: path)
            for length in (ends[3]...journal.count).reversed() {
                try journal.prefix(length).write(to: URL(fileURLWithPath: path + ".journal"))
                let whole = max(0, ends.count { $0 < length } - 4)
                let table = try MetricsTable.read(path)
                #expect(table.rowCount == whole, "\(length) of \(journal.count) bytes")
            }
        }
    }

    @Test func aDamagedLineIsSaidAndComesFromTheFile() throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/metrics.h5"
            let writer = try MetricsWriter(path: path, columns: columns, continueAfterStep: nil)
            for step in 1...20 { writer.append(step: step, values: values(step)) }
            try writer.flush()
            var journal = try Data(contentsOf: URL(fileURLWithPath: path + ".journal"))
            try writer.close()
            let line = try #require(journal.range(of: Data("\n11,".utf8)))
            journal[line.upperBound] ^= 1
            try journal.write(to: URL(fileURLWithPath: path + ".journal"))
            let (table, reports) = try resume(path, after: 20)
            expectRows(table, 1...21)
            #expect(reports.count == 1 && reports[0].hasPrefix("1 lines of"), "\(reports)")
        }
    }

    @Test func twoWritersAreRefused() throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/metrics.h5"
            let writer = try MetricsWriter(path: path, columns: columns, continueAfterStep: nil)
            writer.append(step: 1, values: values(1))
            let reason = #expect(throws: StorageError.self) {
                try MetricsWriter(path: path, columns: columns, continueAfterStep: 0)
            }
            #expect(reason?.description.contains("another process writes") == true)
            try writer.close()
            expectRows(try MetricsTable.read(path), 1...1)
        }
    }

    /// Rows after a step are void once the run has gone back to it: for readers of the file, of the journal, and for who
    /// goes on after a kill at any moment.
    @Test func goingBackVoidsRows() throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/metrics.h5"
            let dead = folder + "/dead.h5"
            let writer = try MetricsWriter(path: path, columns: columns, units: ["loss": "1"], continueAfterStep: nil)
            let follower = MetricsFollower(path: path)
            for step in 1...9 { writer.append(step: step, values: [Double(step), 0]) }
            #expect(try follower.look().rows?.steps == Array(1...9))
            // The file as it was before, with the journal of after: what a kill between the two leaves.
            try writer.flush()
            try FileManager.default.copyItem(atPath: path, toPath: dead)
            writer.goBack(to: 4)
            #expect(try MetricsTable.read(path).steps == Array(1...4))
            for step in 5...6 { writer.append(step: step, values: values(step)) }
            let (rows, state) = try follower.look()
            #expect(rows?.steps == [5, 6] && state == .running)
            try FileManager.default.copyItem(atPath: path + ".journal", toPath: dead + ".journal")
            let last = try writer.lastRows(3)
            #expect(last.steps == [4, 5, 6] && last.column("loss") == [4, 1.0 / 5, 1.0 / 6])
            try writer.close()
            let whole = try MetricsTable.read(path)
            #expect(whole.steps == Array(1...6) && whole.column("loss")?[4] == 1.0 / 5 && whole.units["loss"] == "1")
            let (table, reports) = try resume(dead, after: 6)
            #expect(table.steps == Array(1...7) && table.column("loss")?[4] == 1.0 / 5 && reports.isEmpty, "\(reports)")
        }
    }

    /// On a full disk rows and going back wait, what is asked for is as if they did not, and nothing is lost.
    @Test(.enabled(if: Ability.mounting.isGiven, "\(Ability.mounting)"))
    func goingBackWaitsForAFullDisk() throws {
        try withSmallDisk(bytes: 4 << 20) { folder in
            let path = folder + "/metrics.h5"
            var reports: [String] = []
            let writer = try MetricsWriter(path: path, columns: columns, continueAfterStep: nil) { reports.append($0) }
            for step in 1...9 { writer.append(step: step, values: [Double(step), 0]) }
            try writer.flush()
            let filler = folder + "/filler"
            #expect(FileManager.default.createFile(atPath: filler, contents: nil))
            let handle = try #require(FileHandle(forWritingAtPath: filler))
            for size in [1 << 16, 1 << 10, 1] { while (try? handle.write(contentsOf: Data(count: size))) != nil {} }
            try handle.close()
            for step in 10...300 { writer.append(step: step, values: [Double(step), 0]) }
            #expect(reports.count == 1 && reports[0].contains("metrics wait in memory"), "\(reports)")
            writer.goBack(to: 5)
            #expect(try writer.lastRows(100).steps == Array(1...5))
            try FileManager.default.removeItem(atPath: filler)
            writer.append(step: 6, values: values(6))
            try writer.close()
            let table = try MetricsTable.read(path)
            #expect(table.steps == Array(1...6) && table.column("loss")?.last == 1.0 / 6)
        }
    }

    @Test func aFollowerSeesEveryRowAndTheEnd() throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/metrics.h5"
            let writer = try MetricsWriter(path: path, columns: columns, continueAfterStep: nil)
            let follower = MetricsFollower(path: path)
            #expect(try follower.look().rows == nil)
            for step in 1...3 {
                writer.append(step: step, values: values(step))
                let (rows, state) = try follower.look()
                #expect(rows?.steps == [step] && state == .running)
            }
            writer.append(step: 4, values: values(4))
            try writer.close()
            let (rows, state) = try follower.look()
            #expect(rows?.steps == [4] && state == .ended)
            // A late one sees it all.
            expectRows(try #require(try MetricsFollower(path: path).look().rows), 1...4)

            // A writer that goes on from step 2; then one that was killed.
            let second = try MetricsWriter(path: path, columns: columns, continueAfterStep: 2)
            let other = MetricsFollower(path: path)
            expectRows(try #require(try other.look().rows), 1...2)
            try FileManager.default.copyItem(atPath: path + ".journal", toPath: folder + "/dead.h5.journal")
            try second.close()
            let dead = MetricsFollower(path: folder + "/dead.h5")
            var states: [MetricsFollower.State] = []
            for _ in 0..<6 { states.append(try dead.look().state) }
            #expect(states.first == .running && states.last == .abandoned)
            #expect(throws: HDF5Error.self) { try MetricsFollower(path: folder + "/absent.h5").look() }
        }
    }
}
