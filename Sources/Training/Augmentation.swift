import Foundation
import NeuralNetwork
import Philox

/// Non-leaking augmentation of images (Karras et al. 2022, arXiv:2206.00364, appendix F.2, with the numbers of its
/// published code): geometric changes that the network is told of, so that what it draws without being told of any has
/// none. Each belongs to a sample's place in its epoch.
package struct Augmentation {
    /// Probability p of each change but the mirror image, which is as likely as the image.
    private let probability: Double
    private let stream: RandomStream

    package init(probability: Double, seed: UInt64) {
        self.probability = probability
        stream = RandomStream(seed: seed, purpose: .augmentation)
    }

    /// What is done to the sample at a place.
    package func change(at place: (epoch: Int, position: Int)) -> ImageChange {
        // Two kinds of draws, for which each place has two.
        let u = stream.uniforms(count: 10, epoch: place.epoch, position: 2 * place.position).map(Double.init)
        let n = stream.normals(count: 4, epoch: place.epoch, position: 2 * place.position + 1).map(Double.init)
        func chosen(_ number: Int) -> Bool { u[number] < probability }
        func angle(_ number: Int) -> Double { (2 * u[number] - 1) * .pi }
        var change = ImageChange()
        change.mirrored = u[0] < 0.5
        change.upsideDown = chosen(1) && u[2] < 0.5
        if chosen(3) { change.scale = n[0] }
        if chosen(4) { change.rotation = angle(5) }
        if chosen(6) {
            change.anisotropy = n[1]
            change.direction = u[7] < 0.5 ? angle(8) : 0
        }
        if chosen(9) { change.translation = SIMD2(n[2], n[3]) }
        return change
    }
}

/// Changes of a square image, in this order, about its middle. All are nothing at first.
package struct ImageChange: Equatable {
    package var mirrored = false
    package var upsideDown = false
    /// w of an enlargement by 2^(0.2 w).
    package var scale = 0.0
    /// Counterclockwise for y upward, radians.
    package var rotation = 0.0
    /// w of an enlargement by 2^(0.2 w) along a direction, in radians, and by 2^(−0.2 w) across it.
    package var anisotropy = 0.0
    package var direction = 0.0
    /// To the right and down, in eighths of the side.
    package var translation = SIMD2(0.0, 0.0)

    package init() {}

    /// The nine numbers that a network is told; zeros where nothing is done.
    package var numbers: [Float] {
        [
            mirrored ? 1 : 0, upsideDown ? 1 : 0, scale, cos(rotation) - 1, sin(rotation),
            anisotropy * cos(direction), anisotropy * sin(direction), translation.x, translation.y,
        ].map { Float($0) }
    }

    /// Whether values between pixels are needed.
    private var isGeometric: Bool {
        scale != 0 || rotation != 0 || anisotropy != 0 || translation != SIMD2(0, 0)
    }

    /// Changes an image in place, `[side][side][channels]`. Flips move pixels as they are; anything else is one
    /// resampling by Keys' cubic kernel (a = −1/2) of the image mirrored at its outermost pixels. It may overshoot.
    package func apply(to image: UnsafeMutableBufferPointer<Float>, side: Int, channels: Int) {
        precondition(side > 1 && image.count == side * side * channels, "\(image.count) numbers, side \(side)")
        if mirrored || upsideDown { flip(image, side, channels) }
        if isGeometric { resample(image, side, channels) }
    }

    private func flip(_ image: UnsafeMutableBufferPointer<Float>, _ side: Int, _ channels: Int) {
        let source = Array(image)
        for y in 0..<side {
            for x in 0..<side {
                let (fromY, fromX) = (upsideDown ? side - 1 - y : y, mirrored ? side - 1 - x : x)
                let (to, from) = ((y * side + x) * channels, (fromY * side + fromX) * channels)
                for c in 0..<channels { image[to + c] = source[from + c] }
            }
        }
    }

    /// Where the value of a place comes from, both relative to the middle: the changes undone from the last to the first.
    private func origin(of place: SIMD2<Double>, side: Int) -> SIMD2<Double> {
        func turned(_ p: SIMD2<Double>, _ angle: Double) -> SIMD2<Double> {
            SIMD2(cos(angle) * p.x - sin(angle) * p.y, sin(angle) * p.x + cos(angle) * p.y)
        }
        let along = turned(place - Double(side) / 8 * translation, direction)
        let stretch = exp2(0.2 * anisotropy)
        let round = turned(SIMD2(along.x / stretch, along.y * stretch), -direction)
        return turned(round, rotation) / exp2(0.2 * scale)
    }

    private func resample(_ image: UnsafeMutableBufferPointer<Float>, _ side: Int, _ channels: Int) {
        let source = Array(image)
        let middle = Double(side - 1) / 2
        // The map is affine: the origin of the first pixel, and how it moves from pixel to pixel.
        let zero = origin(of: SIMD2(0, 0), side: side)
        let right = origin(of: SIMD2(1, 0), side: side) - zero
        let down = origin(of: SIMD2(0, 1), side: side) - zero
        for y in 0..<side {
            for x in 0..<side {
                let place = zero + (Double(x) - middle) * right + (Double(y) - middle) * down + SIMD2(middle, middle)
                let (columns, rows) = (CubicTaps(place.x, side), CubicTaps(place.y, side))
                for c in 0..<channels {
                    var sum: Float = 0
                    for i in 0..<4 {
                        var row: Float = 0
                        for j in 0..<4 {
                            row +=
                                columns.weights[j]
                                * source[(rows.indices[i] * side + columns.indices[j]) * channels + c]
                        }
                        sum += rows.weights[i] * row
                    }
                    image[(y * side + x) * channels + c] = sum
                }
            }
        }
    }
}

/// The four pixels of a line that a value between them is made of, and their weights (Keys 1981, a = −1/2).
private struct CubicTaps {
    let indices: SIMD4<Int>
    let weights: SIMD4<Float>

    /// - Parameters:
    ///   - place: in pixels from the middle of the first.
    ///   - count: pixels of the line, which goes on mirrored at its first and last one.
    init(_ place: Double, _ count: Int) {
        let first = place.rounded(.down)
        let t = place - first
        weights = SIMD4<Float>(
            SIMD4(
                ((-0.5 * t + 1) * t - 0.5) * t, (1.5 * t - 2.5) * t * t + 1, ((-1.5 * t + 2) * t + 0.5) * t,
                (0.5 * t - 0.5) * t * t))
        let period = 2 * (count - 1)
        func reflected(_ index: Int) -> Int {
            let rest = ((index % period) + period) % period
            return min(rest, period - rest)
        }
        let start = Int(first)
        indices = SIMD4(reflected(start - 1), reflected(start), reflected(start + 1), reflected(start + 2))
    }
}
