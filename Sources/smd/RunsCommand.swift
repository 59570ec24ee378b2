import ArgumentParser
import Files
import Foundation
import Reports
import Storage

/// `smd runs`: looks at several runs.
struct RunsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "runs",
        abstract: "List runs, and compare their settings.",
        discussion: """
            EXAMPLES
              smd runs list runs
              smd runs diff runs/soft runs/vanilla
            """,
        subcommands: [List.self, Diff.self])

    /// `smd runs list`.
    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the runs in a folder and the folders in it, a row each.",
            discussion: """
                Reads the end of the metrics and the header of the newest checkpoint alone, so that it takes no longer for a long \
                run. "finished" has done all its steps, "running" is held by a job, "stopped" is neither, "unknown" is \
                on a file system without locks, "damaged" has metrics or a newest checkpoint that cannot be read: status 65, \
                and a line says why. Checkpoints are not verified.

                EXAMPLES
                  smd runs list runs
                  smd runs list runs --json | jq -r '.runs[] | select(.state == "stopped") | .path'
                """)

        @Argument(help: "A folder with runs in it, or a run.", completion: .directory)
        var folder = "."

        @Flag(help: "Write JSON.")
        var json = false

        func run() throws {
            guard isFolder(folder) else { throw CommandFailure(.badInput, "there is no folder \(folder)") }
            let found = try comparing { try RunOverview.runs(in: folder) }
            // All at once: a helper process for each would take longer than the work.
            let areSound = (try? FileTrial.run(.run, folder)) != nil
            let runs = found.map { run in
                RunOverview(run.path, name: run.name, damage: areSound ? nil : Self.damage(of: run.path))
            }
            if json {
                try printJSON(Listing(runs: runs))
            } else if runs.isEmpty {
                try printOut("there are no runs in \(folder)")
            } else {
                try printOut(RunOverview.table(runs))
            }
            if runs.contains(where: { $0.state == .damaged }) { throw ExitCode(ExitStatus.badInput.rawValue) }
        }

        /// Why the files of a run cannot be read safely.
        private static func damage(of run: String) -> String? {
            do {
                try FileTrial.run(.run, run)
                return nil
            } catch {
                return "\(error)"
            }
        }

        private struct Listing: Encodable {
            let runs: [RunOverview]
        }
    }

    /// `smd runs diff`.
    struct Diff: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the settings in which two runs differ, and no others.",
            discussion: """
                Of a run its newest checkpoint is taken, which holds the whole configuration; a checkpoint can be given \
                instead. Ends with status 0 where all settings and the data are the same, 1 where they differ, 64 or more \
                where that cannot be told.

                EXAMPLES
                  smd runs diff runs/soft runs/vanilla
                  smd runs diff runs/a runs/b --json | jq -r '.settings[].key'
                """)

        @Argument(help: ArgumentHelp("The folder of a run, or a checkpoint.", valueName: "run"))
        var first: String

        @Argument(help: ArgumentHelp("The same of the other run.", valueName: "run"))
        var second: String

        @OptionGroup var silence: SilenceOption

        @Flag(help: "Write JSON.")
        var json = false

        func run() throws {
            let difference = try comparing {
                try RunDifference(triedHeader(first), triedHeader(second), names: (first, second))
            }
            if !silence.quiet {
                if json {
                    try printJSON(difference, Sameness(same: difference.isSame))
                } else {
                    let names = NamedMetrics.names(of: [first, second])
                    try printOut(difference.text((names[0], names[1])))
                }
            }
            if !difference.isSame { throw ExitCode(1) }
        }
    }
}

/// What a checkpoint, or the newest one of a run, says of itself, read in a helper process before; its tensors are not
/// verified.
///
/// - Throws: `HDF5Error`, `StorageError` or `CommandFailure`.
func triedHeader(_ path: String) throws -> CheckpointHeader {
    var file = path
    if isFolder(path) {
        let checkpoints = CheckpointFolder(path: Path.join(path, "checkpoints"))
        guard let newest = try checkpoints.steps().last else {
            throw CommandFailure(.badInput, "\(path) holds no checkpoint, where the settings of a run are")
        }
        file = checkpoints.path(step: newest)
    } else if (try? FileFacts(BytePath(path))) == nil {
        throw CommandFailure(.badInput, "there is no run folder or file \(path)")
    }
    try FileTrial.run(.checkpointOutline, file)
    return try CheckpointFile(file, isVerified: false).header
}
