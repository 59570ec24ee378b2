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

    /// What the product asks oneDNN is what the kernel says.
    @Test func instructionsAreFound() {
        #expect(CPUBackend.hasBFloat16 == Processor.hasBFloat16)
    }
}
