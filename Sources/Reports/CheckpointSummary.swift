import Configuration
import Crypto
import Files
import Foundation
import Storage

/// What `smd checkpoint inspect` tells of a checkpoint that verified.
public struct CheckpointSummary: Encodable {
    /// A list of tensors in numbers.
    public struct Part: Encodable {
        public let tensors: Int
        public let elements: Int
        /// L2 norm over all elements; null when it is not finite.
        public let norm: Double?
        public let notFinite: Int

        init(_ tensors: [NamedTensor]) {
            self.tensors = tensors.count
            elements = tensors.map(\.values.count).reduce(0, +)
            norm = finite(tensors.map { $0.squaredNorm }.reduce(0, +).squareRoot())
            notFinite = tensors.map { $0.values.count { !$0.isFinite } }.reduce(0, +)
        }
    }

    /// One parameter tensor.
    public struct Tensor: Encodable {
        public let name: String
        public let shape: [Int]
        public let norm: Double?
        public let minimum: Double?
        public let maximum: Double?
    }

    public let path: String
    public let bytes: Int
    /// SHA-256 of the whole file in hex, as sha256sum prints it.
    public let sha256: String
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
    public let tensors: [Tensor]?
    /// The configuration, or nil when this version cannot read it.
    public let configuration: RunConfiguration?
    /// Why the configuration cannot be read.
    public let configurationProblem: String?

    // All but `partNames`.
    enum CodingKeys: CodingKey {
        case path, bytes, sha256, step, seed, version, dataFingerprint, attributes, elementsByNetwork, parts, tensors
        case configuration, configurationProblem
    }

    /// Reads and verifies the checkpoint at `path`.
    ///
    /// - Throws: `HDF5Error` or `StorageError` with the reason why it cannot be used.
    public init(path: String, includesTensors: Bool) throws {
        let checkpoint = try CheckpointFile(path)
        let header = checkpoint.header
        let groups = try checkpoint.groups.map { (name: $0, tensors: try checkpoint.values($0)) }
        let parameters = groups.filter { CheckpointGroup.parts(of: $0.name).name == CheckpointGroup.parameters }
            .flatMap(\.tensors)
        let file = try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped)
        self.path = path
        bytes = file.count
        sha256 = SHA256.hash(data: file).hexadecimal
        step = header.step
        seed = header.seed
        version = header.version
        dataFingerprint = header.dataFingerprint
        attributes = header.attributes.mapValues(\.description)
        elementsByNetwork = Dictionary(
            (groups.first?.tensors ?? []).map { (String($0.name.prefix { $0 != "." }), $0.values.count) },
            uniquingKeysWith: +)
        partNames = groups.map { Self.shortName($0.name) }
        parts = Dictionary(
            zip(partNames, groups.map { Part($0.tensors) }), uniquingKeysWith: { first, _ in first })
        tensors = includesTensors ? parameters.map(Tensor.init) : nil
        do {
            configuration = try RunConfiguration(json: header.config, name: path)
            configurationProblem = nil
        } catch {
            configuration = nil
            configurationProblem = "\(error)"
        }
    }

    /// "first_moment" for /optimizer/first_moment, "NAME/ema" for the group of a network NAME.
    private static func shortName(_ group: String) -> String {
        let (network, name) = CheckpointGroup.parts(of: group)
        return (network.map { $0 + "/" } ?? "") + (name.hasPrefix("optimizer/") ? name.dropFirst(10) : name[...])
    }

    /// The summary for a person.
    public var text: String {
        var rows: [(String, String)] = [
            ("step", "\(step)"), ("seed", "\(seed)"), ("written by", "smd \(printable(version))"),
            ("data set", printable(dataFingerprint)),
            ("verified", "every byte; \(grouped(bytes)) bytes, SHA-256 \(sha256)"),
        ]
        let networks = elementsByNetwork.sorted { $0.value > $1.value }
            .map { "\(printable($0.key)) \(grouped($0.value))" }.joined(separator: ", ")
        for name in partNames {
            guard let part = parts[name] else { continue }
            let norm = part.norm.map { "L2 norm " + String(format: "%.6g", $0) } ?? "L2 norm not finite"
            let bad = part.notFinite > 0 ? ", \(grouped(part.notFinite)) elements not finite" : ""
            let count = name == CheckpointGroup.parameters ? "\(grouped(part.elements)) (\(networks)) in " : ""
            let words = name.replacingOccurrences(of: "_", with: " ")
            rows.append(
                (printable(words), part.tensors == 0 ? "none" : "\(count)\(part.tensors) tensors, \(norm)\(bad)"))
        }
        rows += attributes.sorted { $0.key < $1.key }.map { (printable($0.key), printable($0.value)) }
        let width = rows.map(\.0.count).max() ?? 0
        var lines = [printable(path)]
        lines += rows.map { "  \($0.padding(toLength: width, withPad: " ", startingAt: 0))  \($1)" }
        lines.append("configuration")
        lines += configurationLines
        if let tensors {
            let cells = tensors.map { tensor in
                [printable(tensor.name), "\(tensor.shape)", grouped(tensor.shape.reduce(1, *))]
                    + [tensor.norm, tensor.minimum, tensor.maximum].map { $0.map(fourDigits) ?? "not finite" }
            }
            lines += ["tensors", aligned([["name", "shape", "elements", "norm", "minimum", "maximum"]] + cells)]
        }
        return lines.joined(separator: "\n")
    }

    private var configurationLines: [String] {
        guard let settings = configuration?.settings() else {
            return ["  not readable: \(configurationProblem ?? "it is empty")"]
        }
        return settings.map { "  \($0.key)=\(printable($0.value))" }
    }
}

extension CheckpointSummary.Tensor {
    init(_ tensor: NamedTensor) {
        let values = tensor.values
        self.init(
            name: tensor.name, shape: tensor.shape, norm: finite(tensor.squaredNorm.squareRoot()),
            minimum: values.min().flatMap { finite(Double($0)) }, maximum: values.max().flatMap { finite(Double($0)) })
    }
}

extension NamedTensor {
    /// Sum of the squares, in double precision.
    fileprivate var squaredNorm: Double {
        values.reduce(0.0) { $0 + Double($1) * Double($1) }
    }
}
