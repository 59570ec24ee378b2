import TestSupport
import Testing

/// Help, version and what a wrong command line leads to.
@Suite struct RootCommandTests {
    /// Names of the subcommands in a help text, with the words of the command they belong to.
    private func subcommands(of command: [String], in help: String) -> [[String]] {
        let lines = help.components(separatedBy: "\n").drop { $0 != "SUBCOMMANDS:" }.dropFirst()
        return lines.prefix { $0.hasPrefix("  ") }.filter { !$0.hasPrefix("    ") }.compactMap { line in
            line.split(separator: " ").first.map { command + [String($0)] }
        }
    }

    @Test func helpOfEveryCommandHasExamples() throws {
        var pending: [[String]] = [[]]
        var seen: [String] = []
        while let command = pending.popLast() {
            let help = try smd(command + ["--help"])
            let name = (["smd"] + command).joined(separator: " ")
            #expect(help.status == 0 && help.errors.isEmpty, "\(name): \(help.errors)")
            let children = subcommands(of: command, in: help.output)
            // An example is an indented line that can be copied into a shell.
            let example = command.first == nil ? "  smd " : "smd \(command[0]) "
            let lines = help.output.components(separatedBy: "\n").prefix { !$0.hasPrefix("USAGE:") }
            let isInnerGroup = command.count > 1 && !children.isEmpty
            #expect(
                isInnerGroup || lines.contains { $0.hasPrefix("  ") && $0.contains(example) },
                "\(name) shows no example")
            #expect(help.output.contains("USAGE: \(name)"), "\(name) shows no usage")
            #expect(!hasControlCharacters(help.output))
            seen.append(name)
            pending += children
        }
        #expect(seen.contains("smd checkpoint inspect"))
        #expect(seen.contains("smd metrics show"))
        #expect(seen.contains("smd dataset"))
    }

    @Test func rootHelp() throws {
        let help = try smd(["--help"]).output
        #expect(help.contains("Train Soft Mixture Denoising diffusion models on CPU clusters"))
        #expect(help.contains("mpirun -n 4 smd train launch/presets/fashion.yaml --output runs/fashion"))
        #expect(help.contains("Exit status: 0 success, 1 failure, 64 wrong command line"))
        #expect(try smd([]).output == help)
        #expect(try smd(["help"]).output == help)
    }

    @Test func version() throws {
        let result = try smd(["--version"])
        #expect(result.status == 0)
        #expect(result.output.wholeMatch(of: /[0-9]+\.[0-9]+\.[0-9]+\n/) != nil)
    }

    @Test(arguments: [
        (["nonsense"], "(see smd --help)"),
        (["checkpoint", "inspect"], "(see smd checkpoint inspect --help)"),
        (["metrics", "show", "x.h5", "--last", "many"], "(see smd metrics show --help)"),
        (["metrics", "show", "x.h5", "--last", "0"], "(see smd metrics show --help)"),
        (["metrics", "show", "x.h5", "--colums", "loss"], "(see smd metrics show --help)"),
        (["metrics", "follow", "a\u{1B}[31m\nb", "c"], "(see smd metrics follow --help)"),
    ])
    func wrongCommandLines(arguments: [String], hint: String) throws {
        let result = try smd(arguments)
        #expect(result.status == 64)
        #expect(result.output.isEmpty)
        #expect(result.errors.hasPrefix("smd: error: ") && result.errors.hasSuffix(hint + "\n"), "\(result.errors)")
        #expect(result.errors.filter { $0 == "\n" }.count == 1)
        #expect(!hasControlCharacters(result.errors))
    }

    @Test func aFullDiskBehindStandardOutputIsSaid() throws {
        try withTemporaryDirectory { folder in
            let path = try writeCheckpoint(in: folder)
            let result = try run(
                ["sh", "-c", "\"$0\" checkpoint inspect \"$1\" > /dev/full", product("smd"), path], timeout: 60)
            #expect(result.status == 73)
            #expect(result.errors.hasPrefix("smd: error: cannot write to standard output"))
        }
    }
}
