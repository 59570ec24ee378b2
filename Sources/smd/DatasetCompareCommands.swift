import ArgumentParser
import DataSets
import Files
import Foundation

/// `smd dataset export`
struct DatasetExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Samples as other programs take them: a folder or zip of PNG files, or an array of NumPy.",
        discussion: """
            A name that ends in .npz gets arr_0 (uint8 N×H×W×C, or float32 N×D of points) and arr_1 (labels), as \
            guided-diffusion has them; one that ends in .zip, or a folder, PNG files and dataset.json, as StyleGAN and EDM \
            have them. torch-fidelity, pytorch-fid and clean-fid read such folders.

            EXAMPLES
              smd dataset export photos.h5 --output photos/
              smd dataset export photos.h5 --output photos.zip
              smd dataset export samples.h5 --output samples.npz
            """)

    @Argument(help: "A data set.", completion: .file(extensions: ["h5", "json"]))
    var file: String

    @Option(
        name: .shortAndLong, help: ArgumentHelp("FILE.npz, FILE.zip, or a folder.", valueName: "output"),
        completion: .file())
    var output: String

    @Flag(name: [.customShort("f"), .long], help: "Replace a file that exists; a folder must be new or empty.")
    var overwrite = false

    @OptionGroup var quietness: QuietOption

    func run() throws {
        try FileTrial.run(.dataset, file)
        let set = try DataSet(path: file)
        let export = try set.export(to: output)
        try export.check(overwrite: overwrite)
        let progress = WorkProgress("writing", unit: "samples")
        try export.write(overwrite: overwrite, progress: progress.update)
        progress.finish()
        try printOut(printable("\(output): \(set.count) \(set.sample.kind)"))
    }
}

/// `smd dataset diff`
struct DatasetDiffCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff",
        abstract: "Say which samples two data sets do not share.",
        discussion: """
            Samples are compared bit by bit, labels by their names. Ends with status 0 where everything is the same in the \
            same order, 1 where something differs, and 64 or more where a set cannot be read.

            EXAMPLES
              smd dataset diff old.h5 new.h5
              smd dataset diff old.h5 new.h5 --quiet && echo same
            """)

    @Argument(help: "A data set.", completion: .file(extensions: ["h5", "json"]))
    var first: String

    @Argument(help: "Another.", completion: .file(extensions: ["h5", "json"]))
    var second: String

    @OptionGroup var silence: SilenceOption

    @Flag(help: "Write a JSON object with the places of all samples that differ.")
    var json = false

    func run() throws {
        for file in [first, second] { try FileTrial.run(.dataset, file) }
        let progress = WorkProgress("comparing", unit: "samples")
        let found = try DataSetComparison(DataSet(path: first), DataSet(path: second), progress: progress.update)
        progress.finish()
        if !silence.quiet {
            if json { try printJSON(found) } else { try printOut(lines(found).joined(separator: "\n")) }
        }
        guard found.isSame else { throw ExitCode(1) }
    }

    private func lines(_ found: DataSetComparison) -> [String] {
        if found.isSame { return ["the same \(found.counts[0]) samples in the same order"] }
        func places(_ list: [Int]) -> String {
            list.prefix(10).map(String.init).joined(separator: ", ") + (list.count > 10 ? ", …" : "")
        }
        var lines: [String] = []
        if found.counts[0] != found.counts[1] { lines.append("\(found.counts[0]) samples, and \(found.counts[1])") }
        if found.isReordered { lines.append("the same samples in another order") }
        if let changed = found.changed, !changed.isEmpty, !found.isReordered {
            lines.append("\(changed.count) samples differ at their places: \(places(changed))")
        }
        if !found.onlyInFirst.isEmpty {
            lines.append("\(found.onlyInFirst.count) only in \(first): \(places(found.onlyInFirst))")
        }
        if !found.onlyInSecond.isEmpty {
            lines.append("\(found.onlyInSecond.count) only in \(second): \(places(found.onlyInSecond))")
        }
        if !found.relabelled.isEmpty {
            lines.append("\(found.relabelled.count) samples have another label: \(places(found.relabelled))")
        }
        if found.labelsMissing { lines.append("only one of them has labels") }
        return lines.map { printable($0) }
    }
}

/// `smd dataset stats`
struct DatasetStatsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stats",
        abstract: "Moments, classes, copies and near-constant images of a data set.",
        discussion: """
            Moments are those of each channel over all pixels, 0 to 255, or of each coordinate of points. An image is near \
            constant when no channel deviates by a level. The picture shows the mean of the images of each label.

            EXAMPLES
              smd dataset stats photos.h5
              smd dataset stats photos.h5 --json --plot means.png
            """)

    @Argument(help: "A data set.", completion: .file(extensions: ["h5", "json"]))
    var file: String

    @Option(
        help: ArgumentHelp("Draw the mean image of each label.", valueName: "file.png"),
        completion: .file(extensions: ["png"]))
    var plot: String?

    @Flag(name: [.customShort("f"), .long], help: "Replace the picture if it exists.")
    var overwrite = false

    @Flag(help: "Write a JSON object.")
    var json = false

    @OptionGroup var quietness: QuietOption

    func run() throws {
        if let plot { try requirePicture(plot, overwrite: overwrite, inputs: [file]) }
        try FileTrial.run(.dataset, file)
        let set = try DataSet(path: file)
        let progress = WorkProgress("measuring", unit: "samples")
        let found = try DataSetStatistics(set, progress: progress.update)
        progress.finish()
        if let plot { try draw(found, set, plot) }
        if json { return try printJSON(found) }
        var lines = ["\(found.count) \(set.sample.words)", "channel      mean  deviation   minimum   maximum"]
        for (index, channel) in found.channels.enumerated() {
            let numbers = [channel.mean, channel.deviation, channel.minimum, channel.maximum]
            lines.append(String(format: "%7d ", index) + numbers.map { String(format: "%10.4f", $0) }.joined())
        }
        for label in found.classes ?? [] {
            lines.append(printable("\(label.name ?? "label \(label.label)"): \(label.count)"))
        }
        if case .image = set.sample {
            lines.append(line("near-constant images", found.nearConstantCount, found.nearConstant))
        }
        lines.append(line("exact copies of others", found.duplicateCount, found.duplicates.map { $0[0] }))
        try printOut(lines.joined(separator: "\n"))
    }

    private func line(_ what: String, _ count: Int, _ places: [Int]) -> String {
        let shown = places.prefix(10).map(String.init).joined(separator: ", ")
        return "\(what): \(count)" + (count == 0 ? "" : " (\(shown)\(count > 10 ? ", …" : ""))")
    }

    private func draw(_ found: DataSetStatistics, _ set: DataSet, _ path: String) throws {
        guard case .image(let height, let width, let channels, _) = set.sample else {
            throw CommandFailure(.usage, "--plot: \(set.sample.kind) have no mean image")
        }
        let visible = channels < 3 ? 1 : 3
        let images = found.means.flatMap { mean in
            RasterImage.visible(mean.map { UInt8(min(max($0.rounded(), 0), 255)) }, channels: channels)
        }
        let grid = imageGrid(images, of: (height, width, visible), columns: 10)
        try PNG.write(grid.pixels, height: grid.height, width: grid.width, channels: visible, to: path)
    }
}
