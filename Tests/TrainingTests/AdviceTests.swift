import Foundation
import HDF5
import Storage
import StorageSupport
import TestSupport
import Testing

/// Where a message of a run says what to do, that is done here, and helps.
@Suite(.enabled(if: Ability.time.isGiven, "\(Ability.time)"))
struct TrainingAdviceTests {
    private func find(_ pattern: String, in message: String) throws -> String {
        let found = try Regex(pattern).firstMatch(in: message)
        return String(try #require(found, "no \(pattern) in: \(message)").output[1].substring ?? "")
    }

    /// A run that is there, a file where the folder is meant, and settings that a checkpoint does not have.
    @Test func goingOn() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            try run.train(1, run.command("out", "steps=2"))
            let there = try run.train(1, run.command("out", "steps=3"))
            #expect(there.status != 0)
            let option = try find("continue it with (--resume auto), or choose another --output", in: there.errors)
            #expect(try run.train(1, run.command("another", "steps=1")).status == 0)
            #expect(run.command("out", resume: "auto").joined(separator: " ").contains(option))
            let warned = try run.train(1, run.command("out", resume: "auto", "steps=3", "learning_rate=0.5", "seed=4"))
            #expect(warned.status == 0)
            // The last checkpoint has the new settings; that of step 2 still has the old ones.
            let settings = try find("as it was: (.*)\n", in: warned.errors)
            #expect(settings == "--set learning_rate=0.001 --set seed=0")
            let command = run.command(
                "back", resume: run.checkpoint("out", step: 2), "steps=3", "learning_rate=0.5", "seed=4")
            let back = try run.train(1, command + settings.split(separator: " ").map(String.init))
            #expect(back.status == 0 && warningLines(back.errors).isEmpty, "\(back.errors)")

            try Data().write(to: URL(fileURLWithPath: run.path("file")))
            let refused = try run.train(1, run.command("file", "steps=1"))
            #expect(refused.status != 0 && refused.errors.hasSuffix("choose another --output\n"), "\(refused.errors)")
        }
    }

    /// Sizes that are not those of the data.
    @Test func sizesOfTheData() throws {
        try withTemporaryDirectory { folder in
            let images = try Run(in: folder)
            let refused = try images.train(1, images.command("a", "model.size=16", "model.channels=3"))
            let found = try find("holds images of (.*), the network takes", in: refused.errors)
            #expect(refused.errors.contains("set model.size and model.channels"))
            let numbers = found.split(separator: "×")
            let right = images.command("a", "steps=1", "model.size=\(numbers[0])", "model.channels=\(numbers[2])")
            #expect(try images.train(1, right).status == 0)
        }
        try withTemporaryDirectory { folder in
            let points = try Run(points: (0..<80).map { Float($0 % 9) / 9 }, in: folder)
            let refused = try points.train(1, points.command("a", "model.size=2", "model.channels=3"))
            let settings = try find("set (model.size.*)\n", in: refused.errors).components(separatedBy: " and ")
            let right = try points.train(1, points.command("a", settings: ["steps=1"] + settings))
            #expect(right.status == 0, "\(right.errors)")
        }
    }

    /// A step that is not finite: the data set is looked at, the run goes on from before, or passes it over.
    @Test func badSteps() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            try run.train(1, run.command("good", "steps=2"))
            var state = try Checkpoint.read(run.checkpoint("good", step: 2))
            for i in state["parameters"][0].values.indices { state["parameters"][0].values[i] = .infinity }
            state.header.step = 4
            try state.write(to: run.checkpoint("good", step: 4))
            let bad = try run.train(1, run.command("good", resume: "auto", "steps=5"))
            #expect(bad.status == 1, "\(bad.errors)")
            let command = try find("\\(smd (dataset verify [^)]*)\\)", in: bad.errors).split(separator: " ")
            #expect(try TestSupport.run([product("smd")] + command.map(String.init), timeout: 60).status == 0)
            let option = try find("earlier checkpoint \\((--resume) CHECKPOINT\\)", in: bad.errors)
            let earlier = run.command("good", resume: run.checkpoint("good", step: 2), "steps=3")
            #expect(earlier.contains(option))
            #expect(try run.train(1, earlier).status == 0)
            let policies = try find("\\(on_bad_step: (.*)\\)", in: bad.errors).components(separatedBy: ", or ")
            #expect(policies == ["skip", "rollback"])
            // The checkpoint itself is the bad step here: only skipping it comes to an end.
            let path = run.checkpoint("good", step: 4)
            let skipped = try run.train(1, run.command("s", resume: path, "steps=5", "on_bad_step=\(policies[0])"))
            #expect(skipped.status == 0, "\(skipped.errors)")
        }
    }

    /// Samples under names that are taken.
    @Test func samplesAreThere() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            try run.train(1, run.command("out", "steps=1"))
            let sample = [
                product("smd"), "sample", run.checkpoint("out", step: 1), "--count", "1", "--output", run.path("a.h5"),
            ]
            #expect(try TestSupport.run(sample, timeout: 60).status == 0)
            let refused = try TestSupport.run(sample, timeout: 60)
            #expect(refused.status == 73, "\(refused.errors)")
            let option = try find("(--overwrite)", in: refused.errors)
            #expect(try TestSupport.run(sample + [option], timeout: 60).status == 0)
        }
    }

    /// The fix for a folder of the doctor, and its help for a data set that is missing.
    @Test func fixesOfTheDoctor() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            func doctor(_ output: String, _ settings: String...) throws -> (status: Int32, text: String) {
                let result = try TestSupport.run(
                    [product("smd"), "doctor", run.config, "--output", run.path(output)]
                        + settings.flatMap { ["--set", $0] }, timeout: 120)
                return (result.status, result.output + result.errors)
            }
            try Data().write(to: URL(fileURLWithPath: run.path("file")))
            let refused = try doctor("file", "data=\(run.data)")
            #expect(refused.status == 1 && refused.text.contains("fix: choose another --output"), "\(refused.text)")
            #expect(try doctor("other", "data=\(run.data)").status == 0)
            let missing = try doctor("other", "data=\(run.path("nothing.h5"))")
            #expect(missing.status == 1)
            let help = try find("fix: see smd (dataset prepare --help)", in: missing.text).split(separator: " ")
            #expect(try TestSupport.run([product("smd")] + help.map(String.init), timeout: 60).status == 0)
            let batch = try doctor("other", "data=\(run.data)", "batch_size=7")
            #expect(batch.status == 1)
            let fit = try find("batch_size (\\d+)", in: find("would fit: (.*)\n", in: batch.text))
            #expect(try doctor("other", "data=\(run.data)", "batch_size=\(fit)").status == 0)
        }
    }
}
