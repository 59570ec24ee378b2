import Foundation
import TestSupport
import Testing

/// What all commands share: results on standard output, the rest on standard error; short options; colours.
@Suite struct ConventionTests {
    // MARK: Streams

    private static let settings = """
        steps: 3
        batch_size: 4
        preview_every: 0
        eta_variance_every: 0
        model: \(smallPointModel)
        diffusion: {timesteps: 1000, sampling_steps: 10, sampler: ancestral, flip: false, clip_denoised: false}
        """

    /// Calls `body` with a folder that holds `run.yaml` and its data set.
    private func withConfiguration(_ body: (_ folder: String, _ train: [String]) throws -> Void) throws {
        try withTemporaryDirectory { folder in
            let config = folder + "/run.yaml"
            try Self.settings.write(toFile: config, atomically: true, encoding: .utf8)
            let made = try smd(["dataset", "prepare", "gaussian-grid", "-n", "40", "-o", folder + "/grid.h5"])
            try #require(made.status == 0, "\(made)")
            try body(folder, ["train", config, "--set", "data=\(folder)/grid.h5", "-o", folder + "/run"])
        }
    }

    @Test func resultsAndMessagesOfARun() throws {
        try withConfiguration { folder, train in
            let checkpoint = folder + "/run/checkpoints/step-00000003.h5"
            let result = try smd(train)
            let line = try #require(
                result.output.wholeMatch(of: /(.*): step 3 of 3, loss (.*), newest checkpoint (.*)\n/))
            #expect(line.1 == folder + "/run" && Double(line.2) != nil && line.3 == checkpoint, "\(result)")
            #expect(result.errors.contains("step 3/3  loss "), "\(result)")
            #expect(result.errors.contains("saved \(checkpoint)"), "\(result)")

            let more = try smd(train + ["--resume", "auto", "--set", "steps=5", "--quiet", "--json"])
            let found = try object(more.output)
            #expect(more.status == 0 && more.errors.isEmpty, "\(more)")
            #expect(found["step"] as? Int == 5 && found["steps"] as? Int == 5 && found["finished"] as? Bool == true)
            #expect(found["run"] as? String == folder + "/run" && found["loss"] is Double, "\(more)")
            #expect(found["checkpoint"] as? String == checkpoint.replacing("3.h5", with: "5.h5"), "\(more)")

            let nothing = try smd(train + ["--resume", "auto", "--set", "steps=5", "-q"])
            #expect(
                nothing.output.contains(": step 5 of 5, newest checkpoint ") && nothing.errors.isEmpty, "\(nothing)")
            // Errors are never silenced.
            let refused = try smd(train + ["-q"])
            #expect(refused.status == 73 && refused.errors.contains("already holds a run"), "\(refused)")
        }
    }

    /// A run that is stopped tells where it stands, and the status that it is not done.
    @Test func resultOfAStoppedRun() throws {
        try withConfiguration { folder, train in
            let long = ["--set", "steps=1000000", "--max-hours", "0.0001", "--json", "--quiet"]
            let result = try smd(train + long)
            let found = try object(result.output)
            #expect(result.status == 75 && result.errors.isEmpty, "\(result)")
            #expect(found["finished"] as? Bool == false && found["step"] as? Int ?? 0 > 0, "\(result)")
            // Where standard output is full, the status still says that the run can go on.
            let words = [product("smd")] + train + ["--resume", "auto"] + long
            let full = try run(["sh", "-c", "\"$@\" >/dev/full", "sh"] + words, timeout: 60)
            #expect(full.status == 75 && full.errors.contains("warning: cannot write to standard output"), "\(full)")
        }
    }

    /// Every command that writes a file names it on standard output, and nothing else goes there.
    @Test func whatIsWrittenIsNamed() throws {
        try withConfiguration { folder, train in
            let trained = try smd(train)
            try #require(trained.status == 0, "\(trained)")
            let place = folder + "/run"
            for (arguments, name) in [
                (["sample", place, "-n", "3"], "s.h5"), (["checkpoint", "export", place], "w.safetensors"),
                (["checkpoint", "import", folder + "/w.safetensors"], "i.h5"),
                (["checkpoint", "average", place, place], "a.h5"), (["metrics", "plot", place], "p.png"),
                (["metrics", "export", place, "--format", "csv"], "m.csv"), (["report", place], "r.html"),
                (["dataset", "preview", folder + "/grid.h5"], "g.png"),
                (["dataset", "subset", folder + "/grid.h5", "-n", "5"], "f.h5"),
            ] {
                let output = folder + "/" + name
                let first = try smd(arguments + ["-o", output])
                #expect(first.status == 0 && first.output.hasPrefix("\(output): "), "\(arguments): \(first)")
                #expect(first.output.split(separator: "\n").count == 1, "\(arguments): \(first)")
                let again = try smd(arguments + ["-o", output])
                #expect(again.status == 73 && again.output.isEmpty, "\(arguments): \(again)")
                let over = try smd(arguments + ["-fo", output])
                #expect(over.status == 0 && over.output == first.output, "\(arguments): \(over)")
            }
            let sampled = ["sample", place, "-o", folder + "/s.h5", "-f"]
            #expect(try smd(sampled).errors.contains("smd: taking "))
            #expect(try smd(sampled + ["-q"]).errors.isEmpty)
        }
    }

    // MARK: Options

    /// What the command line is, as the argument parser tells tools.
    private struct Tool: Decodable { let command: Command }
    private struct Command: Decodable {
        struct Argument: Decodable {
            struct Name: Decodable {
                let kind: String
                let name: String
            }
            let names: [Name]?
        }
        let commandName: String
        let subcommands: [Command]?
        let arguments: [Argument]?

        /// This and all below, with the words that lead there.
        func all(_ words: [String] = []) -> [(words: String, command: Command)] {
            let words = words + [commandName]
            return [(words.joined(separator: " "), self)] + (subcommands ?? []).flatMap { $0.all(words) }
        }
    }

    /// A short option means the same everywhere, and is there wherever the long one is.
    @Test func shortOptions() throws {
        let text = try smd(["--experimental-dump-help"]).output
        let commands = try JSONDecoder().decode(Tool.self, from: Data(text.utf8)).command.all()
        #expect(commands.count > 50)
        let shorts = ["output": "o", "overwrite": "f", "quiet": "q", "count": "n", "help": "h"]
        var seen: [String: Int] = [:]
        for (words, command) in commands {
            for argument in command.arguments ?? [] {
                let names = argument.names ?? []
                let short = names.first { $0.kind == "short" }?.name
                let long = names.first { $0.kind == "long" }?.name
                let wanted = long.flatMap { shorts[$0] }
                #expect(short == wanted, "\(words): --\(long ?? "") has \(short.map { "-" + $0 } ?? "no short name")")
                if let wanted { seen[wanted, default: 0] += 1 }
            }
        }
        #expect(seen.values.allSatisfy { $0 > 8 } && seen.count == shorts.count, "\(seen)")
    }

    /// launch/run starts the commands that share their work among ranks, and no others.
    @Test func commandsOfSeveralRanks() throws {
        let sources = ["images", "idx", "cifar", "npz", "hdf5", "lmdb", "fashion-mnist", "latents"]
        let figures = [
            "oracle", "images", "spread", "classifier", "autoencoder", "variance", "nll", "gap", "partition",
        ]
        let wanted = Set(
            ["train", "sample", "doctor", "bench step", "bench sample", "bench allreduce"]
                + figures.map { "evaluate " + $0 }
                + sources.map { "dataset prepare " + $0 } + [
                    "dataset encode", "dataset decode", "dataset degrade", "restore", "encode", "decode", "translate",
                ])
        let text = try smd(["--experimental-dump-help"]).output
        let all = try JSONDecoder().decode(Tool.self, from: Data(text.utf8)).command.all()
        let names = all.filter { ($0.command.subcommands ?? []).isEmpty }.map { $0.words.dropFirst("smd ".count) }
        #expect(wanted.isSubset(of: Set(names.map(String.init))))
        for name in names where !name.hasPrefix("help") && name != "launch-facts" {
            // Arguments that are missing are found later.
            let words = name.split(separator: " ").map(String.init)
            let result = try run(
                ["bash", "-c", "printf '%s\\0' \"${@:2}\" | \"$1\" launch-facts --threads 1", "bash", product("smd")]
                    + words, timeout: 60)
            let isRefused = result.errors.contains("smd \(name) runs in one process")
            #expect(isRefused == !wanted.contains(String(name)), "\(name): \(result)")
        }
    }

    /// A name that promises another format is no place for samples.
    @Test func samplesAreNotWrittenAsWhatTheyAreNot() throws {
        for name in ["a.npy", "a.PNG", "a.csv"] {
            let result = try smd(["sample", "absent.h5", "--output", name])
            #expect(result.status == 64 && result.errors.contains("samples are not written as"), "\(result.errors)")
        }
    }

    // MARK: Colours

    @Test func colorsOnDemand() throws {
        try withConfiguration { folder, train in
            let trained = try smd(train + ["--color", "always"])
            #expect(trained.errors.contains("\u{1B}[2mstep\u{1B}[0m 3/3") && !trained.output.contains("\u{1B}"))
            let show = ["metrics", "show", folder + "/run"]
            for color in ["auto", "never"] {
                #expect(try !smd(show + ["--color", color]).output.contains("\u{1B}"))
            }
            let colors = try smd(show + ["--color", "always"], environment: ["NO_COLOR": "1"])
            #expect(colors.output.contains("\u{1B}[34m") && colors.output.contains("\u{1B}[0m"), "\(colors)")
            let doctor = ["doctor", "-o", folder + "/new"]
            #expect(try smd(doctor + ["--color", "always"]).output.contains("\u{1B}[32mok       \u{1B}[0m"))
            #expect(try !smd(doctor).output.contains("\u{1B}"))
            #expect(try smd(show + ["--color", "blue"]).status == 64)
        }
    }
}
