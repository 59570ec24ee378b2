import Configuration
import Crypto
import Files
import Foundation
import Storage

/// What `smd checkpoint inspect` tells of a checkpoint.
public struct CheckpointSummary: Encodable {
    /// A list of tensors in numbers.
    public struct Part: Encodable {
        public let tensors: Int
        public let elements: Int
        /// L2 norm over all elements; null when it is not finite, or the elements were not read.
        public let norm: Double?
        /// null when the elements were not read.
        public let notFinite: Int?
    }

    /// What is read of a checkpoint.
    public struct Depth {
        /// Check every byte first. If not, the prefix alone says that the file is whole.
        public var verifies = true
        /// Read the elements of all tensors.
        public var readsElements = true
        /// Whose tensors are listed one by one.
        public var listed = Listed.none

        public init() {}
    }

    /// A choice of groups.
    public enum Listed: Equatable {
        case none, all
        /// The one of that name, as `ema`, and those that further networks have.
        case group(String)

        func contains(_ name: String) -> Bool {
            switch self {
            case .none: false
            case .all: true
            case .group(let group): name == group || name.hasSuffix("/" + group)
            }
        }
    }

    public let path: String
    public let bytes: Int
    /// Whether every byte was checked.
    public let verified: Bool
    /// SHA-256 of the whole file in hex, as sha256sum prints it; null where it was not read.
    public let sha256: String?
    /// SHA-256 of what follows the first 512 bytes, in hex.
    public let payloadSha256: String
    public let step: Int
    public let seed: UInt64
    public let version: String
    public let dataFingerprint: String
    public let attributes: [String: String]
    /// Elements by the first word of the parameter's name: model, identifier.
    public let elementsByNetwork: [String: Int]
    public let parts: [String: Part]
    /// Keys of `parts` in the order of the file.
    private let partNames: [String]
    /// The tensors that were asked for, group by group.
    public private(set) var tensors: [TensorStatistics]?
    /// The configuration, or nil when this version cannot read it.
    public let configuration: RunConfiguration?
    /// Why the configuration cannot be read.
    public let configurationProblem: String?

    // All but `partNames`.
    enum CodingKeys: CodingKey {
        case path, bytes, verified, sha256, payloadSha256, step, seed, version, dataFingerprint, attributes
        case elementsByNetwork, parts, tensors, configuration, configurationProblem
    }

