import HDF5
import Philox

/// The distribution that the points of a data set were drawn from, as its file states it.
public enum StoredDistribution: Equatable, Sendable {
    /// `/mixture`.
    case mixture(StoredMixture)
    /// `/rectangles`.
    case rectangles(StoredRectangles)

    func write(to root: HDF5Group) throws {
        switch self {
        case .mixture(let mixture):
            let (count, size) = (mixture.weights.count, mixture.dimension)
            try Self.write(
                [
                    ("weights", mixture.weights, [count]), ("means", mixture.means, [count, size]),
                    ("covariances", mixture.covariances, [count, size, size]),
                ], to: root.createGroup("mixture"))
        case .rectangles(let rectangles):
            let size = rectangles.sides.count
            try Self.write(
                [
                    ("corners", rectangles.corners, [rectangles.corners.count / size, size]),
                    ("sides", rectangles.sides, [size]),
                ],
                to: root.createGroup("rectangles"))
        }
    }

    /// As attributes, row by row, because loaders take data sets of another length for samples; many numbers do not fit into
    /// one.
    private static func write(_ arrays: [(name: String, values: [Double], shape: [Int])], to group: HDF5Group) throws {
        let areSmall = arrays.allSatisfy { $0.values.count <= DataSetFormat.attributeNumbers }
        for (name, values, shape) in arrays {
            if areSmall {
                try group.setAttribute(name, .doubles(values))
            } else {
                try group.write(values, shape: shape, to: name)
            }
        }
    }
}

/// A mixture of Gaussians `Σ_k w_k N(μ_k, Σ_k)`.
public struct StoredMixture: Equatable, Sendable {
    /// `[K]`.
    public let weights: [Double]
    /// `[K][D]`.
    public let means: [Double]
    /// `[K][D][D]`.
    public let covariances: [Double]

    /// D.
    public var dimension: Int { means.count / weights.count }

    init(weights: [Double], means: [Double], covariances: [Double]) {
        (self.weights, self.means, self.covariances) = (weights, means, covariances)
    }

    /// In the plane, all round with the same standard deviation along each axis.
    init(weights: [Double], means: [Double], deviation: Double) {
        let variance = deviation * deviation
        self.init(
            weights: weights, means: means, covariances: weights.flatMap { _ in [variance, 0, 0, variance] })
    }

    /// Points of the plane, of round Gaussians of `deviation`: see ``DrawnPoints/draw(_:)``.
    func draw(_ range: Range<Int>, deviation: Double, seed: UInt64) -> (points: [Float], labels: [Int32]) {
        precondition(range.lowerBound >= 0, "cannot draw the points \(range)")
        let stream = RandomStream(seed: seed, purpose: .data)
        let isEqual = weights.allSatisfy { $0 == weights[0] }
        var sums: [Double] = []
        for weight in weights { sums.append((sums.last ?? 0) + weight) }
        var points: [Float] = []
        var labels: [Int32] = []
        points.reserveCapacity(2 * range.count)
        labels.reserveCapacity(range.count)
        for i in range {
            // Two epochs, because the same place of a stream gives the same bits to every kind of draw.
            let component =
                isEqual
                ? stream.integer(below: weights.count, epoch: 0, position: i)
                : Self.place(of: stream.uniform(epoch: 0, position: i), in: sums)
            let normals = stream.normals(count: 2, epoch: 1, position: i)
            for axis in 0..<2 {
                points.append(Float(means[2 * component + axis] + deviation * Double(normals[axis])))
            }
            labels.append(Int32(component))
        }
        return (points, labels)
    }

    /// The first of the ascending sums that is above `uniform`; rounding may leave the last a little below 1.
    private static func place(of uniform: Double, in sums: [Double]) -> Int {
        var (low, high) = (0, sums.count - 1)
        while low < high {
            let middle = (low + high) / 2
            if sums[middle] > uniform { high = middle } else { low = middle + 1 }
        }
        return low
    }
}

/// Uniform on rectangles of one size.
public struct StoredRectangles: Equatable, Sendable {
    /// Lower corners, `[K][D]`.
    public let corners: [Double]
    /// `[D]`.
    public let sides: [Double]
}

extension DataSet {
    /// The distribution that the points were drawn from; nil where the file states none, or is somebody else's and states
    /// one that cannot be used.
    ///
    /// - Throws: ``DataSetError`` or `HDF5Error` where a file of this product states one that is damaged.
    public func distribution() throws -> StoredDistribution? {
        guard case .point(let dimension) = sample else { return nil }
        let file = try source.file(0)
        do {
            return try file.readDistribution(dimension)
        } catch {
            guard file.isOurs else { return nil }
            throw error
        }
    }
}

extension DataSetFile {
    /// The most numbers that a stated distribution is read with.
    private static let maximumDistribution = 1 << 24

    func readDistribution(_ dimension: Int) throws -> StoredDistribution? {
        func numbers(_ group: String, _ name: String, _ shape: [Int]) throws -> [Double] {
            let place = "\(group)/\(name)"
            let values: [Double]
            if case .doubles(let stated)? = try file.root.group(group).attribute(name) {
                guard stated.count == shape.reduce(1, *) else {
                    throw DataSetError(
                        "\(path): the attribute \(name) of /\(group) has \(stated.count) numbers, not "
                            + "\(shapeText(shape)); prepare it again")
                }
                values = stated
            } else {
                let set = try file.root.dataset(place)
                guard set.shape == shape, shape.reduce(1, { $0 &* $1 }) <= Self.maximumDistribution else {
                    throw DataSetError(
                        "\(path): /\(place) is \(shapeText(set.shape)), not \(shapeText(shape)); prepare it again")
                }
                values = try set.read(as: Double.self)
            }
            guard values.allSatisfy(\.isFinite) else {
                throw DataSetError("\(path): /\(place) holds a number that is not finite; prepare it again")
            }
            return values
        }
        func count(_ group: String, _ name: String, of size: Int) throws -> Int {
            var found = 0
            if case .doubles(let stated)? = try file.root.group(group).attribute(name) {
                found = stated.count / size
            } else {
                found = try file.root.dataset("\(group)/\(name)").shape.first ?? 0
            }
            guard 1...Self.maximumDistribution ~= found else {
                throw DataSetError("\(path): /\(group)/\(name) states \(found) components; prepare it again")
            }
            return found
        }
        if file.root.isGroup("mixture") {
            let count = try count("mixture", "weights", of: 1)
            return .mixture(
                StoredMixture(
                    weights: try numbers("mixture", "weights", [count]),
                    means: try numbers("mixture", "means", [count, dimension]),
                    covariances: try numbers("mixture", "covariances", [count, dimension, dimension])))
        }
        guard file.root.isGroup("rectangles") else { return nil }
        let count = try count("rectangles", "corners", of: dimension)
        return .rectangles(
            StoredRectangles(
                corners: try numbers("rectangles", "corners", [count, dimension]),
                sides: try numbers("rectangles", "sides", [dimension])))
    }
}
