import Communication
import DataSets
import Evaluation
import Files
import Mixtures

/// A data set of points, and the distribution that they are known to come from; it has been read in a helper process
/// (`FileTrial`).
///
/// - Throws: Where it is none of points, or states a distribution that is none.
func triedPoints(_ path: String) throws -> (data: DataSet, truth: (any KnownDistribution)?) {
    try FileTrial.run(.dataset, path)
    let data = try DataSet(path: path)
    guard case .point = data.sample else {
        throw CommandFailure(.badInput, "\(path): holds images; points are wanted (/points, float32 N×D)")
    }
    return (data, try knownDistribution(of: data))
}

/// The distribution that a data set states, if any.
func knownDistribution(of data: DataSet) throws -> (any KnownDistribution)? {
    switch try data.distribution() {
    case nil: return nil
    case .rectangles(let stored):
        let size = stored.sides.count
        guard stored.sides.allSatisfy({ $0 > 0 }) else {
            throw CommandFailure(.badInput, "\(data.path): /rectangles has a side that is not above 0")
        }
        let corners = stride(from: 0, to: stored.corners.count, by: size).map { Array(stored.corners[$0..<$0 + size]) }
        return UniformRectangles(corners: corners, sides: stored.sides)
    case .mixture(let stored):
        let mixture: GaussianMixture
        do {
            mixture = try GaussianMixture(
                weights: stored.weights, means: stored.means, covariances: stored.covariances,
                dimension: stored.dimension)
        } catch {
            throw CommandFailure(.badInput, "\(data.path): /mixture: \(error)")
        }
        guard mixture.hasDensity else {
            throw CommandFailure(
                .badInput,
                "\(data.path): /mixture has a Gaussian of no width, and so no density; prepare it with --deviation above 0"
            )
        }
        return mixture
    }
}

/// The mixture that the data set at `path` states, on all ranks of a job: rank 0 tries the file. Collective.
///
/// - Throws: Where there is none.
func knownMixture(_ path: String, _ communicator: any Communicator) throws -> GaussianMixture {
    try communicator.together("reading the data set \(path)") {
        if communicator.rank == 0 { try FileTrial.run(.dataset, path) }
    }
    return try communicator.together("reading the mixture of \(path)") {
        guard let mixture = try knownDistribution(of: DataSet(path: path, memoryLimitBytes: 0)) as? GaussianMixture
        else {
            throw CommandFailure(
                .badInput,
                "\(path): states no mixture (/mixture); data sets of \"smd dataset prepare gaussian-grid\" and "
                    + "\"gaussian-ring\" do")
        }
        return mixture
    }
}

extension PointSet {
    /// All points of a data set.
    init(_ data: DataSet) throws {
        let size = data.elementsPerSample
        var point = [Float](repeating: 0, count: size)
        var values: [Double] = []
        values.reserveCapacity(data.count * size)
        for i in 0..<data.count {
            try point.withUnsafeMutableBufferPointer { try data.read(i, flip: false, into: $0) }
            values += point.map(Double.init)
        }
        self.init(values, dimension: size)
    }
}
