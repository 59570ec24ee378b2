import Foundation
import HDF5
import TestSupport
import Testing

/// launch/run knows what smd's arguments mean, however they are written: it asks smd.
@Suite(.enabled(if: Ability.time.isGiven, "\(Ability.time)"))
struct LaunchArgumentTests {
    /// A job that is lost after two seconds, with these arguments after the folder.
    private func expectTimeIsUp(_ arguments: [String], environment: [String: String] = [:]) throws {
        try withTemporaryDirectory { folder in
            let launch = try ScriptedLaunch("sleep 2; exit 75", in: folder)
            try launch.writeLauncher()
            let result = try launch.run(
                smd: ["c.yaml", "--output", folder + "/run"] + arguments, environment: environment)
            #expect(result.status == 75 && launch.starts().count == 1, "\(arguments): \(result.errors)")
        }
    }

    /// The limit of two seconds holds, and so there is no restart.
    @Test(arguments: [
        ["--max-hours", "0.0005"], ["--max-hours", ".0005"], ["--max-hours", "5e-4"], ["--max-hours=5E-4"],
        ["--max-hours", "0x1p-11"], ["--max-hours", "7", "--max-hours", "0.0005"], ["--max-hours", "+5e-4"],
    ])
    func hours(_ arguments: [String]) throws { try expectTimeIsUp(arguments) }

    @Test(.enabled(if: Ability.commaLocale.isGiven, "\(Ability.commaLocale)"))
    func hoursWhereNumbersHaveACommaInThem() throws {
        try withCommaLocale { environment in
            try expectTimeIsUp(["--max-hours", "5e-4"], environment: environment)
            // What the second start gets is read by smd, and leaves less than was allowed.
            try withTemporaryDirectory { folder in
                let launch = try ScriptedLaunch(
                    "[[ $start == 1 ]] && exit 75; printf '%s\\0' \"$@\" | '\(product("smd"))' launch-facts --threads 1 >$run/facts",
                    in: folder)
                try launch.writeLauncher()
                let result = try launch.run(
                    smd: ["c.yaml", "--output", folder + "/run", "--max-hours", "0.5"], environment: environment)
                #expect(result.status == 0 && launch.starts().count == 2, "\(result.errors)")
                #expect(launch.starts().last?.contains(",") == false, "\(launch.starts())")
                let facts = try String(contentsOfFile: folder + "/run/facts", encoding: .utf8).split(separator: "\0")
                #expect(facts.contains("1800"), "\(facts)")
            }
        }
    }

    /// The folder is found, whose checkpoints show whether a job gets on.
    @Test(arguments: [
        ["c.yaml", "--output", "RUN"], ["c.yaml", "--output=RUN"], ["--", "--output", "RUN", "c.yaml"],
        ["c.yaml", "--output", "elsewhere", "--output", "RUN"], ["c.yaml", "--output", "RUN", "--"],
        ["c.yaml", "--set=output=elsewhere", "--output", "RUN"], ["--", "--output=RUN", "--", "c.yaml"],
    ])
    func folder(_ arguments: [String]) throws {
        try withTemporaryDirectory { folder in
            let launch = try ScriptedLaunch("touch $run/checkpoints/step-00000007.h5; exit 75", in: folder)
            try launch.writeLauncher()
            let result = try launch.run(
                ["--restarts", "1"], smd: arguments.map { $0.replacing("RUN", with: folder + "/run") })
            #expect(result.status == 75, "\(result.errors)")
            #expect(result.errors.contains("newest checkpoint: step 7; starting again"), "\(result.errors)")
            // A restart goes on, and has the arguments of the first start.
            let starts = launch.starts()
            #expect(starts.count == 2 && starts.last?.hasPrefix("train --threads 1 --restarted --seconds-used") == true)
            let given = starts.first?.dropFirst("train --threads 1".count) ?? "?"
            #expect(starts.last?.hasSuffix(given) == true, "\(starts)")
        }
    }

    /// What smd does not take is refused once, before anything is started.
    @Test(arguments: [
        ["c.yaml"], ["c.yaml", "--output", "x", "--max-hours", "0,5"], ["c.yaml", "--output", "x", "--max-hours"],
        ["c.yaml", "--output", "x", "--max-hour", "1"], ["c.yaml", "--output", "x", "--", "--resume", "auto"],
        ["c.yaml", "--output", "x", "--threads", "two"],
    ])
    func wrongArguments(_ arguments: [String]) throws {
        try withTemporaryDirectory { folder in
            let launch = try ScriptedLaunch("exit 0", in: folder)
            try launch.writeLauncher()
            let result = try launch.run(smd: arguments)
            #expect(result.status == 64 && launch.starts().isEmpty, "\(result)")
            #expect(result.errors.split(separator: "\n").count == 1, "\(result.errors)")
            #expect(result.errors.hasPrefix("smd: error: ") && result.output.isEmpty, "\(result)")
        }
    }

    @Test func help() throws {
        try withTemporaryDirectory { folder in
            let launch = try ScriptedLaunch("exit 0", in: folder)
            try launch.writeLauncher()
            let result = try launch.run(smd: ["c.yaml", "--help"])
            #expect(result.status == 0 && launch.starts().isEmpty, "\(result)")
            #expect(result.output.contains("USAGE: smd train") && !result.output.contains("launch-facts"))
        }
    }

