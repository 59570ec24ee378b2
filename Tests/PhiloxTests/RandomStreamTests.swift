import Philox
import Testing

/// What a stream promises exactly: the bits, and how places relate to each other.
@Suite struct RandomStreamTests {
    let stream = RandomStream(seed: 0x0123_4567_89AB_CDEF, purpose: .noise)
    let epoch = 7
    let position = 5 << 32 + 11

    /// Computed with another program from the definition, in double precision, rounded to float32.
    @Test func valuesAreFixedForever() {
        let bits: [UInt32] = [
            0xBEC1_8070, 0xBF62_8463, 0x3FA4_15E2, 0x3F16_5E68, 0xBF99_1EC8, 0x3F83_F290, 0xBE2E_7A29, 0x3FB0_E601,
        ]
        #expect(stream.normals(count: 8, epoch: epoch, position: position).map(\.bitPattern) == bits)
        #expect(stream.uniform(epoch: epoch, position: position) == 0.6857542199151282)
        #expect(
            stream.uniforms(count: 4, epoch: epoch, position: position)
                == [0.6294674873352051, 0.6857541799545288, 0.3700329661369324, 0.06838154792785645])
    }

    @Test func purposesKeepTheirNumbers() {
        #expect(Purpose.allCases.map(\.rawValue) == Array(0...23))
        #expect(Purpose.noise.rawValue == 3)
        #expect(Purpose.probe.rawValue == 11)
    }

    @Test(arguments: 0...9) func aShorterFillIsThePrefixOfALongerOne(count: Int) {
        let long = stream.normals(count: 12, epoch: 0, position: 0)
        #expect(stream.normals(count: count, epoch: 0, position: 0) == Array(long[..<count]))
        let uniforms = stream.uniforms(count: 12, epoch: 0, position: 0)
        #expect(stream.uniforms(count: count, epoch: 0, position: 0) == Array(uniforms[..<count]))
    }

    @Test func aFillLeavesItsNeighboursAlone() {
        var values = [Float](repeating: 99, count: 9)
        values.withUnsafeMutableBufferPointer {
            stream.fillNormals(UnsafeMutableBufferPointer(rebasing: $0[1..<7]), epoch: 3, position: 4)
        }
        #expect(values[0] == 99 && values[7] == 99 && values[8] == 99)
        #expect(Array(values[1..<7]) == stream.normals(count: 6, epoch: 3, position: 4))
    }

    /// Seed (both halves), purpose, epoch and position (both halves) all reach the result.
    @Test func everyCoordinateMatters() {
        func first(_ seed: UInt64, _ purpose: Purpose, _ epoch: Int, _ position: Int) -> Double {
            RandomStream(seed: seed, purpose: purpose).uniform(epoch: epoch, position: position)
        }
        let values = [
            first(1, .noise, 0, 0), first(2, .noise, 0, 0), first(1 << 32 + 1, .noise, 0, 0), first(1, .eta, 0, 0),
            first(1, .noise, 1, 0), first(1, .noise, 0, 1), first(1, .noise, 0, 1 << 32),
        ]
        #expect(Set(values).count == values.count)
    }

    @Test func everyPurposeIsAStreamOfItsOwn() {
        let values = Purpose.allCases.map { RandomStream(seed: 5, purpose: $0).uniform(epoch: 0, position: 0) }
        #expect(Set(values).count == Purpose.allCases.count)
    }

    @Test func integersStayInRange() {
        for below in [1, 2, 3, 1000, Int(UInt32.max) + 2, Int.max] {
            for position in 0..<50 {
                #expect(0..<below ~= stream.integer(below: below, epoch: 0, position: position))
            }
        }
    }

    @Test(arguments: [0, 1, 2, 10, 1000]) func aPermutationHoldsEveryNumberOnce(count: Int) {
        let order = stream.permutation(count: count, epoch: 0)
        #expect(order.sorted() == (0..<count).map(Int32.init))
    }

    @Test func eachEpochAndSeedHasItsOwnOrder() {
        let first = stream.permutation(count: 100, epoch: 0)
        #expect(first == stream.permutation(count: 100, epoch: 0))
        #expect(first != stream.permutation(count: 100, epoch: 1))
        #expect(first != RandomStream(seed: 1, purpose: .noise).permutation(count: 100, epoch: 0))
        #expect(first != (0..<100).map(Int32.init))
    }
}
