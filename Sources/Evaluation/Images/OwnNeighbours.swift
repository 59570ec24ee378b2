/// The nearest of the other images for every image of a set.
public struct OwnNeighbours {
    private static let most = DensityCoverage.neighbours
    /// Pieces of the work; a piece keeps neighbours of all images.
    private static let pieceCount = 16
    /// Squared distances, ascending, `[N][known]`.
    private let squaredDistances: [Double]
    /// How many are known of each image.
    let known: Int

    /// Of every image of `features`, which are at least two. Collective.
    package init(_ task: String, of features: FeatureMatrix, _ work: EvaluationWork) throws {
        precondition(features.count > 1, "neighbours among \(features.count) images")
        let known = min(Self.most, features.count - 1)
        let tiles = EvaluationWork.tiles(of: features.count, length: Distances.tile)
        let found = try work.pieces(task, min(Self.pieceCount, tiles.count)) { piece in
            var nearest = NearestLists(count: features.count, length: known)
            var distances = Distances(from: features, to: features)
            for tile in stride(from: piece, to: tiles.count, by: Self.pieceCount) {
                // Pairs before the diagonal come in the tiles of the others.
                distances.forEachTile(tiles[tile], from: tiles[tile].lowerBound) { rows, columns, distances in
                    nearest.add(rows, columns, distances)
                }
            }
            return nearest.squaredDistances
        }
        var nearest = NearestLists(count: features.count, length: known)
        for part in found { nearest.merge(part) }
        (squaredDistances, self.known) = (nearest.squaredDistances, known)
    }

    /// Squared distance of each image to the `k`-th nearest of the others.
    package func squaredRadii(k: Int) -> [Double] {
        precondition((1...known).contains(k), "neighbour \(k) of \(known)")
        return stride(from: k - 1, to: squaredDistances.count, by: known).map { squaredDistances[$0] }
    }
}

/// The smallest distances of each image so far, ascending; which these are does not depend on their order of coming.
private struct NearestLists {
    private let length: Int
    /// `[N][length]`
    private(set) var squaredDistances: [Double]
    /// The last of each list.
    private var limits: [Double]

    init(count: Int, length: Int) {
        self.length = length
        squaredDistances = [Double](repeating: .infinity, count: count * length)
        limits = [Double](repeating: .infinity, count: count)
    }

    /// Takes in the distances of different images, on the diagonal or right of it: each is one of both images.
    mutating func add(_ rows: Range<Int>, _ columns: Range<Int>, _ distances: UnsafeBufferPointer<Double>) {
        squaredDistances.withUnsafeMutableBufferPointer { lists in
            limits.withUnsafeMutableBufferPointer { limits in
                var place = 0
                for i in rows {
                    for j in columns {
                        let distance = distances[place]
                        place += 1
                        // Few are as near as this.
                        guard distance < max(limits[i], limits[j]), i < j else { continue }
                        Self.insert(distance, i, lists, limits, length)
                        Self.insert(distance, j, lists, limits, length)
                    }
                }
            }
        }
    }

    /// Takes in the lists of another part of the pairs.
    mutating func merge(_ other: [Double]) {
        squaredDistances.withUnsafeMutableBufferPointer { lists in
            limits.withUnsafeMutableBufferPointer { limits in
                for (place, distance) in other.enumerated() {
                    Self.insert(distance, place / length, lists, limits, length)
                }
            }
        }
    }

    private static func insert(
        _ distance: Double, _ image: Int, _ lists: UnsafeMutableBufferPointer<Double>,
        _ limits: UnsafeMutableBufferPointer<Double>, _ length: Int
    ) {
        guard distance < limits[image] else { return }
        let first = image * length
        var place = first + length - 1
        while place > first && lists[place - 1] > distance {
            lists[place] = lists[place - 1]
            place -= 1
        }
        lists[place] = distance
        limits[image] = lists[first + length - 1]
    }
}
