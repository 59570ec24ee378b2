import Foundation
import HDF5
import Storage
import StorageSupport
import TestSupport
import Testing

/// Files on which libhdf5 1.10.8 itself crashes or does not end (Tests/Fixtures/hdf5/README.md): the commands say so
/// in one line and end in good order.
@Suite(.enabled(if: Ability.time.isGiven, "\(Ability.time)"))
struct HostileFileCommandTests {
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

    /// The helper ends at its limit of processor time. That it computes is progress: the watchdog, whose deadline is
    /// shorter, does not end the job meanwhile.
    @Test func aFileThatNeverEndsIsAnError() throws {
        try withTemporaryDirectory { folder in
            let command = ["train", "fashion", "--deadline", "3", "--output", folder + "/run", "--set", "data="]
            let result = try run([product("smd")] + command.dropLast() + ["data=" + fixture("hang")], timeout: 400)
            expectRefusal(result, "hang.h5 cannot be read safely: reading it takes more than 10 s of processor time")
        }
    }

    /// As on a file server that is dead: the line comes within the watchdog's deadline, and is about the file.
    @Test func aHelperThatIsStuckIsAnError() throws {
        try withTemporaryDirectory { folder in
            let script = """
                "$1" train fashion --deadline 4 --output "$2/run" --set data="$3" & job=$!
                until helper=$(pgrep -P $job); do sleep 0.05; done
                kill -STOP $helper
                status=0; wait $job || status=$?
                kill -0 $helper 2>/dev/null && echo "the helper is left"
                exit $status
                """
            let command = ["bash", "-c", script, "bash", product("smd"), folder, fixture("hang")]
            let result = try run(command, timeout: 60)
            expectRefusal(
                result, "hang.h5 cannot be read: the helper process that tries it has got nowhere for 2 s; see whether")
            #expect(result.output.isEmpty)
        }
    }

    /// Nobody waits for it any more.
    @Test func aHelperEndsWithItsJob() throws {
        let script = """
            "$1" dataset info "$2" & job=$!
            until helper=$(pgrep -P $job); do sleep 0.05; done
            sleep 0.5
            kill -9 $job
            for try in $(seq 40); do [[ $(ps -o stat= -p $helper) == [RSDT]* ]] || exit 0; sleep 0.1; done
            echo "the helper is left"; kill -9 $helper; exit 1
            """
        let result = try run(["bash", "-c", script, "bash", product("smd"), fixture("hang")], timeout: 60)
        #expect(result.status == 0, "\(result.output)")
    }

    /// 4 MiB of noise and nothing else may be compressed data of 4 GiB: they are not asked for.
    @Test func memoryIsLimited() throws {
        try withTemporaryDirectory { folder in
            func write(_ name: String, samples: Int) throws -> String {
                let path = folder + "/\(name).h5"
                let file = try HDF5File.create(path)
                let chunk = 1 << 20
                let images = try file.root.createDataset(
                    "images", type: .uint8, shape: [samples, 1, 1, 1], chunk: [chunk, 1, 1, 1], deflate: 1)
                let labels = try file.root.createDataset(
                    "labels", type: .int32, shape: [samples], chunk: [chunk], deflate: 1)
                var random = SplitMix64(seed: 1)
                let noise = (0..<chunk).map { _ in Int32.random(in: .min ... .max, using: &random) }
                try images.write(
                    noise.map { UInt8(truncatingIfNeeded: $0) }, offset: [0, 0, 0, 0], count: [chunk, 1, 1, 1])
                try labels.write(noise, offset: [0], count: [chunk])
                try file.close()
                return path
            }
            // All but the first chunk are not stored.
            let honest = try smd(["dataset", "info", write("honest", samples: 5_000_000)])
            #expect(honest.status == 0, "\(honest.errors)")
            // The labels alone take 3.2 GB.
            let greedy = try smd(["dataset", "info", write("greedy", samples: 800_000_000)])
            expectRefusal(greedy, "greedy.h5 cannot be read safely: the helper process that tried it was ended by SIG")
        }
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

    /// The file counts as one that does not pass; the others are still compared.
    @Test func aReferenceCaseThatCrashesTheLibraryIsAnError() throws {
        let result = try smd(["conformance", fixture("crash-1"), goldenFolder + "/schedules.h5"])
        #expect(result.status == 1 && result.output.contains("1 of 2 files pass"), "\(result.output)")
        let errors = result.errors.split(separator: "\n").filter { $0.contains("error:") }
        #expect(errors.count == 1 && errors.first?.contains("crash-1.h5 cannot be read safely") == true, "\(errors)")
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
