import Foundation
import HDF5
import TestSupport
import Testing

/// Commands other than train are stopped by a signal: status 75, one line, nothing left behind.
@Suite struct StopTests {
    /// Runs smd with SIGTERM pending: it comes in as soon as the program lets it.
    private func stopped(_ arguments: [String]) throws -> (status: Int32, output: String, errors: String) {
        try run(
            ["env", "--block-signal=TERM", "sh", "-c", "kill -TERM $$; exec \"$@\"", "sh", product("smd")] + arguments,
            timeout: 60)
    }

    @Test func preparation() throws {
        try withTemporaryDirectory { folder in
            try "1 2\n3 4\n".write(toFile: folder + "/points.txt", atomically: true, encoding: .utf8)
            let before = try FileManager.default.contentsOfDirectory(atPath: folder)
            for words in [
                ["gaussian-grid", "--count", "10", "--output", folder + "/a.h5"],
                ["gaussian-ring", "--count", "10", "--output", folder + "/a.h5"],
                ["checkerboard", "--count", "10", "--output", folder + "/a.h5"],
                ["gaussian-grid", "--count", "10", "--shard-size", "5", "--output", folder + "/a.json"],
                ["points", folder + "/points.txt", "--output", folder + "/b.h5"],
            ] {
                let result = try stopped(["dataset", "prepare"] + words)
                #expect(result.status == 75, "\(words): \(result.errors)")
                #expect(result.errors.hasPrefix("smd: error: SIGTERM: stopped"), "\(result.errors)")
                #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == before)
            }
        }
    }

    @Test func evaluation() throws {
        try withTemporaryDirectory { folder in
            let data = folder + "/a.h5"
            #expect(try smd(["dataset", "prepare", "gaussian-grid", "--count", "200", "--output", data]).status == 0)
            for (words, what) in [
                (["evaluate", "points", data, "--against", data], "comparing"),
                (["sample", "--oracle", data, "--output", folder + "/b.h5"], "sampling"),
            ] {
                let result = try stopped(words)
                #expect(result.status == 75 && result.output.isEmpty, "\(result.errors)")
                #expect(result.errors.contains("smd: error: SIGTERM: stopped \(what) at "), "\(result.errors)")
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["a.h5"])
        }
    }

    @Test func evaluationOfImages() throws {
        try withTemporaryDirectory { folder in
            let file = try HDF5File.create(folder + "/a.h5")
            try file.root.write((0..<160).map { UInt8($0) }, shape: [40, 2, 2, 1], to: "images")
            try file.close()
            let before = try FileManager.default.contentsOfDirectory(atPath: folder)
            let data = folder + "/a.h5"
            let result = try stopped(
                [
                    "evaluate", "images", data, "--against", data, "--features", "pca:2", "--save-statistics",
                    folder + "/a.npz",
                ])
            #expect(result.status == 75 && result.output.isEmpty, "\(result.output)")
            #expect(result.errors.hasPrefix("smd: error: SIGTERM: stopped principal components"), "\(result.errors)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == before)
        }
    }

    @Test func verification() throws {
        try withTemporaryDirectory { folder in
            let data = folder + "/a.h5"
            #expect(try smd(["dataset", "prepare", "gaussian-grid", "--count", "10", "--output", data]).status == 0)
            let result = try stopped(["dataset", "verify", data])
            #expect(result.status == 75 && result.output.isEmpty, "\(result.output)")
            #expect(result.errors == "smd: error: SIGTERM: stopped verifying at 10 of 10 samples\n", "\(result.errors)")
        }
    }
}
