import Evaluation
import LinearAlgebra
import Testing

/// Figures against public implementations on the same arrays, and against what they are by definition.
@Suite struct ImageMetricTests {
    private let data = rows(300, first: 0)
    private let samples = rows(200, first: 1000, scale: 0.75, shift: 0.15)

    private func around(_ samples: FeatureMatrix, _ data: FeatureMatrix) throws -> Neighbourhoods {
        let own = try OwnNeighbours("data", of: data, alone())
        return try Neighbourhoods(samples, data, ownOfData: own, alone())
    }

    /// As pytorch-fid computes it, with numpy.cov (2.4.6) and scipy.linalg.sqrtm (1.17.1) of S₁ S₂, which is not symmetric.
    @Test func frechetDistanceIsThatOfSciPy() throws {
        let (first, second) = (try Moments(of: samples, alone()), try Moments(of: data, alone()))
        #expect(agree(try frechetDistance(first, second), 0.07105367038160026, to: 1e-10))
        #expect(agree(try frechetDistance(second, first), 0.07105367038160026, to: 1e-10))
        #expect(abs(try frechetDistance(first, first)) < 1e-12)
    }

    /// ‖m₁ − m₂‖² + Σ (√λ₁ − √λ₂)² where both covariances are diagonal.
    @Test func frechetDistanceOfIndependentNumbers() throws {
        let first = Moments(mean: [1, 2, 3], covariance: Matrix(diagonal: [4, 9, 0]))
        let second = Moments(mean: [1, 0, 3], covariance: Matrix(diagonal: [1, 16, 0.25]))
        #expect(agree(try frechetDistance(first, second), 4 + 1 + 1 + 0.25, to: 1e-12))
    }

    /// The formula of torch-fidelity's polynomial_mmd (degree 3, γ = 1/F, coef0 = 1, unbiased) in numpy 2.4.6, of all samples
    /// and the first 200 rows of the data.
    @Test func kernelDistanceIsThatOfNumPy() throws {
        let fewer = data.selecting(Array(0..<200))
        let all = try kernelDistance(samples, fewer, KernelSubsets(count: 1, size: 200), seed: 1, alone())
        #expect(agree(all.value, 0.004125229333705072, to: 1e-9) && all.error == nil)
        // Whatever the subsets, each has this value in the mean.
        let subsets = try kernelDistance(samples, data, KernelSubsets(count: 400, size: 50), seed: 1, alone())
        let whole = try kernelDistance(samples, data, KernelSubsets(count: 40, size: 1000), seed: 1, alone())
        let error = try #require(subsets.error)
        // 200 samples hold 4 subsets of 50 that have none in common.
        #expect(error > 0 && abs(subsets.value - whole.value) < 4 * error / 10)
        #expect(subsets != (try kernelDistance(samples, data, KernelSubsets(count: 400, size: 50), seed: 2, alone())))
    }

    /// By hand: k = (x·y/1 + 1)³ of x = 0, 1 and y = 2, −1.
    @Test func discrepancyOfFourNumbers() {
        let (x, y) = (Matrix([0, 1], rows: 2, columns: 1), Matrix([2, -1], rows: 2, columns: 1))
        // Off the diagonal: k(0, 1) = 1, k(2, −1) = −1, each twice of two; across: 1, 1, 27, 0 of four.
        #expect(squaredDiscrepancy(x, y) == 1 - 1 - 14.5)
    }

    /// prdc 0.2 (with scikit-learn 1.9.1): precision and recall with nearest_k=3, density and coverage with nearest_k=5.
    @Test func neighbourhoodsAreThoseOfPRDC() throws {
        let around = try around(samples, data)
        let manifold = PrecisionRecall(around)
        #expect(agree(manifold.precision, 0.995, to: 1e-12) && agree(manifold.recall, 0.64, to: 1e-12))
        let balls = DensityCoverage(around)
        #expect(agree(balls.density, 1.625, to: 1e-12) && agree(balls.coverage, 0.9133333333333333, to: 1e-12))
    }

    /// By scikit-learn's pairwise_distances and numpy's median, and a percentile by the lower of two.
    @Test func memorisationIsThatOfNumPy() throws {
        let result = Memorisation(try around(samples, data))
        #expect(agree(result.ratio, 0.887820947948958, to: 1e-9) && agree(result.nearer, 0.03, to: 1e-12))
    }

    @Test func copiesAreFound() throws {
        let copies = data.selecting(Array(stride(from: 299, to: 0, by: -3)))
        let around = try around(copies, data)
        #expect(around.nearestData.map { Int($0.index) } == Array(stride(from: 299, to: 0, by: -3)))
        let result = Memorisation(around)
        #expect(result.ratio < 1e-6 && result.nearer == 1)
    }

    /// More images than a tile and a piece of the work hold, against the definition.
    @Test func neighboursAcrossTilesAreTheNearest() throws {
        let (data, samples) = (rows(1100, first: 0), rows(2100, first: 5000))
        func squaredDistance(_ a: FeatureMatrix, _ i: Int, _ b: FeatureMatrix, _ j: Int) -> Double {
            (0..<8).reduce(0) { sum, k in
                let difference = Double(a.values[i * 8 + k]) - Double(b.values[j * 8 + k])
                return sum + difference * difference
            }
        }
        let own = try OwnNeighbours("data", of: data, alone())
        for i in stride(from: 0, to: 1100, by: 37) {
            let sorted = (0..<1100).filter { $0 != i }.map { squaredDistance(data, i, data, $0) }.sorted()
            for k in 1...5 { #expect(abs(own.squaredRadii(k: k)[i] - sorted[k - 1]) < 1e-12) }
        }
        let around = try Neighbourhoods(samples, data, ownOfData: own, alone())
        let radii = own.squaredRadii(k: 5)
        var (holding, covered) = (0, Set<Int>())
        for i in 0..<2100 {
            var nearest = (squaredDistance: Double.infinity, index: -1)
            for j in 0..<1100 {
                let distance = squaredDistance(samples, i, data, j)
                if distance < nearest.squaredDistance {
                    nearest = (distance, j)
                }
                if distance <= radii[j] {
                    holding += 1
                    covered.insert(j)
                }
            }
            #expect(Int(around.nearestData[i].index) == nearest.index)
        }
        let balls = DensityCoverage(around)
        #expect(balls.density == Double(holding) / (5 * 2100) && balls.coverage == Double(covered.count) / 1100)
    }

    @Test func momentsAreThoseOfTheDefinition() throws {
        // More columns than a block of the covariance has, and more rows than a tile.
        let (count, width) = (1500, 300)
        let values = (0..<count).flatMap { i in
            (0..<width).map { j in Float(hashed(i, j) + 0.5 * hashed(i, j / 2 + 999)) }
        }
        let moments = try Moments(of: FeatureMatrix(values, count: count, dimension: width), alone())
        func column(_ j: Int) -> [Double] { (0..<count).map { Double(values[$0 * width + j]) } }
        for (a, b) in [(0, 0), (0, 1), (2, 3), (255, 256), (299, 4), (298, 299), (7, 7)] {
            let (x, y) = (column(a), column(b))
            let (meanX, meanY) = (x.reduce(0, +) / Double(count), y.reduce(0, +) / Double(count))
            let sum = zip(x, y).reduce(0) { $0 + ($1.0 - meanX) * ($1.1 - meanY) }
            #expect(abs(moments.mean[a] - meanX) < 1e-12)
            #expect(abs(moments.covariance[a, b] - sum / Double(count - 1)) < 1e-12, "\(a), \(b)")
            #expect(moments.covariance[a, b] == moments.covariance[b, a])
        }
    }
}
