import ArgumentParser
import DataSets
import Files

/// `smd dataset prepare images`
struct PrepareImages: RankCommand {
    static let configuration = CommandConfiguration(
        commandName: "images",
        abstract: "The PNG, JPEG, WebP and TIFF files in a folder and its sub-folders, or in a zip or tar archive.",
        discussion: """
            Every image is scaled so that its short side is --size, and cropped to the centre, unless --fit, --crop and \
            --filter say otherwise. Images that all lie in sub-folders are labelled with the names of these; labels from a \
            dataset.json in the source, as StyleGAN and EDM have it, go before that, and --labels, --label-pattern and \
            --no-labels before both. What cannot be read (files, folders, links to nothing) is named, skipped, and listed \
            in the data set; hidden files are left out and counted. A folder and an archive of the same files give the same \
            samples.

            EXAMPLES
              smd dataset prepare images photos/ --size 64 --output photos.h5
              smd dataset prepare images photos.zip --size 64 --filter lanczos --output photos.h5
              smd dataset prepare images scans.tar.gz --size 128 --channels 1 --fit contain --strict --output scans.h5
              smd dataset prepare images birds/ --size 64 --labels birds.csv --duplicates drop --output birds.h5
              smd dataset prepare images imagenet/ --size 64 --label-pattern '^([^_]+)_' --output imagenet.h5
              mpirun -n 8 smd dataset prepare images huge/ --size 256 --shard-size 20000 --output huge.json --resume
            """)

    @Argument(
        help: ArgumentHelp("Folder, .zip, or .tar as it is or packed by gzip, bzip2, xz or zstd.", valueName: "source"))
    var folder: String

    @Option(help: "Height and width of the images in the data set, in pixels.")
    var size: Int

    @Option(help: "1 for grey, 3 for colour.")
    var channels = 3

    @Option(
        help: ArgumentHelp(
            "Labels: CSV of name,label, or JSON as StyleGAN has it; names are paths from the source.", valueName: "file"
        ),
        completion: .file())
    var labels: String?

    @Option(
        help: ArgumentHelp(
            "A regular expression; its first group in the name of an image, or all that matches, is the label.",
            valueName: "regex"))
    var labelPattern: String?

    @Flag(help: "No labels, whatever the source has.")
    var noLabels = false

    @OptionGroup var images: ImagePreparationOptions
    @OptionGroup var output: DatasetOutputOptions

    func validate() throws {
        try checkSampleSize(size, channels)
        guard [labels != nil, labelPattern != nil, noLabels].filter({ $0 }).count <= 1 else {
            throw ValidationError("--labels, --label-pattern and --no-labels exclude one another")
        }
    }

    private var labelRule: LabelRule {
        if noLabels { return .none }
        return labels.map { .list($0) } ?? labelPattern.map { .pattern($0) } ?? .automatic
    }

    func run() throws {
        var rules = images.rules(size: size, channels: channels)
        rules.labels = labelRule
        var arguments = ["images", folder, "--size", "\(size)", "--channels", "\(channels)"] + images.arguments
        if let labels { arguments += ["--labels", labels] }
        if let labelPattern { arguments += ["--label-pattern", labelPattern] }
        if noLabels { arguments.append("--no-labels") }
        try output.prepare(arguments, source: folder) { preparation, report in
            let isFile = (try? FileFacts(BytePath(folder)).kind) == .file
            let result =
                isFile
                ? try preparation.images(archive: folder, rules, report: report)
                : try preparation.images(folder: folder, rules, report: report)
            return result.words(size: size, channels: channels, dropped: images.duplicates == .drop)
        }
    }
}

/// `smd dataset prepare lmdb`
struct PrepareLMDB: RankCommand {
    static let configuration = CommandConfiguration(
        commandName: "lmdb",
        abstract: "Image files in an LMDB database, as LSUN comes.",
        discussion: """
            Values are image files, keys their names, in whose order the samples are. There are no labels.

            EXAMPLES
              smd dataset prepare lmdb church_outdoor_train_lmdb/ --size 64 --output church.h5
              mpirun -n 8 smd dataset prepare lmdb conference_room_train_lmdb/ --size 64 --resume --output conference.h5
            """)

    @Argument(help: "Folder that holds data.mdb, or such a file.", completion: .directory)
    var folder: String

    @Option(help: "Height and width of the images in the data set, in pixels.")
    var size: Int

    @Option(help: "1 for grey, 3 for colour.")
    var channels = 3

    @OptionGroup var images: ImagePreparationOptions
    @OptionGroup var output: DatasetOutputOptions

    func validate() throws { try checkSampleSize(size, channels) }

    func run() throws {
        let arguments = ["lmdb", folder, "--size", "\(size)", "--channels", "\(channels)"] + images.arguments
        try output.prepare(arguments, source: folder) { preparation, report in
            let source = try preparation.opened {
                try FileTrial.run(.lmdb, folder)
                return try LMDBImages(path: folder)
            }
            return try preparation.images(from: source, images.rules(size: size, channels: channels), report: report)
                .words(size: size, channels: channels, dropped: images.duplicates == .drop)
        }
    }
}
