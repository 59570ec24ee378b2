import ArgumentParser
import DataSets
import Files

/// What commands share that read arrays of images.
struct PixelArrayOptions: ParsableArguments {
    @Option(help: "Height and width of the images in the data set, in pixels; without it that of the array.")
    var size: Int?

    @Option(help: "1 for grey, 3 for colour; without it as in the array.")
    var channels: Int?

    @Option(help: "Order of the axes: NHWC or NCHW; found out where only one is possible.")
    var layout: PixelArray.Layout?

    @Option(
        help: ArgumentHelp(
            "The numbers that are black and white, such as 0,1 or 0,65535 (or --range=-1,1); 0,255 for bytes.",
            valueName: "low,high"))
    var range: NumberRange?

    @OptionGroup var images: ImagePreparationOptions
    @OptionGroup var output: DatasetOutputOptions

    func validate() throws { try checkSampleSize(size, channels) }

    var rules: PixelArrayRules {
        var rules = PixelArrayRules()
        (rules.layout, rules.range, rules.background) = (layout, range?.range, images.background.rgb)
        return rules
    }

    private var arguments: [String] {
        var arguments: [String] = []
        if let size { arguments += ["--size", "\(size)"] }
        if let channels { arguments += ["--channels", "\(channels)"] }
        if let layout { arguments += ["--layout", layout.rawValue] }
        if let range { arguments.append("--range=\(range)") }
        return arguments + images.arguments
    }

    /// Makes a data set of the images of an array.
    func prepare(
        _ arguments: [String], source path: String,
        _ open: () throws -> (source: any ImageSource, array: PixelArray)
    ) throws {
        try output.prepare(arguments + self.arguments, source: path) { preparation, report in
            let (source, sample) = try preparation.opened {
                let (source, array) = try open()
                return (source, try array.sample(size: size, channels: channels, path))
            }
            var rules = images.rules(size: sample.size, channels: sample.channels)
            // Sample i is image i of the array, unless some are left out.
            rules.keepsSources = rules.keepsSources && rules.duplicates == .drop
            return try preparation.images(from: source, rules, report: report)
                .words(size: sample.size, channels: sample.channels, dropped: rules.duplicates == .drop)
        }
    }
}

/// `smd dataset prepare npz`
struct PrepareNumPy: RankCommand {
    static let configuration = CommandConfiguration(
        commandName: "npz",
        abstract: "An array of images of NumPy: .npz or .npy.",
        discussion: """
            Images are N×H×W, N×H×W×C or N×C×H×W, with 1, 3 or 4 (alpha) channels, of bytes or, with --range, of any \
            numbers. In an .npz they are arr_0, as guided-diffusion writes its samples, or --images; labels are integers \
            under --labels. The array is read forward and need not fit into memory; Python objects are refused.

            EXAMPLES
              smd dataset prepare npz samples.npz --output samples.h5
              smd dataset prepare npz samples.npz --labels arr_1 --output labelled.h5
              smd dataset prepare npz faces.npy --range=-1,1 --layout NCHW --size 64 --output faces.h5
            """)

    @Argument(help: "File of arrays (.npz), or of one (.npy).", completion: .file(extensions: ["npz", "npy"]))
    var file: String

    @Option(name: .customLong("images"), help: ArgumentHelp("The array of images in an .npz.", valueName: "name"))
    var member = "arr_0"

    @Option(help: ArgumentHelp("The array of labels in an .npz.", valueName: "name"))
    var labels: String?

    @OptionGroup var options: PixelArrayOptions

    func run() throws {
        let isSingle = file.lowercased().hasBytes(suffix: ".npy")
        guard !isSingle || labels == nil else {
            throw CommandFailure(.usage, "\(file): an .npy holds one array, so there are no --labels in it")
        }
        let arguments =
            ["npz", file] + (member == "arr_0" ? [] : ["--images", member]) + (labels.map { ["--labels", $0] } ?? [])
        try options.prepare(arguments, source: file) {
            var rules = options.rules
            rules.labels = labels
            let source = try NumPyImages(path: file, member: isSingle ? nil : member, rules)
            return (source, source.array)
        }
    }
}

/// `smd dataset prepare hdf5`
struct PrepareHDF5: RankCommand {
    static let configuration = CommandConfiguration(
        commandName: "hdf5",
        abstract: "An array of images in any HDF5 file.",
        discussion: """
            Images are N×H×W, N×H×W×C or N×C×H×W, with 1, 3 or 4 (alpha) channels, of bytes or, with --range, of integers \
            or floats of any width and byte order. A file that has /images as uint8 N×H×W×C is a data set as it is.

            EXAMPLES
              smd dataset prepare hdf5 cells.h5 --images data/cells --labels data/type --range 0,65535 --output cells.h5
              smd dataset prepare hdf5 faces.hdf5 --images X --layout NCHW --range=-1,1 --size 64 --output faces.h5
            """)

    @Argument(help: "HDF5 file.", completion: .file(extensions: ["h5", "hdf5"]))
    var file: String

    @Option(name: .customLong("images"), help: ArgumentHelp("Path of the images in the file.", valueName: "name"))
    var dataset: String

    @Option(help: ArgumentHelp("Path of the labels in the file: an integer for each image.", valueName: "name"))
    var labels: String?

    @OptionGroup var options: PixelArrayOptions

    func run() throws {
        let arguments = ["hdf5", file, "--images", dataset] + (labels.map { ["--labels", $0] } ?? [])
        try options.prepare(arguments, source: file) {
            try FileTrial.run(.arrays, file, [dataset] + (labels.map { [$0] } ?? []))
            var rules = options.rules
            rules.labels = labels
            let source = try HDF5Images(path: file, dataset: dataset, rules)
            return (source, source.array)
        }
    }
}

/// Two numbers, the first below the second: "0,1".
struct NumberRange: ExpressibleByArgument, CustomStringConvertible {
    let range: ClosedRange<Double>
    let description: String

    init?(argument: String) {
        let numbers = argument.split(separator: ",", omittingEmptySubsequences: false).map { Double($0) }
        guard numbers.count == 2, let low = numbers[0], let high = numbers[1], low < high, low.isFinite, high.isFinite
        else { return nil }
        (range, description) = (low...high, argument)
    }
}
