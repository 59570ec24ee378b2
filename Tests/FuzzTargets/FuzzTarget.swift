import Arrays
import Configuration
import Foundation
import DataSets
import Storage
import StorageSupport

/// Parsers that are fed arbitrary bytes: whatever they are, a parser returns or throws an error of one line.
public enum FuzzTarget: String, CaseIterable, Sendable {
    /// The file of a checkpoint as it is: what the seal refuses before libhdf5 sees any of it.
    case checkpoint
    /// The payload of a checkpoint, sealed anew, as a stranger would: our reader over libhdf5.
    case sealed
    /// A data set: the schema reader over libhdf5.
    case dataset
    case idx
    case image
    case points
    case manifest
    case configuration
    case arrays
    case safetensors

    /// Whether bytes reach libhdf5, which itself crashes on some: such a target runs in a child process, as the
    /// commands run theirs in a helper.
    public var needsChild: Bool { self == .sealed || self == .dataset }

    /// Runs the parser over `bytes`. Traps where an error is not one line, or something accepted contradicts itself.
    ///
    /// - Returns: whether the bytes were accepted.
    @discardableResult public func run(_ bytes: [UInt8]) -> Bool {
        do {
            try parse(bytes)
            return true
        } catch {
            let line = "\(error)"
            precondition(!line.isEmpty && !line.contains { $0.isNewline }, "not one line: \(line)")
            return false
        }
    }

    private func parse(_ bytes: [UInt8]) throws {
        switch self {
        case .checkpoint: _ = try withFile(bytes, Checkpoint.read)
        case .sealed: _ = try withFile(sealed(bytes), Checkpoint.read)
        case .dataset:
            try withFile(bytes) { path in
                try DataSet.tryReading(path: path)
                let set = try DataSet(path: path, memoryLimitBytes: 1 << 20)
                _ = try set.summary()
            }
        case .idx:
            let array = try IDXArray(bytes: bytes, name: "a.idx")
            precondition(array.values.count == array.dimensions.reduce(1, *), "\(array.dimensions)")
        case .image:
            let image = try RasterImage.decode(bytes, within: 1 << 22)
            if let image {
                precondition(ImageTreatment(size: 8, channels: 3).applied(to: image).pixels.count == 192, "\(image)")
            }
        case .points:
            let points = try PointText(bytes: bytes, name: "a.txt")
            precondition(points.values.count == points.count * points.dimension, "\(points)")
        case .manifest:
            try withFile(bytes) { _ = try DataSet(path: $0) }
        case .arrays:
            try withFile(bytes) { path in
                let file = try NPZ(path: path)
                for name in ["mu", "sigma"] {
                    let array = try file.numbers(name, atMost: 64)
                    precondition(array.map { $0.elements.count <= 64 } ?? true, "more than asked for")
                }
                _ = try file.text("features")
            }
        case .safetensors:
            try withFile(bytes) { path in
                let file = try SafeTensors(path: path)
                for (name, entry) in file.entries where ["F32", "F16", "BF16"].contains(entry.type) {
                    let values = try file.floats(name, shape: entry.shape)
                    precondition(values.count == entry.shape.reduce(1, *), "\(entry)")
                }
            }
        case .configuration:
            let text = String(decoding: bytes, as: UTF8.self)
            let found = try RunConfiguration.load(text: text, name: "a.yaml", overrides: overrides(in: text))
            try found.validate(ranks: 2)
            let again = try RunConfiguration(json: found.resolvedJSON())
            precondition(again == found, "another configuration comes back")
        }
    }

    /// Lines that begin with `#!` are tried as `--set` too.
    private func overrides(in text: String) -> [String] {
        text.split(separator: "\n").filter { $0.hasPrefix("#!") }.prefix(4).map { String($0.dropFirst(2)) }
    }

    private func sealed(_ bytes: [UInt8]) -> [UInt8] {
        var image = [UInt8](repeating: 0, count: 512) + bytes
        if bytes.isEmpty { image.append(0) }
        image.withUnsafeMutableBytes { CheckpointEnvelope.seal($0) }
        return image
    }

    private static let folder = FileManager.default.temporaryDirectory.path

    private func withFile<T>(_ bytes: [UInt8], _ body: (String) throws -> T) throws -> T {
        let path = Self.folder + "/smd-fuzz-\(getpid())-\(rawValue)"
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        defer { unlink(path) }
        return try body(path)
    }
}
