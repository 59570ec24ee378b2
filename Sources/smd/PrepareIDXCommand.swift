import ArgumentParser
import DataSets
import Files
import Foundation

/// `smd dataset prepare idx`
struct PrepareIDX: RankCommand {
    static let configuration = CommandConfiguration(
        commandName: "idx",
        abstract: "Grey images from a file of the IDX format: MNIST, KMNIST, EMNIST and others.",
        discussion: """
            Files may be packed by gzip. Images are not scaled but centred on black squares of --size, by default the next \
            multiple of 8. Labels stay numbers, but for sets that are known by their SHA-256.

            EXAMPLES
              smd dataset prepare idx train-images-idx3-ubyte.gz train-labels-idx1-ubyte.gz --output mnist.h5
              smd dataset prepare idx t10k-images-idx3-ubyte --size 28 --output unlabelled.h5
            """)

    @Argument(help: "File of images, N×H×W bytes.", completion: .file())
    var imageFile: String

    @Argument(help: "File of labels, N bytes.", completion: .file())
    var labelFile: String?

    @Option(help: "Height and width of the images in the data set, in pixels.")
    var size: Int?

    @Option(help: "Exact copies of an image before: keep or drop.")
    var duplicates = ImageRules.Duplicates.keep

    @OptionGroup var output: DatasetOutputOptions

    func validate() throws { try checkSampleSize(size, nil) }

    func run() throws {
        let files = [imageFile] + (labelFile.map { [$0] } ?? [])
        let arguments =
            ["idx"] + files + (size.map { ["--size", "\($0)"] } ?? [])
            + (duplicates == .keep ? [] : ["--duplicates", duplicates.rawValue])
        try output.prepare(arguments, source: files.joined(separator: ", ")) { preparation, _ in
            let result = try preparation.idx(
                images: imageFile, labels: labelFile, size: size, known: [.fashionTrain, .fashionTest],
                duplicates: duplicates)
            return result.images.words(size: result.size, channels: 1, dropped: duplicates == .drop)
        }
    }
}

/// `smd dataset prepare fashion-mnist`
struct PrepareFashionMNIST: RankCommand {
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
        let name = split == .train ? "train" : "t10k"
        let images = try file("\(name)-images-idx3-ubyte")
        let labels = try file("\(name)-labels-idx1-ubyte")
        let arguments = ["fashion-mnist", "--source", source, "--split", split.rawValue]
        try output.prepare(arguments, source: "\(images), \(labels)") { preparation, report in
            let result = try preparation.idx(
                images: images, labels: labels, size: 32, known: [.fashionTrain, .fashionTest])
            let wanted = split == .train ? KnownIDXSet.fashionTrain : .fashionTest
            if preparation.team.rank == 0, let known = result.known, known != wanted {
                report(.warning("\(images): holds \(known.name), not \(wanted.name)"))
            }
            if preparation.team.rank == 0, result.known == nil {
                report(
                    .warning(
                        "\(images): not Fashion-MNIST (by its SHA-256): the labels stay numbers, without names of garments"
                    ))
            }
            return result.images.words(size: 32, channels: 1)
        }
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

/// `smd dataset prepare cifar`
struct PrepareCIFAR: RankCommand {
    static let configuration = CommandConfiguration(
        commandName: "cifar",
        abstract: "CIFAR-10 or CIFAR-100, 32×32 in colour, from the binary version.",
        discussion: """
            The folder is what cifar-10-binary.tar.gz or cifar-100-binary.tar.gz of \
            https://www.cs.toronto.edu/~kriz/cifar.html unpacks to. The labels of CIFAR-100 are the 100 fine ones.

            EXAMPLES
              smd dataset prepare cifar cifar-10-batches-bin/ --output cifar-10.h5
              smd dataset prepare cifar cifar-100-binary/ --split test --output cifar-100-test.h5
            """)

    @Argument(help: "Folder of the files.", completion: .directory)
    var folder: String

    @Option(help: "Which of the two sets: train or test.")
    var split = CIFARImages.Split.train

    @OptionGroup var output: DatasetOutputOptions

    func run() throws {
        try output.prepare(["cifar", folder, "--split", split.rawValue], source: folder) { preparation, report in
            let source = try preparation.opened { try CIFARImages(folder: folder, split: split) }
            var rules = ImageRules(ImageTreatment(size: 32, channels: 3))
            rules.keepsSources = false
            return try preparation.images(cifar: source, rules, report: report)
                .words(size: 32, channels: 3)
        }
    }
}

extension CIFARImages.Split: ExpressibleByArgument {}
