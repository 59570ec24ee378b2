import ArgumentParser
import Configuration
import Files
import Foundation
import DataSets

/// `smd dataset prepare`
struct DatasetPrepareCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prepare",
        abstract: "Make a data set from images, points or a known distribution.",
        discussion: """
            The same input gives the same file, byte for byte. An existing file is never touched without --overwrite, \
            and a file appears under its name only when it is whole.
            """,
        subcommands: [
            PrepareFashionMNIST.self, PrepareImages.self, PreparePoints.self, PrepareGaussianGrid.self,
            PrepareGaussianRing.self, PrepareCheckerboard.self,
        ])
}

/// What all `prepare` commands share.
struct DatasetOutputOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("The data set to write: FILE.h5, or FILE.json with --shard-size.", valueName: "file"),
        completion: .file(extensions: ["h5", "json"]))
    var output: String

    @Option(help: ArgumentHelp("Most samples of a file; more files are made, and a manifest that lists them."))
    var shardSize: Int?

    @Flag(help: "Replace files that exist.")
    var overwrite = false

    func validate() throws {
        if let shardSize, shardSize < 1 {
            throw ValidationError("--shard-size must be at least 1, not \(shardSize)")
        }
        if (shardSize != nil) != output.hasBytes(suffix: ".json") {
            throw ValidationError(
                shardSize != nil
                    ? "with --shard-size the output is a manifest: give it a name that ends in .json"
                    : "a name that ends in .json is for a manifest: give --shard-size too, or a name that ends in .h5")
        }
    }

    /// `arguments` make the same data set again; they are stored in it.
    func preparation(
        _ arguments: [String], source: String, progress: WorkProgress
    ) -> Preparation {
        let sharding = shardSize.map { ["--shard-size", "\($0)"] } ?? []
        let command = (["smd", "dataset", "prepare"] + arguments + sharding).map(shellWord).joined(separator: " ")
        let provenance = Provenance(source: source, command: command, tool: "smd \(Release.version)")
        return Preparation(
            output: output, provenance: provenance, shardSize: shardSize, overwrite: overwrite,
            progress: progress.update)
    }
}

/// `smd dataset prepare fashion-mnist`
struct PrepareFashionMNIST: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fashion-mnist",
        abstract: "Photographs of garments, 28×28 grey padded to 32×32: 60,000 to train with, 10,000 to test.",
        discussion: """
            Reads the files of Debian's package dataset-fashion-mnist (apt-get install dataset-fashion-mnist), or files \
            of these names in another folder. Sets of other pictures have files of the same names: labels get the names \
            of garments only where the files are known by their SHA-256, and stay numbers where not.

            EXAMPLES
              smd dataset prepare fashion-mnist --output fashion-mnist.h5
              smd dataset prepare fashion-mnist --split test --output fashion-mnist-test.h5
            """)

    /// Which of the two sets.
    enum Split: String, ExpressibleByArgument, CaseIterable {
        case train, test
    }

    @Option(help: "Folder of the four files.", completion: .directory)
    var source = "/usr/share/datasets/fashion-mnist"

    @Option(help: "Which of the two sets: train or test.")
    var split = Split.train

    @OptionGroup var output: DatasetOutputOptions

    func run() throws {
        let progress = WorkProgress("writing", unit: "images")
        let name = split == .train ? "train" : "t10k"
        let images = try file("\(name)-images-idx3-ubyte")
        let labels = try file("\(name)-labels-idx1-ubyte")
        let arguments = ["fashion-mnist", "--source", source, "--split", split.rawValue]
        let result = try output.preparation(arguments, source: "\(images), \(labels)", progress: progress)
            .idx(images: images, labels: labels, size: 32, known: [.fashionTrain, .fashionTest])
        progress.finish()
        let wanted = split == .train ? KnownIDXSet.fashionTrain : .fashionTest
        if let known = result.known, known != wanted { warn("\(images): holds \(known.name), not \(wanted.name)") }
        if result.known == nil {
            warn("\(images): not Fashion-MNIST (by its SHA-256): the labels stay numbers, without names of garments")
        }
        try printOut(printable("\(output.output): \(result.count) images of 32×32×1, \(result.classes) classes"))
    }

    /// The packed file, or the unpacked one.
    private func file(_ name: String) throws -> String {
        let path = Path.join(source, name)
        for candidate in ["\(path).gz", path] {
            do {
                _ = try FileFacts(BytePath(candidate))
                return candidate
            } catch let error as SystemError where error.number != ENOENT {
                throw DataSetError("\(candidate): \(error)")
            } catch {}
        }
        throw DataSetError(
            "\(path).gz: no such file; run \"apt-get install dataset-fashion-mnist\", or name another folder: --source")
    }
}

