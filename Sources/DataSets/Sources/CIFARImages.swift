import Files
import Foundation

/// CIFAR-10 or CIFAR-100 (Krizhevsky, 2009) in the binary layout: rows of one or two labels and 3×32×32 bytes, red, green
/// and blue one after the other.
public struct CIFARImages: NumberedImages {
    /// Which of the two sets of each.
    public enum Split: String, CaseIterable, Sendable { case train, test }

    public let path: String
    public let labels: SourceLabels
    /// "CIFAR-10, train".
    public let name: String
    /// SHA-256 of the files' SHA-256.
    let digest: String
    private let rows: [UInt8]
    private let labelBytes: Int

    private static let side = 32
    private static let imageBytes = 3 * side * side

    /// A layout: its files and label bytes; the last label counts.
    private struct Layout {
        let name: String
        let files: [Split: [String]]
        let names: String
        let labelBytes: Int
    }

    private static let layouts = [
        Layout(
            name: "CIFAR-10",
            files: [.train: (1...5).map { "data_batch_\($0).bin" }, .test: ["test_batch.bin"]],
            names: "batches.meta.txt", labelBytes: 1),
        Layout(
            name: "CIFAR-100", files: [.train: ["train.bin"], .test: ["test.bin"]], names: "fine_label_names.txt",
            labelBytes: 2),
    ]

    /// Reads the files in the folder at `path`.
    ///
    /// - Throws: ``DataSetError`` where they are missing, damaged, or of the Python layout.
    public init(folder path: String, split: Split) throws {
        self.path = path
        func exists(_ file: String) -> Bool { (try? FileFacts(BytePath(Path.join(path, file)))) != nil }
        guard
            let layout = Self.layouts.first(where: { $0.files[split, default: []].contains(where: exists) }),
            let files = layout.files[split]
        else {
            if exists("data_batch_1") || exists("test_batch") || exists("train") {
                throw DataSetError(
                    "\(path): is the version for Python, pickled objects, which a program must not load from elsewhere; "
                        + "get the binary version (cifar-10-binary.tar.gz or cifar-100-binary.tar.gz) from "
                        + "https://www.cs.toronto.edu/~kriz/cifar.html")
            }
            throw DataSetError(
                "\(path): holds neither data_batch_1.bin (CIFAR-10) nor train.bin (CIFAR-100) of the binary version")
        }
        name = "\(layout.name), \(split.rawValue)"
        labelBytes = layout.labelBytes
        let row = labelBytes + Self.imageBytes
        var rows: [UInt8] = []
        var digests = ""
        for file in files {
            let place = Path.join(path, file)
            let bytes = try readFile(place, atMost: 1 << 28)
            guard !bytes.isEmpty, bytes.count % row == 0 else {
                throw DataSetError("\(place): \(bytes.count) bytes are no whole rows of \(row)")
            }
            digests += sha256(bytes)
            rows += bytes
        }
        self.rows = rows
        digest = sha256(Array(digests.utf8))
        let names = (try? readFile(Path.join(path, layout.names), atMost: 1 << 16)).map { bytes in
            String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline).map(String.init)
                .filter { !$0.isEmpty }
        }
        let numbers = stride(from: labelBytes - 1, to: rows.count, by: row).map { Int(rows[$0]) }
        guard let largest = numbers.max(), names.map({ largest < $0.count }) ?? true else {
            throw DataSetError("\(path): \(layout.names) names fewer labels than there are")
        }
        labels = .numbers(numbers, names: names)
    }

    public var count: Int { rows.count / (labelBytes + Self.imageBytes) }
    public func bytes(_ place: Int) -> Int { Self.imageBytes }
    public func reader() -> any ImageReader { ArrayReader(image) }

    private func image(_ place: Int) -> RasterImage {
        let begin = place * (labelBytes + Self.imageBytes) + labelBytes
        let area = Self.side * Self.side
        let pixels = (0..<area).flatMap { pixel in (0..<3).map { rows[begin + $0 * area + pixel] } }
        return RasterImage(height: Self.side, width: Self.side, channels: 3, pixels: pixels)
    }
}
