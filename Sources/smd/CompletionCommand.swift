import ArgumentParser
import Files
import Foundation

/// `smd completion`: the TAB key.
struct CompletionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "completion",
        abstract: "Let the TAB key of bash, zsh or fish complete commands, options, keys, presets and columns.",
        discussion: """
            EXAMPLES
              smd completion install
              smd completion print --shell bash
            """,
        subcommands: [Install.self, Print.self])
}

/// The shell that is meant.
struct ShellOption: ParsableArguments {
    @Option(help: "The shell: bash, zsh or fish; default: that of SHELL.")
    var shell: CompletingShell?

    /// - Throws: `CommandFailure` where it is not said, and `SHELL` is another.
    func chosen() throws -> CompletingShell {
        guard let shell = shell ?? .ofUser else {
            let own = ProcessInfo.processInfo.environment["SHELL"] ?? ""
            throw CommandFailure(
                .usage, "your shell (SHELL is \"\(own)\") is none of bash, zsh and fish: say which with --shell")
        }
        return shell
    }
}

extension CompletionCommand {
    /// `smd completion print`.
    struct Print: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write the script that teaches a shell.",
            discussion: """
                EXAMPLES
                  source <(smd completion print --shell bash)
                  smd completion print --shell zsh > /usr/local/share/zsh/site-functions/_smd
                """)

        @OptionGroup var shell: ShellOption

        func run() throws { try printOut(shell.chosen().script) }
    }

    /// `smd completion install`.
    struct Install: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Put the script where the shell looks for it, and say what else it needs.",
            discussion: """
                The place is that of your own completions: ~/.local/share/bash-completion/completions/smd, \
                ~/.local/share/zsh/site-functions/_smd or ~/.config/fish/completions/smd.fish, or below XDG_DATA_HOME and \
                XDG_CONFIG_HOME. Files in which a shell starts are not touched: where one needs a line, it is printed. Run \
                it again after an update.

                EXAMPLES
                  smd completion install
                  smd completion install --shell zsh
                """)

        @OptionGroup var shell: ShellOption

        @Flag(name: [.customShort("f"), .long], help: "Replace a file that smd has not written.")
        var overwrite = false

        func run() throws {
            let shell = try shell.chosen()
            let (path, script) = (try shell.path(ProcessInfo.processInfo.environment), shell.script)
            let present = try? String(contentsOfFile: path, encoding: .utf8)
            if present?.hasSameBytes(as: script) == true {
                try printOut("\(path): is up to date")
            } else {
                let isOurs = present?.contains(CompletingShell.mark) == true
                try creatingOutput {
                    try FileManager.default.createDirectory(
                        atPath: Path.folder(of: path), withIntermediateDirectories: true)
                }
                try requireWritable(path, overwrite: overwrite || isOurs)
                try creatingOutput { try writeOutput(Array(script.utf8), to: path) }
                try printOut("\(path): completions of smd for \(shell.rawValue)")
            }
            if let start = shell.startLine(path) {
                try printOut("once, if it is not there, add this line to \(start.file):\n  \(start.line)")
            } else {
                try printOut("new shells use them")
            }
        }
    }
}
