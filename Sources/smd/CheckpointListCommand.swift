import ArgumentParser
import Files
import Reports
import Storage

/// `smd checkpoint list`.
struct CheckpointListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the checkpoints of a run: step, time, size, and whether they seem whole.",
        discussion: """
            Reads names, sizes and the first 512 bytes of each file, no more: a file is called intact where these agree. \
            That every byte is right is what smd checkpoint verify finds out. Temporary files are those of a save under \
            way, or of one that was killed; the next save removes the latter. Ends with status 65 where a file is damaged.

            EXAMPLES
              smd checkpoint list runs/fashion
              smd checkpoint list runs/fashion --json | jq -r '.checkpoints[] | select(.state == "intact") | .path'
            """)

    @Argument(
        help: ArgumentHelp("The folder of a run, or of its checkpoints.", valueName: "run"), completion: .directory)
    var folder: String

    @Flag(help: "Write JSON.")
    var json = false

    func run() throws {
        let place = try checkpointPlace(self.folder)
        let list = CheckpointList(folder: place, try CheckpointFolder(path: place).entries())
        if json { try printJSON(list) } else { try printOut(list.text) }
        guard list.damaged > 0 else { return }
        throw CommandFailure(.badInput, "\(list.damaged) of \(list.checkpoints.count) files in \(place) are damaged")
    }
}

/// The folder that holds the checkpoints of the run at `path`: `path/checkpoints` where there is one, or `path` itself.
///
/// - Throws: `CommandFailure` where `path` is no folder.
func checkpointPlace(_ path: String) throws -> String {
    guard isFolder(path) else {
        throw CommandFailure(.badInput, "\(path) is not the folder of a run, nor of checkpoints")
    }
    let inside = Path.join(path, "checkpoints")
    return isFolder(inside) ? inside : path
}
