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
            let group = try root.createGroup("mixture")
            try group.write(mixture.weights, shape: [count], to: "weights")
            try group.write(mixture.means, shape: [count, size], to: "means")
            try group.write(mixture.covariances, shape: [count, size, size], to: "covariances")
        case .rectangles(let rectangles):
            let size = rectangles.sides.count
            let group = try root.createGroup("rectangles")
            try group.write(rectangles.corners, shape: [rectangles.corners.count / size, size], to: "corners")
            try group.write(rectangles.sides, shape: [size], to: "sides")
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
        func numbers(_ name: String, _ shape: [Int]) throws -> [Double] {
            let set = try file.root.dataset(name)
            guard set.shape == shape, shape.reduce(1, { $0 &* $1 }) <= Self.maximumDistribution else {
                throw DataSetError(
                    "\(path): /\(name) is \(shapeText(set.shape)), not \(shapeText(shape)); prepare it again")
            }
            let values = try set.read(as: Double.self)
            guard values.allSatisfy(\.isFinite) else {
                throw DataSetError("\(path): /\(name) holds a number that is not finite; prepare it again")
            }
            return values
        }
        func count(_ name: String) throws -> Int {
            let found = try file.root.dataset(name).shape.first ?? 0
            guard 1...Self.maximumDistribution ~= found else {
                throw DataSetError("\(path): /\(name) states \(found) components; prepare it again")
            }
            return found
        }
        if file.root.isGroup("mixture") {
            let count = try count("mixture/weights")
            return .mixture(
                StoredMixture(
                    weights: try numbers("mixture/weights", [count]),
                    means: try numbers("mixture/means", [count, dimension]),
                    covariances: try numbers("mixture/covariances", [count, dimension, dimension])))
        }
        guard file.root.isGroup("rectangles") else { return nil }
        let count = try count("rectangles/corners")
        return .rectangles(
            StoredRectangles(
                corners: try numbers("rectangles/corners", [count, dimension]),
                sides: try numbers("rectangles/sides", [dimension])))
    }
}
