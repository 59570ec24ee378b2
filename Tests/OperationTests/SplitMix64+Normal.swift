import Foundation
import ReferenceBackend
import TestSupport

extension SplitMix64 {
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