    /// Threads are bound to cores wherever they are asked for.
    @Test func threads() throws {
        try withTemporaryDirectory { folder in
            let launch = try ScriptedLaunch("exit 0", in: folder)
            try "localhost slots=8\n".write(toFile: folder + "/hosts", atomically: true, encoding: .utf8)
            for (options, arguments) in [(["--threads", "3"], [String]()), (["--threads", "2"], ["--threads=3"])] {
                let result = try launch.run(
                    ["--hostfile", folder + "/hosts", "--dry-run"] + options,
                    smd: ["c.yaml", "--output", "x"] + arguments)
                #expect(result.status == 0 && result.output.contains(" --map-by slot:PE=3 "), "\(result)")
            }
        }
    }

    /// Any command that can use ranks: its words come to the program as they are, and it is started once.
    @Test(arguments: [
        (["sample", "x.h5", "--output", "s.h5", "-n", "5"], ["sample", "x.h5", "--output", "s.h5", "-n", "5"]),
        (["train", "c.yaml", "--output", "x"], ["train", "--threads", "2", "c.yaml", "--output", "x"]),
        (["doctor", "--threads=3"], ["doctor", "--threads", "2", "--threads=3"]),
        (
            ["dataset", "prepare", "images", "a b/", "--size", "8", "-o", "x.h5"],
            ["dataset", "prepare", "images", "a b/", "--size", "8", "-o", "x.h5"]
        ),
        (
            ["evaluate", "images", "s.h5", "--against", "d.h5", "--features", "pca:4"],
            ["evaluate", "images", "s.h5", "--against"]
        ),
    ])
    func otherCommands(arguments: [String], words: [String]) throws {
        try withTemporaryDirectory { folder in
            let launch = try ScriptedLaunch("printf '%s\\0' \"$@\" >>$run/words; exit 75", in: folder)
            try launch.writeLauncher()
            let result = try launch.run(["--threads", "2", "--restarts", "1"], smd: arguments)
            #expect(result.status == 75, "\(result)")
            let starts = arguments[0] == "train" ? 2 : 1
            #expect(launch.starts().count == starts, "\(launch.starts())")
            let given = try String(contentsOfFile: folder + "/run/words", encoding: .utf8).split(separator: "\0")
            #expect(given.prefix(words.count).map(String.init) == words, "\(given)")
        }
    }

    /// Threads that a command asks for are bound; of one without --threads, those of launch/run.
    @Test func threadsOfOtherCommands() throws {
        try withTemporaryDirectory { folder in
            let launch = try ScriptedLaunch("exit 0", in: folder)
            try "localhost slots=8\n".write(toFile: folder + "/hosts", atomically: true, encoding: .utf8)
            let options = ["--hostfile", folder + "/hosts", "--dry-run", "--threads", "3"]
            for (arguments, bound) in [
                (["sample", "x.h5", "--output", "s.h5"], 3), (["doctor"], 3), (["doctor", "--threads", "2"], 2),
                (["bench", "step", "--threads", "2"], 2),
            ] {
                let result = try launch.run(options, smd: arguments)
                let words = " --map-by slot:PE=\(bound) "
                #expect(result.status == 0 && result.output.contains(words), "\(arguments): \(result)")
                #expect(result.output.contains("/program \(arguments[0]) "), "\(arguments): \(result)")
            }
        }
    }

    /// Commands that would do the same work on every rank are refused before anything is started.
    @Test(arguments: [
        (["runs", "list"], "smd runs list"), (["dataset"], "smd dataset"),
        (["dataset", "prepare", "gaussian-grid", "--count", "5", "-o", "x.h5"], "smd dataset prepare gaussian-grid"),
        (["evaluate", "points", "a.h5", "--against", "b.h5"], "smd evaluate points"), (["plan", "grid"], "smd plan"),
    ])
    func commandsOfOneProcess(arguments: [String], name: String) throws {
        try withTemporaryDirectory { folder in
            let launch = try ScriptedLaunch("exit 0", in: folder)
            try launch.writeLauncher()
            let result = try launch.run(smd: arguments)
            #expect(result.status == 64 && launch.starts().isEmpty && result.output.isEmpty, "\(result)")
            let words = "smd: error: \(name) runs in one process: start it without launch/run, which is for "
            #expect(result.errors.hasPrefix(words), "\(result)")
            #expect(result.errors.split(separator: "\n").count == 1, "\(result)")
            for command in ["train", "sample", "doctor", "dataset prepare", "evaluate"] {
                #expect(result.errors.contains(command), "\(result)")
            }
        }
    }

    /// Samples on two ranks are those of one.
    @Test func samplesOnRanks() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            try run.train(1, run.command("out", "steps=1"))
            let sample = ["sample", run.path("out"), "-n", "3", "--steps", "2", "--output"]
            let alone = try TestSupport.run([product("smd")] + sample + [folder + "/one.h5"], timeout: 60)
            let script = ScriptedLaunch.launcher
            let ranks = try TestSupport.run(
                [script, "-n", "2"] + sample + [folder + "/two.h5"],
                environment: localMPISettings().merging(["SMD": product("smd")]) { $1 }, timeout: 60)
            #expect(alone.status == 0 && ranks.status == 0, "\(alone) \(ranks)")
            #expect(ranks.output == "\(folder)/two.h5: 3 samples\n", "\(ranks)")
            func images(_ name: String) throws -> [UInt8] {
                try HDF5File.open(folder + "/" + name).root.dataset("images").read(as: UInt8.self)
            }
            #expect(try images("one.h5") == images("two.h5"))
        }
    }

    @Test func absentProgram() throws {
        let command = ScriptedLaunch.command([]) + ["c.yaml", "--output", "x"]
        let result = try run(command, environment: ["SMD": "/nowhere/smd"], timeout: 60)
        #expect(result.status == 64 && result.errors.hasPrefix("run: there is no program '/nowhere/smd'"), "\(result)")
        #expect(result.errors.split(separator: "\n").count == 1)
    }
}
