import Diffusion
import Philox
import Testing

/// The Haar transform of images against inner products with its basis functions, written out.
@Suite struct HaarTransformTests {
    /// Numbers of [0, 1) in steps of 1/256, with which sums of a block are exact.
    private func image(_ count: Int) -> [Float] {
        let stream = RandomStream(seed: 2, purpose: .data)
        return (0..<count).map { Float(stream.integer(below: 256, epoch: 0, position: $0)) / 256 }
    }

    /// The basis function of the coefficient at a row and a column: constant on squares of 2^level pixels, of norm 1.
    private func basis(_ row: Int, _ column: Int, side: Int, levels: Int) -> [Double] {
        let level = (0..<levels).first { max(row, column) >= side >> ($0 + 1) }.map { $0 + 1 } ?? levels
        let (half, square) = (side >> level, 1 << level)
        let signs = (row >= half, column >= half)
        let (top, left) = (row % half * square, column % half * square)
        return (0..<side * side).map { i in
            let (y, x) = (i / side - top, i % side - left)
            guard 0..<square ~= y, 0..<square ~= x else { return 0 }
            let sign = (signs.0 && y >= square / 2 ? -1.0 : 1) * (signs.1 && x >= square / 2 ? -1.0 : 1)
            return sign / Double(square)
        }
    }

    @Test(arguments: [0, 1, 2, 3]) func coefficientsAreInnerProducts(levels: Int) {
        let (side, channels) = (8, 2)
        let transform = HaarTransform(side: side, channels: channels, levels: levels)
        let images = image(3 * transform.elements)
        let coefficients = transform(images)
        for n in 0..<3 {
            for place in 0..<side * side {
                let function = basis(place / side, place % side, side: side, levels: levels)
                for c in 0..<channels {
                    let product = (0..<side * side).reduce(0) {
                        $0 + function[$1] * Double(images[n * transform.elements + $1 * channels + c])
                    }
                    #expect(abs(Double(coefficients[n * transform.elements + place * channels + c]) - product) < 1e-6)
                }
            }
        }
        // Sums of such numbers are exact, so the inverse gives the very numbers back.
        #expect(transform.inverse(coefficients) == images)
        let square = { (values: [Float]) in values.reduce(0.0) { $0 + Double($1) * Double($1) } }
        #expect(abs(square(coefficients) / square(images) - 1) < 1e-12)
        for (group, share) in transform.shares.enumerated() {
            let count = transform.groups.filter { $0 == group }.count
            #expect(Double(count) == share * Double(transform.elements))
        }
    }

    /// Of each block the mean times its side; put in the place of another, it is what the result has, with the others' details.
    @Test func approximations() {
        let transform = HaarTransform(side: 8, channels: 3, levels: 2)
        let images = image(2 * 192)
        let others = images.reversed().map { 1 - $0 }
        let found = transform.approximation(images)
        #expect(found.count == 2 * 12)
        for n in 0..<2 {
            for place in 0..<4 {
                for c in 0..<3 {
                    var sum: Float = 0
                    for k in 0..<16 {
                        let (y, x) = (place / 2 * 4 + k / 4, place % 2 * 4 + k % 4)
                        sum += images[n * 192 + (8 * y + x) * 3 + c]
                    }
                    #expect(found[n * 12 + place * 3 + c] == sum / 4)
                }
            }
        }
        let mixed = transform.replacing(approximation: found, of: others)
        #expect(transform.approximation(mixed) == found)
        let details = transform.groups.indices.filter { transform.groups[$0] < 2 }
        func kept(_ images: [Float]) -> [Float] { details.map { transform(images)[$0] } }
        #expect(kept(mixed) == kept(others) && kept(others) != kept(images))
    }
}