    /// Reads the checkpoint at `path`.
    ///
    /// - Parameter progress: called with the tensors read and those of the file.
    /// - Throws: `HDF5Error` or `StorageError` with the reason why it cannot be used.
    public init(path: String, _ depth: Depth, progress: (Int, Int) throws -> Void = { _, _ in }) throws {
        let checkpoint = try CheckpointFile(path, isVerified: depth.verifies)
        let header = checkpoint.header
        let shapes = checkpoint.groups.map { (group: $0, name: Self.shortName($0), tensors: checkpoint.tensors($0)) }
        let all = shapes.reduce(0) { $0 + $1.tensors.count }
        var (listed, parts, done): ([TensorStatistics], [String: Part], Int) = ([], [:], 0)
        for (group, name, tensors) in shapes {
            let isListed = depth.listed.contains(name)
            var statistics: [TensorStatistics] = []
            if isListed || depth.readsElements {
                for tensor in tensors {
                    statistics.append(
                        TensorStatistics(try checkpoint.tensor(tensor.name, of: group), group: name))
                    done += 1
                    try progress(done, all)
                }
            }
            let read = statistics.count == tensors.count
            let squares = statistics.map { $0.norm.map { $0 * $0 } ?? .nan }.reduce(0, +)
            parts[name] = Part(
                tensors: tensors.count, elements: tensors.reduce(0) { $0 + $1.shape.reduce(1, *) },
                norm: read ? finite(squares.squareRoot()) : nil,
                notFinite: read ? statistics.reduce(0) { $0 + $1.notFinite } : nil)
            if isListed { listed += statistics }
        }
        self.path = path
        bytes = checkpoint.bytes
        verified = depth.verifies
        payloadSha256 = checkpoint.digest
        sha256 =
            depth.verifies
            ? SHA256.hash(data: try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped)).hexadecimal
            : nil
        step = header.step
        seed = header.seed
        version = header.version
        dataFingerprint = header.dataFingerprint
        attributes = header.attributes.mapValues(\.description)
        elementsByNetwork = Dictionary(
            (shapes.first?.tensors ?? []).map { (String($0.name.prefix { $0 != "." }), $0.shape.reduce(1, *)) },
            uniquingKeysWith: +)
        partNames = shapes.map(\.name)
        self.parts = parts
        tensors = depth.listed == .none ? nil : listed
        do {
            configuration = try RunConfiguration(json: header.config, name: path)
            configurationProblem = nil
        } catch {
            configuration = nil
            configurationProblem = "\(error)"
        }
    }

    /// The same without the list of tensors.
    public var withoutTensors: CheckpointSummary {
        var summary = self
        summary.tensors = nil
        return summary
    }

    /// "first_moment" for /optimizer/first_moment, "NAME/ema" for the group of a network NAME.
    static func shortName(_ group: String) -> String {
        let (network, name) = CheckpointGroup.parts(of: group)
        return (network.map { $0 + "/" } ?? "") + (name.hasPrefix("optimizer/") ? name.dropFirst(10) : name[...])
    }

    /// The summary for a person.
    ///
    /// - Parameter unicode: whether the terminal has more than ASCII.
    public func text(unicode: Bool) -> String {
        var rows: [(String, String)] = [
            ("step", "\(step)"), ("seed", "\(seed)"), ("written by", "smd \(printable(version))"),
            ("data set", printable(dataFingerprint)),
            (
                "verified",
                sha256.map { "every byte; \(grouped(bytes)) bytes, SHA-256 \($0)" }
                    ?? "no; \(grouped(bytes)) bytes, as many as the first lines of the file say"
            ),
        ]
        rows += partNames.map { name in
            (printable(name.replacing("_", with: " ")), parts[name].map { words(of: $0, name) } ?? "")
        }
        rows += attributes.sorted { $0.key < $1.key }.map { (printable($0.key), printable($0.value)) }
        let width = rows.map(\.0.count).max() ?? 0
        var lines = [printable(path)]
        lines += rows.map { "  \($0.padding(toLength: width, withPad: " ", startingAt: 0))  \($1)" }
        lines.append("configuration")
        lines += configurationLines
        for name in partNames {
            let tensors = (tensors ?? []).filter { $0.group == name }
            if !tensors.isEmpty { lines += ["tensors of " + printable(name), table(tensors, unicode: unicode)] }
        }
        return lines.joined(separator: "\n")
    }

    private func words(of part: Part, _ name: String) -> String {
        if part.tensors == 0 { return "none" }
        let networks = elementsByNetwork.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
            .map { "\(printable($0.key)) \(grouped($0.value))" }.joined(separator: ", ")
        let count = name == CheckpointGroup.parameters ? "\(grouped(part.elements)) (\(networks)) in " : ""
        guard let bad = part.notFinite else { return "\(count)\(part.tensors) tensors" }
        let norm = part.norm.map { "L2 norm " + String(format: "%.6g", $0) } ?? "L2 norm not finite"
        return "\(count)\(part.tensors) tensors, \(norm)" + (bad > 0 ? ", \(grouped(bad)) elements not finite" : "")
    }

    private func table(_ tensors: [TensorStatistics], unicode: Bool) -> String {
        let head = [
            "name", "shape", "elements", "norm", "mean", "deviation", "minimum", "maximum", "not finite", "histogram",
        ]
        return aligned(
            [head]
                + tensors.map { tensor in
                    let figures = [tensor.norm, tensor.mean, tensor.deviation, tensor.minimum, tensor.maximum]
                    return [printable(tensor.name), "\(tensor.shape)", grouped(tensor.shape.reduce(1, *))]
                        + figures.map { $0.map(fourDigits) ?? "-" }
                        + [grouped(tensor.notFinite), "|" + tensor.histogramLine(unicode: unicode) + "|"]
                })
    }

    private var configurationLines: [String] {
        guard let settings = configuration?.settings() else {
            return ["  not readable: \(configurationProblem ?? "it is empty")"]
        }
        return settings.map { "  \($0.key)=\(printable($0.value))" }
    }
}