/// `smd dataset prepare images`
struct PrepareImages: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "images",
        abstract: "The PNG and JPEG files in a folder and its sub-folders.",
        discussion: """
            Every image is scaled so that its short side is --size, and cropped to the centre. Images that all lie in \
            sub-folders are labelled with the names of these; other files do not matter for that. What cannot be read \
            (files, folders, links to nothing) is named and skipped; hidden files are left out and counted.

            EXAMPLES
              smd dataset prepare images photos/ --size 64 --channels 3 --output photos.h5
              smd dataset prepare images scans/ --size 128 --channels 1 --strict --output scans.h5
              smd dataset prepare images huge/ --size 256 --shard-size 20000 --output huge.json
            """)

    @Argument(help: "Folder of images.", completion: .directory)
    var folder: String

    @Option(help: "Height and width of the images in the data set, in pixels.")
    var size: Int

    @Option(help: "1 for grey, 3 for colour.")
    var channels = 3

    @Flag(help: "Stop at the first thing that cannot be read, and where only some images lie in sub-folders.")
    var strict = false

    @OptionGroup var output: DatasetOutputOptions

    func validate() throws {
        guard (1...4096).contains(size) else { throw ValidationError("--size must be 1 to 4096, not \(size)") }
        guard channels == 1 || channels == 3 else {
            throw ValidationError("--channels must be 1 (grey) or 3 (colour), not \(channels)")
        }
    }

    func run() throws {
        let progress = WorkProgress("reading", unit: "images")
        let arguments =
            ["images", folder, "--size", "\(size)", "--channels", "\(channels)"] + (strict ? ["--strict"] : [])
        let result = try output.preparation(arguments, source: folder, progress: progress)
            .images(folder: folder, size: size, channels: channels, strict: strict) { note in
                switch note {
                case .skipped(let line): progress.report("skipped \(line)")
                case .warning(let line): progress.report("smd: warning: \(line)")
                }
            }
        progress.finish()
        let facts =
            [
                "\(result.written) images of \(size)×\(size)×\(channels)",
                result.classes.map { "\($0) \($0 == 1 ? "class" : "classes")" } ?? "no labels",
            ] + (result.skipped > 0 ? ["\(result.skipped) skipped"] : [])
            + (result.hidden > 0 ? ["\(result.hidden) hidden left out"] : [])
        try printOut(printable("\(output.output): \(facts.joined(separator: "; "))"))
    }
}

/// `smd dataset prepare points`
struct PreparePoints: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "points",
        abstract: "Points from a text file, one a line.",
        discussion: """
            Numbers are separated by spaces, tabs or commas; # begins a comment. Points are stored as they are: a \
            model learns best when their coordinates lie within about −1…1.

            EXAMPLES
              smd dataset prepare points swiss-roll.txt --output swiss-roll.h5
            """)

    @Argument(help: "Text file.", completion: .file())
    var file: String

    @OptionGroup var output: DatasetOutputOptions

    func run() throws {
        let progress = WorkProgress("writing", unit: "points")
        let result = try output.preparation(["points", file], source: file, progress: progress).points(file: file)
        progress.finish()
        try printOut(printable("\(output.output): \(result.count) points of \(result.dimension) coordinates"))
    }
}
