import ArgumentParser
import DataSets
import Files
import Foundation
import Plots
import Reports
import Storage

/// `smd report`: a run as one page.
struct ReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Write all that is known of a run as one page of HTML that needs no other file and no network.",
        discussion: """
            State, curves, previews over time, samples, what evaluations found, the settings (those that differ from the \
            defaults first), the data set, machine and build; light or dark as the reader's system is. The same run gives \
            the same bytes. The data set is read where it still is at the place of the training, unless --no-data.

            EXAMPLES
              smd report runs/fashion --output fashion.html
              smd evaluate points samples.h5 --against grid.h5 --json > points.json
              smd report runs/grid --output grid.html --evaluation points.json --samples samples.png
            """)

    @Argument(help: ArgumentHelp("The folder of a run.", valueName: "run"), completion: .directory)
    var folder: String

    @Option(
        name: .shortAndLong, help: ArgumentHelp("The page to write.", valueName: "file.html"),
        completion: .file(extensions: ["html"]))
    var output: String

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("What smd evaluate … --json has printed.", valueName: "file.json"),
        completion: .file(extensions: ["json"]))
    var evaluation: [String] = []

    @Option(
        parsing: .upToNextOption, help: ArgumentHelp("Grids of samples.", valueName: "file.png"),
        completion: .file(extensions: ["png"]))
    var samples: [String] = []

    @Option(
        help: ArgumentHelp(
            "Weight of the past in the moving average over the curves, 0 to below 1.", valueName: "weight"))
    var smooth = 0.0

    @Flag(help: "Curves on a logarithmic scale.")
    var log = false

    @Flag(help: "Do not read the data set.")
    var noData = false

    @Flag(name: [.customShort("f"), .long], help: "Replace the page if it is there.")
    var overwrite = false

    func validate() throws {
        if !(0..<1).contains(smooth) { throw ValidationError("--smooth is \(smooth), wanted 0 or more and below 1") }
    }

    func run() throws {
        guard isFolder(folder), RunOverview.isRun(folder) else {
            throw CommandFailure(
                .badInput, "\(folder) is not the folder of a run: it holds no metrics and no checkpoint")
        }
        try requireWritable(output, overwrite: overwrite, inputs: evaluation + samples)
        try FileTrial.run(.run, folder)
        let metrics = Path.join(folder, "metrics.h5")
        if MetricsWriter.exists(metrics) { try FileTrial.run(.metrics, metrics) }
        var report = try RunReport(folder: folder)
        report.evaluations = try evaluation.map { try RunReport.Evaluation(path: $0) }
        report.samples = try samples.map { try RunReport.Picture(path: $0, caption: Path.name(of: $0)) }
        if let path = report.dataPath { report.dataSheet = noData ? [("path", path)] : dataSheet(path) }
        let page = report.page(PlotStyle(smoothing: smooth, isLogarithmic: log))
        try creatingOutput { try writeOutput(Array(page.utf8), to: output) }
        try printOut("\(output): the run \(folder)")
    }

    /// What the data set says of itself, or why it says nothing: it may be gone by now.
    private func dataSheet(_ path: String) -> [(name: String, value: String)] {
        do {
            try FileTrial.run(.dataset, path)
            return [("path", path)] + (try DataSet(path: path).summary())
        } catch {
            return [("path", path), ("not read", describeOnOneLine(error))]
        }
    }
}
