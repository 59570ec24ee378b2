import Files
import Benchmarks
import Communication
import Sampling
import Testing
import Training

/// Two ranks in one process: the other one brings what this one brings, and one element too much where told.
private final class Mirror: Communicator {
    let rank = 0
    let size = 2
    let host = "here"
    var wrongElement: Int?

    func sum(_ values: UnsafeMutableBufferPointer<Float>) throws {
        // Rank 1's values are twice rank 0's.
        for i in values.indices { values[i] *= 3 }
        if let wrongElement { values[wrongElement] += 1 }
    }
    func beginSum(_ values: UnsafeMutableBufferPointer<Float>) throws -> any PendingCollective {
        try sum(values)
        return Done()
    }
    func barrier() throws {}
    func sum(_ values: [Double]) throws -> [Double] { values }
    func maximum(_ values: [Double]) throws -> [Double] { values }
    func progress() throws {}
    func allGather(_ values: UnsafeMutableBufferPointer<Float>, parts: [Range<Int>]) throws {}
    func beginExchange(
        _ values: UnsafeMutableBufferPointer<Float>, parts: [Range<Int>],
        into received: UnsafeMutableBufferPointer<Float>
    ) throws -> any PendingCollective { Done() }
    func beginAllGather(
        _ values: UnsafeMutableBufferPointer<Float>, parts: [Range<Int>]
    ) throws -> any PendingCollective { Done() }
    func collect(
        _ part: UnsafeMutableBufferPointer<Float>, parts: [Range<Int>], to root: Int,
        into whole: UnsafeMutableBufferPointer<Float>?
    ) throws {}
    func distribute(
        _ whole: UnsafeMutableBufferPointer<Float>?, parts: [Range<Int>], from root: Int,
        into part: UnsafeMutableBufferPointer<Float>
    ) throws {}
    func hostMemory(bytes: Int) throws -> HostMemory {
        HostMemory(bytes: UnsafeMutableRawBufferPointer(start: nil, count: 0), isFirst: true)
    }
    func hostMemoryWritten() throws {}
    func broadcast(_ bytes: [UInt8], from root: Int) throws -> [UInt8] { bytes }
    func gather(_ bytes: [UInt8]) throws -> [[UInt8]] { [bytes, bytes] }
    func abort(code: Int32) -> Never { preconditionFailure("aborted with \(code)") }
    func finalize() throws {}

    private final class Done: PendingCollective {
        func test() throws -> Bool { true }
        func wait() throws {}
    }
}

@Suite struct BenchmarkTests {
    @Test func aWrongSumIsSaid() throws {
        let mirror = Mirror()
        let benchmark = try AllReduceBenchmark(mirror, largestBytes: 4000)
        let row = try benchmark.measure(bytes: 4000, repetitions: 2, warmup: 1)
        #expect(row.checkedElements == 1000 * 2 * 3)
        mirror.wrongElement = 700
        let error = #expect(throws: RunError.self) {
            try benchmark.measure(bytes: 4000, repetitions: 1, warmup: 0)
        }
        #expect(error?.description.contains("element 700 of 1000 is") == true, "\(String(describing: error))")
    }

    @Test func medians() {
        #expect(median([3]) == 3)
        #expect(median([5, 1, 3]) == 3)
        #expect(median([4, 1, 3, 2]) == 2.5)
    }

    /// All samples are drawn, in as few batches as the limit allows, with less than one sample too much a batch.
    @Test func batchesOfSamplesAreEven() {
        for count in 0...100 {
            for limit in 1...40 {
                let batch = SampleGenerator.batch(for: count, atMost: limit)
                #expect(1...limit ~= batch)
                let batches = (count + batch - 1) / batch
                #expect(batches == (count + limit - 1) / limit)
                #expect(batches * batch - count < max(1, batches) || count == 0)
            }
        }
        #expect(SampleGenerator.batch(for: 48, atMost: 32) == 24)
    }
}
