import ArgumentParser
import DataSets
import Files

/// `smd dataset prepare points`
struct PreparePoints: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "points",
        abstract: "Points from a text file, one a line, or an array of NumPy.",
        discussion: """
            Numbers of a text are separated by spaces, tabs or commas; # begins a comment, and a first line without numbers \
            is a title. An array (.npy) is N×D. Points are stored as they are: a model learns best when their coordinates \
            lie within about −1…1.

            EXAMPLES
              smd dataset prepare points swiss-roll.txt --output swiss-roll.h5
              smd dataset prepare points measured.csv --output measured.h5
              smd dataset prepare points embeddings.npy --output embeddings.h5
            """)

    @Argument(help: "Text file (.txt, .csv), or .npy.", completion: .file())
    var file: String

    @OptionGroup var output: DatasetOutputOptions

    func run() throws {
        let progress = WorkProgress("writing", unit: "points")
        let result = try output.preparation(["prepare", "points", file], source: file, progress: progress.update)
            .points(
                file: file)
        progress.finish()
        try printOut(printable("\(output.output): \(result.count) points of \(result.dimension) coordinates"))
    }
}
