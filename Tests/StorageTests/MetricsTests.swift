import Foundation
import HDF5
import Storage
import TestSupport
import Testing

private let columns = ["loss", "seconds"]

private func values(_ step: Int) -> [Double] { [1 / Double(step), Double(step)] }

/// Appends rows `step, 1 / step, step`.
private func append(_ steps: ClosedRange<Int>, to writer: MetricsWriter) {
    for step in steps { writer.append(step: step, values: values(step)) }
}

/// Compared outside of `#expect`, which would spend minutes on the difference of two long lists.
private func expectRows(_ table: MetricsTable, upTo last: Int) {
    let steps: [Double] = (1...last).map { Double($0) }
    let losses: [Double] = steps.map { 1 / $0 }
    let expected: [[Double]] = [steps, losses, steps]
    let isEqual = table.columns == ["step", "loss", "seconds"] && table.values == expected
    #expect(isEqual, "\(table.rowCount) rows, the last \(table.last(1).values), instead of \(last)")
}

@Suite struct MetricsTests {
    @Test func rowsComeBackFromAFinishedFile() throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/metrics.h5"
            let writer = try MetricsWriter(
                path: path, columns: columns, units: ["seconds": "s"], continueAfterStep: nil)
            #expect(try MetricsTable.read(path).rowCount == 0)
            append(1...2500, to: writer)
            try writer.close()
            try writer.close()
            let table = try MetricsTable.read(path)
            expectRows(table, upTo: 2500)
            #expect(table.units == ["step": "optimizer steps", "seconds": "s"])
            // A finished file is ordinary HDF5.
            let root = try HDF5File.open(path).root
            #expect(try root.attribute("format") == .string("smd metrics"))
            #expect(try root.names() == ["loss", "seconds", "step"])
            let step = try root.dataset("step")
            #expect(step.shape == [2500] && step.elementType == .int64 && step.maximumShape == [nil])
        }
    }

    @Test func aNewFileOverwritesNothing() throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/metrics.h5"
            try MetricsWriter(path: path, columns: columns, continueAfterStep: nil).close()
            #expect(throws: HDF5Error.self) {
                try MetricsWriter(path: path, columns: columns, continueAfterStep: nil)
            }
            #expect(throws: HDF5Error.self) {
                try MetricsWriter(path: folder + "/absent/m.h5", columns: columns, continueAfterStep: nil)
            }
            #expect(try MetricsTable.read(path).rowCount == 0)
        }
    }

    @Test func aFileBeingWrittenCanBeFollowed() throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/metrics.h5"
            let writer = try MetricsWriter(path: path, columns: columns, continueAfterStep: nil)
            for last in [10, 1024, 1030, 5000] {
                let first = try MetricsTable.read(path).rowCount + 1
                append(first...last, to: writer)
                try writer.flush()
                // A copy of the bytes is what another process finds, now or after kill -9.
                try FileManager.default.copyItem(atPath: path, toPath: folder + "/copy-\(last).h5")
                expectRows(try MetricsTable.read(folder + "/copy-\(last).h5"), upTo: last)
                expectRows(try MetricsTable.read(path), upTo: last)
            }
            try writer.close()
        }
    }

    @Test func killedWriterLosesNoFlushedRow() throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/metrics.h5"
            let result = try run([product("storage-program"), "metrics-killed", path], timeout: 60)
            #expect(result.status == 137)
            expectRows(try MetricsTable.readFile(path), upTo: 2500)
            let all = try MetricsTable.read(path)
            #expect(all.steps.last == 9999)
            expectRows(all.upTo(step: 2500), upTo: 2500)
            let reason = #expect(throws: HDF5Error.self) { try HDF5File.open(path) }
            #expect(reason?.description.contains("its writer was killed") == true)

            // The run goes on from its checkpoint of step 2000: later rows are done again.
            let writer = try MetricsWriter(path: path, columns: columns, continueAfterStep: 2000)
            expectRows(try MetricsTable.read(path), upTo: 2000)
            append(2001...3000, to: writer)
            try writer.close()
            expectRows(try MetricsTable.read(path), upTo: 3000)
            #expect(try MetricsTable.read(path).units["seconds"] == "s")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["metrics.h5"])
        }
    }

    @Test func continuingAddsAndKeepsColumns() throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/metrics.h5"
            let first = try MetricsWriter(path: path, columns: ["loss", "old"], continueAfterStep: 7)
            first.append(step: 1, values: [0.5, 1])
            first.append(step: 2, values: [0.25, 2])
            try first.close()
            let second = try MetricsWriter(path: path, columns: ["new", "loss"], continueAfterStep: 1)
            second.append(step: 2, values: [9, 0.125])
            try second.close()
            let table = try MetricsTable.read(path)
            #expect(table.columns == ["step", "new", "loss", "old"])
            #expect(table.column("step") == [1, 2] && table.column("loss") == [0.5, 0.125])
            #expect(table.column("new")?[0].isNaN == true && table.column("new")?[1] == 9)
            #expect(table.column("old")?[0] == 1 && table.column("old")?[1].isNaN == true)
        }
    }

    @Test func anUnreadableOldFileIsPutAside() throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/metrics.h5"
            for name in ["metrics.h5.damaged", "metrics.h5.damaged-2"] {
                try Data("not HDF5".utf8).write(to: URL(fileURLWithPath: path))
                var reports: [String] = []
                try MetricsWriter(path: path, columns: columns, continueAfterStep: 3) { reports.append($0) }.close()
                #expect(reports.count == 1 && reports[0].contains(name))
                #expect(try String(contentsOfFile: folder + "/" + name, encoding: .utf8) == "not HDF5")
                #expect(try MetricsTable.read(path).rowCount == 0)
            }
        }
    }

    @Test func rowsThatAreNotCompleteAreNotShown() throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/m.h5"
            let file = try HDF5File.create(path)
            try file.root.write([1, 2, 3] as [Int64], shape: [3], to: "step")
            try file.root.write([0.1, 0.2] as [Double], shape: [2], to: "loss")
            try file.close()
            let table = try MetricsTable.read(path)
            #expect(table.columns == ["step", "loss"] && table.values == [[1, 2], [0.1, 0.2]])
        }
    }

    @Test func whatIsNoMetricsFileIsSaid() throws {
        try withTemporaryDirectory { folder in
            #expect(throws: HDF5Error.self) { try MetricsTable.read(folder + "/absent.h5") }
            let reason = #expect(throws: StorageError.self) { try MetricsTable.read(goldenFolder + "/schedules.h5") }
            #expect(reason?.description.contains("holds no metrics") == true)
            try Data(repeating: 7, count: 5000).write(to: URL(fileURLWithPath: folder + "/noise.h5"))
            #expect(throws: HDF5Error.self) { try MetricsTable.read(folder + "/noise.h5") }
        }
    }

    @Test func aWriteThatFailsIsAnErrorNotACrash() throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/metrics.h5"
            let result = try run([product("storage-program"), "metrics-limited", path], timeout: 60)
            #expect(result.status == 1 && result.errors.contains("File too large"), "\(result)")
            let rows = try MetricsTable.read(path).rowCount
            #expect(rows > 0)
            expectRows(try MetricsTable.read(path), upTo: rows)
        }
    }
}

