import Foundation
import ReferenceBackend

/// A small seeded generator (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
struct SplitMix64: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// A normal number, rounded to float32 so that every backend is given exactly it.
    mutating func normal(mean: Double = 0, deviation: Double = 1) -> Double {
        let radius = (-2 * log(1 - Double.random(in: 0..<1, using: &self))).squareRoot()
        let angle = Double.random(in: 0..<2 * Double.pi, using: &self)
        return Double(Float(mean + deviation * radius * cos(angle)))
    }

    /// A tensor of normal numbers.
    mutating func normals(_ shape: [Int], mean: Double = 0, deviation: Double = 1) -> ReferenceTensor {
        ReferenceTensor(shape).map { _ in normal(mean: mean, deviation: deviation) }
    }
}
