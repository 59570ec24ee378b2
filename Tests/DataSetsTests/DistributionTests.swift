import DataSets
import Foundation
import HDF5
import TestSupport
import Testing

/// Points from known distributions, and what their files state of these.
@Suite struct DistributionTests {
    private func prepare(_ source: some DrawnPoints, count: Int, _ path: String, shardSize: Int? = nil) throws {
        let provenance = Provenance(source: "a test", command: "smd dataset prepare …", tool: "smd test")
        try Preparation(output: path, provenance: provenance, shardSize: shardSize)
            .points(drawnFrom: source, count: count)
    }

    /// Equal weights are drawn as they were before there were others: the fingerprint is that of version 0.1.0.
    @Test func equalWeightsKeepTheirPoints() throws {
        try withTemporaryDirectory { folder in
            try prepare(GaussianGrid(side: 7), count: 5000, folder + "/a.h5")
            #expect(
                try DataSet(path: folder + "/a.h5").fingerprint
                    == "4d52449c1650b5e4aa399345dcc417938fb5d660219e9adef4847fa5c6be96da")
        }
    }

    @Test func weights() {
        #expect(ComponentWeights.equal.values(4) == [0.25, 0.25, 0.25, 0.25])
        #expect(ComponentWeights.linear.values(4) == [0.1, 0.2, 0.3, 0.4])
        for count in [1, 2, 5, 49] {
            let values = ComponentWeights.geometric.values(count)
            #expect(abs(values.reduce(0, +) - 1) < 1e-12)
            #expect(count == 1 || abs(values[count - 1] / values[0] - 0.01) < 1e-12)
            #expect(count < 3 || abs(values[1] * values[1] - values[0] * values[2]) < 1e-15)
        }
    }

    /// Shares of unequal components within 4.5 standard errors; pieces join up.
    @Test(arguments: [ComponentWeights.linear, .geometric]) func unequalShares(weighting: ComponentWeights) {
        let grid = GaussianGrid(side: 3, weighting: weighting, seed: 2)
        let n = 20_000
        let labels = grid.draw(0..<n).labels
        for (k, weight) in grid.weights.enumerated() {
            let found = Double(labels.filter { $0 == k }.count)
            let (mean, variance) = (Double(n) * weight, Double(n) * weight * (1 - weight))
            #expect(abs(found - mean) < 4.5 * variance.squareRoot(), "\(k)")
        }
        #expect(grid.draw(0..<10).points + grid.draw(10..<25).points == grid.draw(0..<25).points)
    }

    @Test func ring() {
        let ring = GaussianRing(components: 6, radius: 2, deviation: 0.1, weighting: .linear, seed: 3)
        guard case .mixture(let mixture) = ring.distribution else { return #expect(Bool(false)) }
        #expect(mixture.weights == ComponentWeights.linear.values(6) && mixture.covariances.count == 24)
        // Of six, neighbours are as far apart as they are from the origin.
        for k in 0..<5 {
            let (x, y) = (mixture.means[2 * k], mixture.means[2 * k + 1])
            let lengths = [hypot(x, y), hypot(mixture.means[2 * k + 2] - x, mixture.means[2 * k + 3] - y)]
            #expect(lengths.allSatisfy { abs($0 - 2) < 1e-12 })
        }
        let (points, labels) = ring.draw(0..<2000)
        let squares = labels.indices.map { i in
            let k = Int(labels[i])
            return (0..<2).reduce(0) { $0 + pow(Double(points[2 * i + $1]) - mixture.means[2 * k + $1], 2) }
        }
        // Each is 2 σ² on average with standard deviation 2 σ².
        let mean = squares.reduce(0, +) / 2000
        #expect(abs(mean - 0.02) < 4.5 * 0.02 / 2000.0.squareRoot())
    }

    /// Every point lies in its dark square, and all of it is covered evenly.
    @Test func checkerboard() {
        let board = Checkerboard(side: 4, seed: 1)
        guard case .rectangles(let stored) = board.distribution else { return #expect(Bool(false)) }
        #expect(stored.sides == [0.5, 0.5])
        #expect(stored.corners == [-1, -1, 0, -1, -0.5, -0.5, 0.5, -0.5, -1, 0, 0, 0, -0.5, 0.5, 0.5, 0.5])
        let n = 8000
        let (points, labels) = board.draw(0..<n)
        var quarters = [Int](repeating: 0, count: 32)
        for i in 0..<n {
            let corner = Array(stored.corners[2 * Int(labels[i])..<2 * Int(labels[i]) + 2])
            let place = (0..<2).map { Double(points[2 * i + $0]) - corner[$0] }
            #expect(place.allSatisfy { $0 >= 0 && $0 <= 0.5 })
            quarters[4 * Int(labels[i]) + (place[0] < 0.25 ? 0 : 1) + (place[1] < 0.25 ? 0 : 2)] += 1
        }
        #expect(quarters.allSatisfy { abs($0 - 250) < 70 }, "\(quarters)")  // 4.5 standard deviations
        #expect(board.draw(0..<10).points + board.draw(10..<25).points == board.draw(0..<25).points)
        #expect(Checkerboard(side: 4, seed: 2).draw(0..<25).points != board.draw(0..<25).points)
    }

    @Test func filesStateTheirDistribution() throws {
        try withTemporaryDirectory { folder in
            let (grid, board) = (GaussianGrid(side: 3, weighting: .linear), Checkerboard(side: 2))
            try prepare(grid, count: 20, folder + "/grid.h5")
            try prepare(board, count: 20, folder + "/board.h5")
            try prepare(grid, count: 20, folder + "/parts.json", shardSize: 8)
            #expect(try DataSet(path: folder + "/grid.h5").distribution() == grid.distribution)
            #expect(try DataSet(path: folder + "/parts.json").distribution() == grid.distribution)
            #expect(try DataSet(path: folder + "/board.h5").distribution() == board.distribution)
            #expect(try DataSet(path: folder + "/board.h5").summary().contains { $0.name == "rectangles" })
            try DataSet.tryReading(path: folder + "/board.h5")
        }
    }

    /// A mixture that does not fit the points: damage in a file of this program, of no interest in one of another.
    @Test(arguments: [true, false]) func mixturesThatCannotBeUsed(isOurs: Bool) throws {
        let means: [(values: [Double], shape: [Int], words: String)] = [
            ([0, 1], [2], "/mixture/means is 2, not 2×2"),
            ([0, 1, 2, 3, 4, 5], [2, 3], "/mixture/means is 2×3, not 2×2"),
            ([0, 1, 2, .nan], [2, 2], "/mixture/means holds a number that is not finite"),
            ([], [0, 2], "is 0×2, not 2×2"),
        ]
        for (values, shape, words) in means {
            try withTemporaryDirectory { folder in
                let file = try HDF5File.create(folder + "/a.h5")
                try file.root.write([0, 1, 2, 3] as [Float], shape: [2, 2], to: "points")
                if isOurs { try file.root.setAttribute("format", .string("smd data set")) }
                try file.root.write([0.5, 0.5], shape: [2], to: "mixture/weights")
                try file.root.write(values, shape: shape, to: "mixture/means")
                try file.root.write([1, 0, 0, 1, 1, 0, 0, 1] as [Double], shape: [2, 2, 2], to: "mixture/covariances")
                try file.close()
                let set = try DataSet(path: folder + "/a.h5")
                if isOurs {
                    #expect { try set.distribution() } throws: { "\($0)".contains(words) }
                } else {
                    #expect(try set.distribution() == nil)
                }
                try DataSet.tryReading(path: folder + "/a.h5")
            }
        }
    }
}
