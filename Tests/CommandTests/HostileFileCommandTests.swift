import Foundation
import HDF5
import Storage
import TestSupport
import Testing

/// Files on which libhdf5 1.10.8 itself crashes or does not end (Tests/Fixtures/hdf5/README.md): the commands say so
/// in one line and end in good order.
@Suite struct HostileFileCommandTests {
    private func fixture(_ name: String) -> String { repositoryFolder + "/Tests/Fixtures/hdf5/\(name).h5" }

    private func expectRefusal(
        _ result: (status: Int32, output: String, errors: String), _ words: String
    ) {
        #expect(result.status == 65, "\(result.errors)")
        let errors = result.errors.split(separator: "\n").filter { $0.contains("error:") }
        #expect(errors.count == 1 && errors.first?.contains(words) == true, "\(result.errors)")
    }

    @Test(arguments: ["crash-1", "crash-2"])
    func aCrashOfTheLibraryIsAnError(name: String) throws {
        try withTemporaryDirectory { folder in
            for command in [["info"], ["verify"], ["preview", "--output", folder + "/a.png"]] {
                let result = try smd(["dataset", command[0], fixture(name)] + command.dropFirst())
                expectRefusal(
                    result, "\(name).h5 cannot be read safely: the helper process that tried it was ended by SIG")
                #expect(result.output.isEmpty)
            }
        }
    }

    /// libhdf5 reads past the end of it, and may or may not crash.
    @Test func aChunkThatIsTooShortIsAnError() throws {
        for command in ["info", "verify"] {
            let result = try smd(["dataset", command, fixture("short-chunk")])
            expectRefusal(result, "a chunk of it does not hold the 524288 bytes that a chunk has")
        }
    }

    /// An honest set: its chunks are checked in a time that grows with their number, not with its square.
    @Test func manySmallCompressedChunksAreFine() throws {
        try withTemporaryDirectory { folder in
            let file = try HDF5File.create(folder + "/many.h5")
            let images = try file.root.createDataset(
                "images", type: .uint8, shape: [40000, 2, 2, 1], chunk: [1, 2, 2, 1], deflate: 1)
            try images.write((0..<160_000).map { UInt8(truncatingIfNeeded: $0) })
            try file.close()
            let result = try run([product("smd"), "dataset", "info", folder + "/many.h5"], timeout: 400)
            #expect(result.status == 0, "\(result.errors)")
        }
    }

    @Test func aFileThatNeverEndsIsAnError() throws {
        let result = try run([product("smd"), "dataset", "info", fixture("hang")], timeout: 400)
        expectRefusal(result, "hang.h5 cannot be read safely: reading it takes ")
    }

    /// The seal is in order: anyone can make one.
    @Test func aCheckpointThatCrashesTheLibraryIsAnError() throws {
        let path = fixture("crash-checkpoint")
        try withTemporaryDirectory { folder in
            for command in [["checkpoint", "inspect", path], ["sample", path, "--output", folder + "/s.h5"]] {
                expectRefusal(
                    try smd(command),
                    "crash-checkpoint.h5 cannot be read safely: the helper process that tried it was ended by SIG")
            }
        }
    }

    /// Two ranks: the helper is no rank of the job, which ends with one line and its own status.
    @Test func trainingSurvivesIt() throws {
        try withTemporaryDirectory { folder in
            let train = [product("smd"), "train", "fashion", "--output", folder + "/run", "--set"]
            let result = try mpirun(2, train + ["data=" + fixture("crash-1")])
            #expect(result.status != 0 && result.status < 128, "\(result.errors)")
            let lines = result.errors.split(separator: "\n").filter { $0.contains("smd: error:") }
            #expect(lines.count == 1 && lines[0].contains("crash-1.h5 cannot be read safely"), "\(result.errors)")
        }
    }

    /// What the helper finds is what the command says, and its limits do not stand in the way of good files.
    @Test func theHelperOnlyTries() throws {
        try withTemporaryDirectory { folder in
            let good = try writeCheckpoint(in: folder)
            #expect(try smd(["try-file", "checkpoint", good]).status == 0)
            #expect(try smd(["dataset", "info", fixture("absent")]).errors.contains("no such data set"))
            #expect(!(try smd(["--help"]).output.contains("try-file")))
        }
    }
}
