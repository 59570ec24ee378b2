import Foundation
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
                    "[[ $start == 1 ]] && exit 75; '\(product("smd"))' \"$@\" --launch-facts >$run/facts", in: folder)
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

    @Test func absentProgram() throws {
        let command = ScriptedLaunch.command([]) + ["c.yaml", "--output", "x"]
        let result = try run(command, environment: ["SMD": "/nowhere/smd"], timeout: 60)
        #expect(result.status == 64 && result.errors.hasPrefix("run: there is no program '/nowhere/smd'"), "\(result)")
        #expect(result.errors.split(separator: "\n").count == 1)
    }
}
