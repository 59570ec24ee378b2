import Foundation
import Philox
import Testing

/// Distributions, at fixed seeds: a threshold is a quantile that a right generator exceeds once in about 10⁴ seeds.
@Suite struct DistributionTests {
    let stream = RandomStream(seed: 20_240_601, purpose: .data)

    /// Σ (observed − expected)²/expected.
    func chiSquare(_ observed: [Int]) -> Double {
        let expected = Double(observed.reduce(0, +)) / Double(observed.count)
        return observed.map { (Double($0) - expected) * (Double($0) - expected) / expected }.reduce(0, +)
    }

    /// The 1 − 10⁻⁴ quantile of χ², Wilson and Hilferty.
    func chiSquareLimit(degrees: Int) -> Double {
        let k = Double(degrees)
        return k * pow(1 - 2 / (9 * k) + 3.719 * (2 / (9 * k)).squareRoot(), 3)
    }

    @Test func normalsHaveTheMomentsOfTheNormalLaw() {
        let n = 200_000
        let values = stream.normals(count: n, epoch: 0, position: 0).map(Double.init)
        func moment(_ k: Int) -> Double { values.map { pow($0, Double(k)) }.reduce(0, +) / Double(n) }
        let deviation = 1 / Double(n).squareRoot()
        // Variances of x, x², x³, x⁴ under N(0, 1): 1, 2, 15, 96.
        #expect(abs(moment(1)) < 4 * deviation)
        #expect(abs(moment(2) - 1) < 4 * deviation * 2.0.squareRoot())
        #expect(abs(moment(3)) < 4 * deviation * 15.0.squareRoot())
        #expect(abs(moment(4) - 3) < 4 * deviation * 96.0.squareRoot())
    }

    /// Kolmogorov–Smirnov: the largest distance to Φ, over the draws of one place and over the first draw of many.
    @Test(arguments: [false, true]) func normalsFollowTheNormalLaw(acrossPositions: Bool) {
        let n = 50_000
        let values =
            acrossPositions
            ? (0..<n).map { stream.normals(count: 1, epoch: 2, position: $0)[0] }
            : stream.normals(count: n, epoch: 1, position: 0)
        var distance = 0.0
        for (i, x) in values.sorted().enumerated() {
            let phi = 0.5 * erfc(-Double(x) / 2.0.squareRoot())
            distance = max(distance, abs(phi - Double(i) / Double(n)), abs(phi - Double(i + 1) / Double(n)))
        }
        #expect(distance * Double(n).squareRoot() < 2.23)  // P(K > 2.23) ≈ 10⁻⁴
    }

    /// The two of a Box–Muller pair, neighbours in a fill, positions, epochs and purposes are uncorrelated.
    @Test func neighboursAreUncorrelated() {
        let n = 50_000
        let values = stream.normals(count: n + 2, epoch: 0, position: 9)
        func correlation(_ other: [Float]) -> Double {
            zip(values, other).map { Double($0 * $1) }.reduce(0, +) / Double(n).squareRoot()
        }
        let eta = RandomStream(seed: 20_240_601, purpose: .eta)
        #expect(abs(correlation(Array(values.dropFirst()))) < 4)
        #expect(abs(correlation(Array(values.dropFirst(2)))) < 4)
        #expect(abs(correlation(stream.normals(count: n, epoch: 0, position: 10))) < 4)
        #expect(abs(correlation(stream.normals(count: n, epoch: 1, position: 9))) < 4)
        #expect(abs(correlation(eta.normals(count: n, epoch: 0, position: 9))) < 4)
        // The same place: a correlation that this test must be able to see.
        #expect(correlation(stream.normals(count: n, epoch: 0, position: 9)) > 100)
    }

    @Test func squaresOfAPairAreUncorrelated() {
        let values = stream.normals(count: 100_000, epoch: 4, position: 0)
        let excess = values.map { Double($0) * Double($0) - 1 }
        var sum = 0.0
        for i in stride(from: 0, to: excess.count, by: 2) { sum += excess[i] * excess[i + 1] }
        // The product of two independent (x² − 1) has mean 0 and variance 4.
        #expect(abs(sum) / (2 * Double(excess.count)).squareRoot() < 4)
    }

    @Test(arguments: [2, 7, 1000]) func integersAreUniform(below: Int) {
        var counts = [Int](repeating: 0, count: below)
        for position in 0..<20 * max(below, 500) {
            counts[stream.integer(below: below, epoch: 0, position: position)] += 1
        }
        #expect(chiSquare(counts) < chiSquareLimit(degrees: below - 1))
    }

    /// Without rejection, word × below over 2⁶⁴ with below = 3·2⁶¹ would give a third of the results twice as often.
    @Test func largeIntegersAreUnbiased() {
        let below = 3 << 61
        var counts = [0, 0, 0]
        for position in 0..<9000 {
            // Residues modulo 3 show the bias: floor(word · 3/8) favours two of them.
            counts[stream.integer(below: below, epoch: 1, position: position) % 3] += 1
        }
        #expect(chiSquare(counts) < chiSquareLimit(degrees: 2))
    }

    @Test func uniformsAreUniform() {
        var single = [Int](repeating: 0, count: 64)
        for value in stream.uniforms(count: 64_000, epoch: 0, position: 0) { single[Int(value * 64)] += 1 }
        #expect(chiSquare(single) < chiSquareLimit(degrees: 63))
        var double = [Int](repeating: 0, count: 64)
        for position in 0..<20_000 { double[Int(stream.uniform(epoch: 0, position: position) * 64)] += 1 }
        #expect(chiSquare(double) < chiSquareLimit(degrees: 63))
    }

    @Test func everyOrderOfFourIsEquallyLikely() {
        var counts: [[Int32]: Int] = [:]
        for epoch in 0..<12_000 { counts[stream.permutation(count: 4, epoch: epoch), default: 0] += 1 }
        #expect(counts.count == 24)
        #expect(chiSquare(Array(counts.values)) < chiSquareLimit(degrees: 23))
    }
}
