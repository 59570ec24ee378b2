import ArgumentParser
import Files
import Foundation

/// `smd man`: the manual pages.
struct ManCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "man",
        abstract: "Write a manual page of each command, for man.",
        discussion: """
            FOLDER gets man1/smd.1, man1/smd-train.1 and so on, with the text of --help; the same build writes the same bytes. \
            man looks in ~/.local/share/man where ~/.local/bin is on PATH, and in the folders of MANPATH (see manpath(1)).

            EXAMPLES
              smd man --output ~/.local/share/man
              man smd-dataset-prepare
              smd man --output pages; MANPATH=pages: man smd train
            """)

    @Option(
        name: .shortAndLong, help: ArgumentHelp("Folder of pages; made if it is missing.", valueName: "folder"),
        completion: .directory)
    var output: String

    @Flag(name: [.customShort("f"), .long], help: "Replace files that smd has not written.")
    var overwrite = false

    func run() throws {
        let folder = Path.join(output, "man1")
        let pages = ManualPage.all(try CommandTree.whole())
        let files = pages.map { Path.join(folder, $0.name + ".1") }
        try creatingOutput {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        }
        for file in files {
            let present = try? String(contentsOfFile: file, encoding: .utf8)
            let isOurs = present?.hasBytes(prefix: ManualPage.mark) == true
            try requireWritable(file, overwrite: overwrite || isOurs)
        }
        for (file, page) in zip(files, pages) {
            try creatingOutput { try writeOutput(Array(page.text.utf8), to: file) }
        }
        try printOut("\(folder): \(pages.count) manual pages")
    }
}
