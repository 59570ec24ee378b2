import ArgumentParser
import Files
import Foundation
import DataSets

/// `smd dataset`: makes data sets and looks at them.
struct DatasetCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dataset",
        abstract: "Make data sets for training, and look at them.",
        discussion: """
            A data set is an HDF5 file with /images (uint8, N×H×W×C), /points (float32, N×D) or latents (/mean and \
            /deviation, float32, N×h×w×Z), or a JSON manifest that lists several such files. HDF5 files from elsewhere that hold such an array can be used as they are.

            EXAMPLES
              smd dataset prepare fashion-mnist --output fashion-mnist.h5
              smd dataset prepare images photos/ --size 64 --channels 3 --output photos.h5
              smd dataset info photos.h5
              smd dataset preview photos.h5 --output photos.png
            """,
        subcommands: [
            DatasetPrepareCommand.self, DatasetInfoCommand.self, DatasetVerifyCommand.self, DatasetPreviewCommand.self,
            DatasetStatsCommand.self, DatasetDiffCommand.self, DatasetMergeCommand.self, DatasetSplitCommand.self,
            DatasetSubsetCommand.self, DatasetShuffleCommand.self, DatasetConvertCommand.self,
            DatasetExportCommand.self, DatasetEncodeCommand.self, DatasetDecodeCommand.self,
            DatasetDegradeCommand.self,
        ])
}

/// `smd dataset verify`
struct DatasetVerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Read all of a data set and compare it with the SHA-256 stored with it.",
        discussion: """
            Ends with status 0 only when everything could be read and is as it was written.

            EXAMPLES
              smd dataset verify fashion-mnist.h5
              smd dataset verify photos.json
            """)

    @Argument(help: "A data set: an HDF5 file or a manifest.", completion: .file())
    var file: String

    @Flag(help: "Write a JSON object with the file and a list of what was found.")
    var json = false

    @OptionGroup var quietness: QuietOption

    func run() throws {
        try FileTrial.run(.dataset, file)
        let progress = WorkProgress("verifying", unit: "samples")
        let report = try DataSet.verify(path: file, progress: progress.update)
        progress.finish()
        if json { return try printJSON(Found(file: file, found: report)) }
        try printOut(report.map { printable("\(file): \($0)") }.joined(separator: "\n"))
    }

    private struct Found: Encodable {
        let file: String
        let found: [String]
    }
}

/// `smd dataset preview`
struct DatasetPreviewCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "preview",
        abstract: "Draw samples of a data set as a PNG picture.",
        discussion: """
            Images are taken at equal distances from the whole set and laid out as a grid; two-dimensional points are \
            drawn as a cloud.

            EXAMPLES
              smd dataset preview fashion-mnist.h5 --output fashion-mnist.png
              smd dataset preview fashion-mnist.h5 --output large.png --count 100 --columns 20 --scale 3
            """)

    @Argument(help: "A data set: an HDF5 file or a manifest.", completion: .file())
    var file: String

    @Option(
        name: .shortAndLong, help: ArgumentHelp("The picture to write.", valueName: "grid.png"),
        completion: .file(extensions: ["png"]))
    var output: String

    @Option(
        name: [.customShort("n"), .long],
        help: "Images or points to show at most; 64 images or 100000 points without it.")
    var count: Int?

    @Option(help: "Images in a row.")
    var columns = 8

    @Option(help: "Pixels of the picture along each side of a pixel.")
    var scale = 1

    @Flag(name: [.customShort("f"), .long], help: "Replace the picture if it exists.")
    var overwrite = false

    func validate() throws {
        if let count, count < 1 { throw ValidationError("--count must be at least 1, not \(count)") }
        guard columns >= 1 else { throw ValidationError("--columns must be at least 1, not \(columns)") }
        guard (1...64).contains(scale) else { throw ValidationError("--scale must be 1 to 64, not \(scale)") }
    }

    func run() throws {
        try requirePicture(output, overwrite: overwrite, inputs: [file])
        try FileTrial.run(.dataset, file)
        // Only a few samples are read: no need to hold the set in memory.
        let set = try DataSet(path: file, memoryLimitBytes: 0)
        switch set.sample {
        case .image(let height, let width, let channels, _):
            let shown = min(count ?? 64, set.count)
            let visible = channels < 3 ? 1 : 3
            let (rows, across) = ((shown + columns - 1) / columns, min(columns, shown))
            guard max(rows * (height * scale + 2), across * (width * scale + 2)) < RasterImage.maximumSide else {
                throw DataSetError(
                    "\(output): a picture of \(shown) images would be too large; lower --scale, --columns or --count")
            }
            let images = try Self.spread(shown, of: set.count).flatMap { index in
                try RasterImage.visible(set.pixels(index), channels: channels)
            }
            let grid = imageGrid(
                images, of: (height, width, visible), columns: columns, scale: scale)
            try PNG.write(grid.pixels, height: grid.height, width: grid.width, channels: visible, to: output)
            try printOut(printable("\(output): \(shown) of \(set.count) images"))
        case .latent:
            throw DataSetError("\(file): latents are no pictures; make images of them with: smd dataset decode")
        case .point(let dimension):
            guard dimension >= 2 else {
                throw DataSetError("\(file): points of \(dimension) coordinate cannot be drawn; 2 or more are wanted")
            }
            let shown = min(count ?? 100_000, set.count)
            var point = [Float](repeating: 0, count: dimension)
            let points = try Self.spread(shown, of: set.count).flatMap { index in
                try point.withUnsafeMutableBufferPointer { try set.read(index, flip: false, into: $0) }
                return [point[0], point[1]]
            }
            let plot = pointPlot(points, size: min(512 * scale, 8192))
            try PNG.write(plot.pixels, height: plot.height, width: plot.width, channels: 1, to: output)
            let part = dimension > 2 ? ", their first two coordinates" : ""
            try printOut(printable("\(output): \(shown) of \(set.count) points\(part)"))
        }
    }

    /// `shown` numbers below `count` at equal distances, from the first on.
    private static func spread(_ shown: Int, of count: Int) -> [Int] { (0..<shown).map { $0 * count / shown } }
}
