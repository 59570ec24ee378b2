import Foundation
import HDF5
import Storage
import StorageSupport
import TestSupport
import Testing

/// The end of metrics, and what others read from the head of a file, without the rest.
@Suite struct MetricsEndTests {
    private func writer(_ path: String, rows: Int) throws -> MetricsWriter {
        let writer = try MetricsWriter(path: path, columns: ["loss", "seconds"], continueAfterStep: nil)
        for step in 1...rows { writer.append(step: step, values: [1 / Double(step), 2]) }
        return writer
    }

    /// Of a journal of a MiB, of one that went back, and of the closed file.
    @Test func theLastRowIsThatOfTheWholeTable() throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/metrics.h5"
            let writer = try writer(path, rows: 20_000)
            let end = try MetricsTable.readEnd(path)
            #expect(end.last(1) == (try MetricsTable.read(path)).last(1) && end.rowCount < 10_000)
            writer.goBack(to: 19_990)
            #expect(try MetricsTable.readEnd(path).steps.last == 19_990)
            writer.goBack(to: 10)
            #expect(try MetricsTable.readEnd(path).steps.last == 10)
            writer.append(step: 11, values: [0.5, 3])
            #expect(try MetricsTable.readEnd(path).last(1).row(0) == [11, 0.5, 3])
            try writer.close()
            #expect(try MetricsTable.readEnd(path).row(0) == [11, 0.5, 3])
        }
    }

    @Test func thereMayBeNoRows() throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/metrics.h5"
            try MetricsWriter(path: path, columns: ["loss"], continueAfterStep: nil).close()
            #expect(try MetricsTable.readEnd(path).rowCount == 0)
            #expect(throws: HDF5Error.self) { try MetricsTable.readEnd(folder + "/none.h5") }
        }
    }

    /// NeXus: what H5Web draws when it opens the file. A file that goes on has it too, and so has one that another column
    /// leads.
    @Test func viewersAreToldWhatToPlot() throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/metrics.h5"
            for last in [nil, 2] as [Int?] {
                let writer = try MetricsWriter(path: path, columns: ["other", "loss"], continueAfterStep: last)
                writer.append(step: 3, values: [1, 2])
                try writer.close()
                let root = try HDF5File.open(path).root
                #expect(try root.attribute("NX_class") == .string("NXdata"))
                #expect(try root.attribute("signal") == .string("loss"))
                // NeXus wants a list, which here reads as its only text.
                #expect(try root.attribute("axes") == .string("step"))
                let shown = try run(["h5dump", "-a", "/axes", path], timeout: 60).output
                #expect(shown.contains("SIMPLE { ( 1 ) / ( 1 ) }") && shown.contains("(0): \"step\""), "\(shown)")
            }
            let odd = folder + "/odd.h5"
            try MetricsWriter(path: odd, columns: ["b", "a"], continueAfterStep: nil).close()
            #expect(try HDF5File.open(odd).root.attribute("signal") == .string("b"))
        }
    }

    /// A file of before has no such attributes, and is read and continued all the same.
    @Test func filesWithoutTheAttributesStayReadable() throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/metrics.h5"
            let file = try HDF5File.create(path)
            try file.root.setAttribute("format", .string("smd metrics"))
            try file.root.setAttribute("format_version", .integer(1))
            try file.root.setAttribute("columns", .string("step,loss"))
            try file.root.write([1, 2] as [Int64], shape: [2], to: "step")
            try file.root.write([0.5, 0.25] as [Double], shape: [2], to: "loss")
            try file.close()
            #expect(try MetricsTable.read(path).column("loss") == [0.5, 0.25])
            let writer = try MetricsWriter(path: path, columns: ["loss"], continueAfterStep: 1)
            writer.append(step: 2, values: [0.125])
            try writer.close()
            #expect(try MetricsTable.read(path).column("loss") == [0.5, 0.125])
            #expect(try HDF5File.open(path).root.attribute("signal") == .string("loss"))
        }
    }
}

/// The header of a checkpoint, and whether a job holds a folder.
@Suite struct RunStateTests {
    @Test func theHeaderIsReadWithoutTheTensors() throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/step-00000007.h5"
            let header = CheckpointHeader(
                step: 7, seed: .max, config: "{}", dataFingerprint: "abc", version: "1.2.3",
                attributes: ["samples_seen": .integer(90)])
            let weights = NamedTensor(name: "model.weight", shape: [2], values: [3, -4])
            let state = Checkpoint(header, groups: [TensorGroup(name: "parameters", tensors: [weights])])
            try state.write(to: path)
            #expect(try CheckpointFile(path, isVerified: false).header == header)
            var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
            try bytes.dropLast(10).write(to: URL(fileURLWithPath: folder + "/short.h5"))
            bytes[bytes.count - 1] ^= 1
            let flipped = folder + "/flipped.h5"
            try bytes.write(to: URL(fileURLWithPath: flipped))
            #expect(throws: StorageError.self) { try CheckpointFile(folder + "/short.h5", isVerified: false).header }
            #expect(throws: StorageError.self) {
                try CheckpointFile(goldenFolder + "/schedules.h5", isVerified: false).header
            }
            #expect(throws: HDF5Error.self) { try CheckpointFile(folder + "/none.h5", isVerified: false).header }
            // That a tensor is damaged is not looked for.
            #expect(throws: StorageError.self) { try CheckpointFile(flipped) }
            #expect(try CheckpointFile(flipped, isVerified: false).header.step == 7)
        }
    }

    @Test func aClaimIsSeen() throws {
        try withTemporaryDirectory { folder in
            #expect(RunLock.isHeld(folder) == false && RunLock.lastHost(folder) == nil)
            let lock = try RunLock(folder: folder) { _ in }
            #expect(RunLock.isHeld(folder) == true)
            let host = try #require(RunLock.lastHost(folder))
            #expect(!host.isEmpty && !host.contains(" "))
            withExtendedLifetime(lock) {}
        }
    }
}
