import Crypto
import Foundation
import HDF5

/// The file of a prior: a mixture of Gaussians of clean data, `/prior/weights [K]`, `/prior/means [K][D]` and
/// `/prior/covariances [K][D][D]`, in double precision.
public struct PriorFile: Sendable {
    public let mixture: GaussianMixture
    /// SHA-256 of weights, means and covariances, in hexadecimal.
    public let digest: String
    /// Weights, means and covariances as they are stored: those of the mixture, where they are computed anew, may differ in the
    /// last bit.
    private let arrays: [[Double]]

    /// The arrays, as the helper that tries a file reads them.
    public static let members = ["weights", "means", "covariances"].map { "prior/\($0)" }
    /// The most numbers of a covariance's array.
    private static let mostNumbers = 1 << 28

    /// Of a mixture.
    public init(_ mixture: GaussianMixture) {
        self.init(mixture, of: [mixture.weights, mixture.means, mixture.covariances])
    }

    private init(_ mixture: GaussianMixture, of arrays: [[Double]]) {
        (self.mixture, self.arrays) = (mixture, arrays)
        var hash = SHA256()
        for values in arrays { values.withUnsafeBytes { hash.update(bufferPointer: $0) } }
        digest = hash.finalize().map { String(format: "%02x", $0) }.joined()
    }

    /// Reads the file at `path`.
    ///
    /// - Throws: `HDF5Error`, or ``MixtureError`` where it holds no prior, or one that is none.
    public init(path: String) throws {
        let root = try HDF5File.open(path).root
        guard root.isGroup("prior") else {
            throw MixtureError("\(path): holds no prior (/prior), as smd prior fit writes one")
        }
        func numbers(_ name: String, _ shape: [Int]?) throws -> (values: [Double], shape: [Int]) {
            let set = try root.dataset("prior/\(name)")
            guard shape ?? set.shape == set.shape, set.shape.reduce(1, { $0 &* $1 }) <= Self.mostNumbers,
                set.shape.allSatisfy({ 1...Self.mostNumbers ~= $0 })
            else { throw MixtureError("\(path): /prior/\(name) has the shape \(set.shape), not \(shape ?? [])") }
            return (try set.read(as: Double.self), set.shape)
        }
        let means = try numbers("means", nil)
        guard means.shape.count == 2 else {
            throw MixtureError("\(path): /prior/means has the shape \(means.shape), not [components, numbers]")
        }
        let (count, size) = (means.shape[0], means.shape[1])
        let (weights, covariances) = (
            try numbers("weights", [count]).values, try numbers("covariances", [count, size, size]).values
        )
        do {
            self.init(
                try GaussianMixture(
                    weights: weights, means: means.values, covariances: covariances, dimension: size),
                of: [weights, means.values, covariances])
        } catch {
            throw MixtureError("\(path): /prior: \(error)")
        }
    }

    /// Writes it, with `attributes` at the root; the file appears under its name only when it is whole and on disk.
    public func write(to path: String, replacing: Bool, attributes: [String: AttributeValue]) throws {
        let (count, size) = (mixture.components, mixture.dimension)
        let file = try HDF5File.createInMemory(
            userBlockBytes: 0, expectedBytes: Self.bytes(components: count, dimension: size))
        let shapes = [[count], [count, size], [count, size, size]]
        for (member, (values, shape)) in zip(Self.members, zip(arrays, shapes)) {
            try file.root.write(values, shape: shape, to: member)
        }
        for (name, value) in attributes.sorted(by: { $0.key < $1.key }) { try file.root.setAttribute(name, value) }
        let image = try file.finishedImage()
        try image.withUnsafeMutableBytes {
            try DurableFile.write(UnsafeRawBufferPointer($0), to: path, replacing: replacing)
        }
        try image.close()
    }

    /// The most numbers of an array that an attribute holds.
    private static let attributeNumbers = 8000

    /// What a checkpoint says of it: its digest, and the mixture itself where it is small.
    public var attributes: [String: AttributeValue] {
        let known: [String: AttributeValue] = ["prior_sha256": .string(digest)]
        guard arrays.allSatisfy({ $0.count <= Self.attributeNumbers }) else { return known }
        return known.merging([
            "prior_weights": .doubles(arrays[0]), "prior_means": .doubles(arrays[1]),
            "prior_covariances": .doubles(arrays[2]),
        ]) { $1 }
    }

    /// The prior that the attributes of a checkpoint hold; nil where they hold none.
    ///
    /// - Throws: ``MixtureError`` where they are no mixture.
    public init?(attributes: [String: AttributeValue]) throws {
        guard case .doubles(let weights)? = attributes["prior_weights"],
            case .doubles(let means)? = attributes["prior_means"],
            case .doubles(let covariances)? = attributes["prior_covariances"], !weights.isEmpty,
            means.count.isMultiple(of: weights.count)
        else { return nil }
        let size = means.count / weights.count
        guard size > 0, covariances.count == means.count * size else { return nil }
        self.init(
            try GaussianMixture(weights: weights, means: means, covariances: covariances, dimension: size),
            of: [weights, means, covariances])
    }

    /// Bytes of a file, about.
    public static func bytes(components: Int, dimension: Int) -> Int {
        8 * components * dimension * (dimension + 1) + 1 << 15
    }
}