@Suite struct MetricsTableTests {
    private let table = MetricsTable(
        columns: ["step", "loss", "seconds"], values: [[1, 2, 30], [0.5, .nan, 1.0 / 3], [1, 2, 3]],
        units: ["seconds": "s, rank 0", "loss": "weighted squared error, mean"])

    @Test func rowsAndColumnsAreChosen() throws {
        #expect(table.last(2).steps == [2, 30] && table.last(0).rowCount == 0 && table.last(9).rowCount == 3)
        #expect(table.upTo(step: 2).column("seconds") == [1, 2])
        #expect(table.row(0) == [1, 0.5, 1])
        #expect(try table.selecting(["seconds"]).columns == ["step", "seconds"])
        let reason = #expect(throws: StorageError.self) { try table.selecting(["lost"]) }
        #expect(reason?.description == "no column 'lost'; there are step, loss, seconds")
        #expect(table.column("loss")?.first == 0.5 && table.column("loss")?.last == 1.0 / 3)
        #expect(table.column("lost") == nil && table.last(0).column("loss") == [])
        #expect(table.last(1).units == table.units && table.last(1).row(0) == [30, 1.0 / 3, 3])
    }

    @Test func textIsAligned() {
        #expect(
            table.formatted() == """
                step     loss  seconds
                                     s
                   1      0.5        1
                   2      nan        2
                  30  0.33333        3

                """)
        #expect(table.last(0).formatted() == "step  loss  seconds\n                  s\n")
    }
}
