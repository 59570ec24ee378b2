import ArgumentParser
import Files
import Foundation
import HDF5
import Plots
import Reports
import Storage

extension MetricsCommand {
    /// `smd metrics plot`.
    struct Plot: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Draw the metrics of runs as a picture, PNG or SVG by the name's ending.",
            discussion: """
                Without --columns: loss, gradient norm, learning rate, images per second, where the time of a step goes, \
                and the variance over η, as far as there are such columns; each a plot over the steps. Several runs are drawn over \
                each other, a colour each. The same metrics give the same bytes.

                EXAMPLES
                  smd metrics plot runs/fashion --output fashion.png
                  smd metrics plot runs/soft runs/vanilla --output both.svg --smooth 0.95 --log
                  smd metrics plot runs/fashion --output loss.svg --columns loss,seconds_compute_max
                """)

        @Argument(
            help: ArgumentHelp("Metrics files, or the folders of runs that hold one.", valueName: "run"),
            completion: .file(extensions: ["h5"]))
        var paths: [String]

        @Option(
            name: .shortAndLong, help: ArgumentHelp("The picture to write.", valueName: "file.png|file.svg"),
            completion: .file(extensions: ["png", "svg"]))
        var output: String

        @Option(help: ArgumentHelp("These columns, separated by commas.", valueName: "names"), completion: .columns)
        var columns: String?

        @Option(
            help: ArgumentHelp(
                "Draw a moving average over the values, which are then pale: weight of the past, 0 to below 1.",
                valueName: "weight"))
        var smooth = 0.0

        @Flag(help: "A logarithmic scale, which leaves out what is not above 0.")
        var log = false

        @Flag(name: [.customShort("f"), .long], help: "Replace the picture if it is there.")
        var overwrite = false

        func validate() throws {
            if !(0..<1).contains(smooth) {
                throw ValidationError("--smooth is \(smooth), wanted 0 or more and below 1")
            }
        }

        func run() throws {
            let isSVG = output.lowercased().hasBytes(suffix: ".svg")
            guard isSVG || output.lowercased().hasBytes(suffix: ".png") else {
                throw CommandFailure(
                    .usage, "\(output): plots are written as PNG or SVG; give a name that ends in .png or .svg")
            }
            let files = try paths.map(metricsFile)
            try requireWritable(output, overwrite: overwrite, inputs: files)
            let runs = try namedMetrics(paths, files)
            let style = PlotStyle(smoothing: smooth, isLogarithmic: log)
            let figure = try Figure.metrics(runs, columns: columns.map(columnNames))
            let scene = figure.scene(style)
            try creatingOutput {
                try writeOutput(isSVG ? Array(figure.svg(style).utf8) : scene.png(), to: output)
            }
            try printOut("\(output): the metrics of \(runs.count == 1 ? paths[0] : "\(runs.count) runs")")
        }
    }
}

/// Reads the metrics of several runs, each tried in a helper process before, under names that tell them apart.
///
/// - Throws: `HDF5Error`, `StorageError` or `CommandFailure`.
func namedMetrics(_ paths: [String], _ files: [String]) throws -> [NamedMetrics] {
    try zip(NamedMetrics.names(of: paths), files).map { name, file in
        NamedMetrics(name: name, table: try triedMetrics(file))
    }
}

/// Reads metrics that were tried in a helper process before.
///
/// - Throws: `HDF5Error` or `StorageError`.
func triedMetrics(_ file: String) throws -> MetricsTable {
    try FileTrial.run(.metrics, file)
    return try MetricsTable.read(file)
}
