/// An image and how far away it is.
public struct Neighbour: BitwiseCopyable, Equatable, Sendable {
    public var squaredDistance: Double
    public var index: Int32
}

/// What lies around an image among those of the other kind: of the data around a sample, samples around an image of the
/// data.
struct Surroundings: BitwiseCopyable {
    var nearest = Neighbour(squaredDistance: .infinity, index: -1)
    /// How many images of the other kind have this one in their ball; for each of ``Neighbourhoods/ballSizes``.
    var ballsAround = SIMD2<Int32>()
    /// How many of the other kind are in this one's own ball.
    var inOwnBall = SIMD2<Int32>()

    mutating func meet(_ other: Int, at squaredDistance: Double, own: SIMD2<Double>, others: SIMD2<Double>) {
        if squaredDistance < nearest.squaredDistance {
            nearest = Neighbour(squaredDistance: squaredDistance, index: Int32(other))
        }
        for size in 0..<2 {
            if squaredDistance <= others[size] { ballsAround[size] += 1 }
            if squaredDistance <= own[size] { inOwnBall[size] += 1 }
        }
    }

    /// That of more images of the other kind; of two equally near, the first counts.
    mutating func add(_ other: Surroundings) {
        if other.nearest.squaredDistance < nearest.squaredDistance { nearest = other.nearest }
        ballsAround &+= other.ballsAround
        inOwnBall &+= other.inOwnBall
    }
}

/// Which samples lie near which images of the data: what precision, recall, density, coverage and memorisation are read
/// from. The ball of k around an image is as large as the distance to the k-th nearest of its own kind; its border belongs
/// to it.
public struct Neighbourhoods {
    private static let ballSizes = SIMD2(PrecisionRecall.neighbours, DensityCoverage.neighbours)
    /// Samples of a piece of work.
    private static let pieceRows = 2048

    private let ownOfData: OwnNeighbours
    private let ofSamples: [Surroundings]
    private let ofData: [Surroundings]

    /// Looks at all pairs. Collective.
    ///
    /// - Parameter ownOfData: neighbours of the data among themselves.
    package init(_ samples: FeatureMatrix, _ data: FeatureMatrix, ownOfData: OwnNeighbours, _ work: EvaluationWork)
        throws
    {
        self.ownOfData = ownOfData
        let ownOfSamples = try OwnNeighbours("neighbours among samples", of: samples, work)
        let (sampleRadii, dataRadii) = (Self.squaredRadii(ownOfSamples), Self.squaredRadii(ownOfData))
        let pieces = EvaluationWork.tiles(of: samples.count, length: Self.pieceRows)
        let found = try work.pieces("samples beside the data", pieces.count) { piece in
            Self.look(from: pieces[piece], of: samples, to: data, sampleRadii, dataRadii)
        }
        ofSamples = zip(pieces, found).flatMap { $1.prefix($0.count) }
        var ofData = [Surroundings](repeating: Surroundings(), count: data.count)
        for (piece, found) in zip(pieces, found) {
            for (image, around) in found.dropFirst(piece.count).enumerated() { ofData[image].add(around) }
        }
        self.ofData = ofData
    }

    /// A set of fewer images than a ball asks for has smaller ones; whoever reads them refuses it before.
    private static func squaredRadii(_ own: OwnNeighbours) -> [SIMD2<Double>] {
        let radii = [ballSizes[0], ballSizes[1]].map { own.squaredRadii(k: min($0, own.known)) }
        return zip(radii[0], radii[1]).map { SIMD2($0, $1) }
    }

    /// Surroundings of some samples, and what these samples add to those of all data: `[rows + data]`.
    private static func look(
        from piece: Range<Int>, of samples: FeatureMatrix, to data: FeatureMatrix, _ sampleRadii: [SIMD2<Double>],
        _ dataRadii: [SIMD2<Double>]
    ) -> [Surroundings] {
        var found = [Surroundings](repeating: Surroundings(), count: piece.count + data.count)
        let largest = dataRadii.map { $0.max() }
        var tiles = Distances(from: samples, to: data)
        found.withUnsafeMutableBufferPointer { found in
            largest.withUnsafeBufferPointer { largest in
                tiles.forEachTile(piece) { rows, columns, distances in
                    for i in rows {
                        let (row, radii) = (i - piece.lowerBound, sampleRadii[i])
                        let reach = radii.max()
                        var place = (i - rows.lowerBound) * columns.count
                        for j in columns {
                            let distance = distances[place]
                            place += 1
                            // Hardly any pair is as near as this.
                            guard distance <= max(reach, largest[j]) || distance < found[row].nearest.squaredDistance
                            else { continue }
                            found[row].meet(j, at: distance, own: radii, others: dataRadii[j])
                            found[piece.count + j].meet(i, at: distance, own: dataRadii[j], others: radii)
                        }
                    }
                }
            }
        }
        return found
    }

    private static func place(k: Int) -> Int {
        precondition(k == ballSizes[0] || k == ballSizes[1], "balls of \(k) neighbours are not looked at")
        return k == ballSizes[0] ? 0 : 1
    }

    /// Of each sample, its nearest image of the data.
    public var nearestData: [Neighbour] { ofSamples.map(\.nearest) }

    /// Squared distance of each image of the data to the `k`-th nearest of the others.
    func squaredDataRadii(k: Int) -> [Double] { ownOfData.squaredRadii(k: k) }

    /// Of each sample, how many balls of the data hold it.
    func dataBalls(k: Int) -> [Int] { ofSamples.map { Int($0.ballsAround[Self.place(k: k)]) } }

    /// Of each image of the data, how many balls of samples hold it.
    func sampleBalls(k: Int) -> [Int] { ofData.map { Int($0.ballsAround[Self.place(k: k)]) } }

    /// Of each image of the data, how many samples are in its ball.
    func samplesInBall(k: Int) -> [Int] { ofData.map { Int($0.inOwnBall[Self.place(k: k)]) } }
}
