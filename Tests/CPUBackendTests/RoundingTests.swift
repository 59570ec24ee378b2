import CKernels
import CPUBackend
import TestSupport
import Testing

/// Rounding to bfloat16.
@Suite struct RoundingTests {
    private func rounded(_ values: [Float]) -> [Float] {
        var result = [Float](repeating: .nan, count: values.count)
        ck_round_bfloat16(values.count, values, &result)
        return result
    }

    /// The definition: of the bfloat16 on either side the nearer one, of two equally near the one whose last bit is 0;
    /// the one after the largest is 2^128.
    private func reference(_ value: Float) -> UInt32 {
        let bits = value.bitPattern
        guard value.isFinite else { return bits }
        let (below, above) = (bits & 0xffff_0000, (bits & 0xffff_0000) &+ 0x10000)
        func magnitude(_ bits: UInt32) -> Double {
            let value = Double(Float(bitPattern: bits & 0x7fff_ffff))
            return value.isFinite ? value : 0x1p128
        }
        let exact = Double(value.magnitude)
        let (down, up) = (exact - magnitude(below), magnitude(above) - exact)
        if down == up { return below & 0x10000 == 0 ? below : above }
        return down < up ? below : above
    }

    /// Every bfloat16 there is, with what follows it: nothing, the least, about half, and the most that can.
    @Test func isThatOfTheDefinition() {
        let tails: [UInt32] = [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff]
        let values = tails.flatMap { tail in
            (0...0xffff as ClosedRange<UInt32>).map { Float(bitPattern: $0 << 16 | tail) }
        }
        let results = rounded(values)
        var wrong: [String] = []
        for (value, result) in zip(values, results) {
            let isRight =
                value.isNaN
                ? result.isNaN && result.bitPattern & 0xffff == 0 && (result.sign == value.sign)
                : result.bitPattern == reference(value)
            if !isRight { wrong.append("\(value) gives \(result)") }
        }
        #expect(wrong.isEmpty, "\(wrong.count) of \(values.count): \(wrong.prefix(5))")
    }

    @Test func knownValues() {
        let values: [Float] = [1, 1.00390625, 1.01171875, -1.00390625, 3.4e38, -.infinity, 0x1p-149, -0.0]
        let expected: [Float] = [1, 1, 1.015625, -1, .infinity, -.infinity, 0, -0.0]
        #expect(rounded(values).map(\.bitPattern) == expected.map(\.bitPattern))
    }

    /// Any number of values at any address, in place too, and no more than those.
    @Test func anyCountAndPlace() {
        for count in 0..<70 {
            for start in 0..<3 {
                var values = (0..<80).map { Float($0) / 7 }
                let expected = values.indices.map { index in
                    (start..<start + count).contains(index) ? reference(values[index]) : values[index].bitPattern
                }
                values.withUnsafeMutableBufferPointer { buffer in
                    guard let base = buffer.baseAddress else { return }
                    ck_round_bfloat16(count, base + start, base + start)
                }
                #expect(values.map(\.bitPattern) == expected)
            }
        }
    }

    /// What the product asks oneDNN and the processor is what the system says.
    @Test func theUnitIsFound() {
        #expect(CPUBackend.bfloat16Unit == (Processor.hasTiles ? .tiles : Processor.hasFastVectors ? .vectors : nil))
    }

    /// Winograd's change of basis rounds what that of float32 gives, to the bit, in either order, by the instruction
    /// where there is one; a tile without a neighbour is paired with zeros.
    @Test(arguments: [(2, 6, 8, 32), (1, 2, 2, 64), (3, 2, 6, 32)])
    func winogradInputIsRounded(_ images: Int, _ height: Int, _ width: Int, _ channels: Int) {
        var shape = ck_winograd_shape(
            images: Int64(images), height: Int64(height), width: Int64(width), channels: Int64(channels))
        let tiles = images * height * width / 4
        let x = (0..<4 * tiles * channels).map { index in Float((index * 7919) % 1009) / 97 - 5 }
        var zeros = [Float](repeating: 0, count: channels)
        for first in 0..<min(2, tiles) {
            let count = tiles - first
            let stride = (count + 1) / 2 * 2 * channels
            var full = [Float](repeating: 0, count: 16 * stride)
            ck_winograd_input(&shape, Int64(first), Int64(count), x, &full, Int64(stride), &zeros)
            let expected = rounded(full).map { UInt16($0.bitPattern >> 16) }
            for paired in [false, true] {
                var pairs = [UInt32](repeating: 0, count: 8 * stride)
                ck_winograd_bfloat16_input(
                    &shape, Int64(first), Int64(count), paired ? 1 : 0, x, &pairs, Int64(stride / 2), &zeros)
                let found = (0..<16 * stride).map { index -> UInt16 in
                    let (k, tile, channel) = (index / stride, index % stride / channels, index % channels)
                    let row = k * stride / 2
                    let pair =
                        paired
                        ? pairs[row + tile / 2 * channels + channel] : pairs[row + (tile * channels + channel) / 2]
                    return UInt16(truncatingIfNeeded: pair >> ((paired ? tile : channel) % 2 == 1 ? 16 : 0))
                }
                #expect(found == expected, "first \(first), paired \(paired)")
            }
        }
    }
}
