import Communication
import Evaluation

/// Numbers in [0, 1), multiples of 2⁻²⁴, that any language makes alike: a hash of two integers.
func hashed(_ i: Int, _ j: Int) -> Double {
    var h = UInt32(truncatingIfNeeded: i) &* 2_654_435_761 &+ UInt32(truncatingIfNeeded: j) &* 40_503 &+ 12_345
    for _ in 0..<2 {
        h ^= h >> 16
        h &*= 0x45D_9F3B
    }
    h ^= h >> 16
    return Double(h >> 8) / 0x1p24
}

/// `[count][8]`: scale · (u(first + i, j) + ½ u(first + i, j + 100) where 3 divides j) + shift.
func rows(_ count: Int, first: Int, scale: Double = 1, shift: Double = 0) -> FeatureMatrix {
    let values = (0..<count).flatMap { i in
        (0..<8).map { j in
            let second = j % 3 == 0 ? 0.5 * hashed(first + i, j + 100) : 0
            return Float(scale * (hashed(first + i, j) + second) + shift)
        }
    }
    return FeatureMatrix(values, count: count, dimension: 8)
}

/// The work of one process.
func alone() -> EvaluationWork { EvaluationWork(SingleProcess()) }

/// Whether two numbers agree to 10⁻⁴ of them.
func agree(_ a: Double, _ b: Double, to part: Double = 1e-4) -> Bool { abs(a - b) <= part * abs(b) }
