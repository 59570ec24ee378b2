import Foundation

/// Reads the samples of a rank's next micro-batches, on a thread of its own while others compute; and lends the data set
/// to one thread at a time.
package final class ReadAhead {
    private let shared: Shared

    /// - Parameters:
    ///   - starts: where the rank's micro-batches begin in a step, counted from its first sample, in the order in which
    ///     they are wanted.
    ///   - microBatch: samples of each.
    ///   - batch: samples from the beginning of a step to that of the next.
    ///   - depth: micro-batches to read ahead; 0 reads each when it is wanted.
    package init(_ samples: SampleStream, starts: [Int], microBatch: Int, batch: Int, depth: Int) {
        precondition(!starts.isEmpty && microBatch > 0, "a rank without micro-batches")
        shared = Shared(samples, starts: starts, microBatch: microBatch, batch: batch, depth: depth)
        guard depth > 0 else { return }
        let thread = Thread { [shared] in shared.readOn() }
        thread.name = "smd data"
        thread.stackSize = 8 << 20
        thread.start()
    }

    deinit { shared.end() }

    /// The next micro-batches wanted are those of the step that begins at `position` of the stream.
    package func begin(at position: Int) { shared.begin(at: position) }

    /// The samples at `positions`: a micro-batch of a step that was begun, or any others, which are then read at once. On
    /// any thread.
    ///
    /// - Throws: when the data set cannot be read.
    package func take(_ positions: Range<Int>) throws -> StreamSamples { try shared.take(positions) }
}

/// What the reading thread and the others share. It outlives its owner until the thread has left.
///
/// Unchecked: `samples` is guarded by `reading`, the rest by the condition.
private final class Shared: @unchecked Sendable {
    private let starts: [Int]
    private let microBatch: Int
    private let batch: Int
    private let depth: Int
    private let reading = NSLock()
    private var samples: SampleStream

    private let condition = NSCondition()
    /// Where the micro-batches begin that are to be read, the next one first; and the step that follows them.
    private var queue: [Int] = []
    private var nextStep: Int?
    /// Of those that are to be read, are being read, or lie in `ready`.
    private var coming: Set<Int> = []
    private var ready: [Int: Result<StreamSamples, any Error>] = [:]
    /// Threads that wait for one of them.
    private var waiting = 0
    private var ended = false

    init(_ samples: SampleStream, starts: [Int], microBatch: Int, batch: Int, depth: Int) {
        (self.samples, self.starts, self.microBatch) = (samples, starts, microBatch)
        (self.batch, self.depth) = (batch, depth)
    }

    func begin(at position: Int) {
        guard depth > 0 else { return }
        condition.lock()
        defer { condition.unlock() }
        let isExpected = coming.contains(position + starts[0]) || nextStep == position
        if !isExpected {
            (queue, coming, ready) = ([], [], [:])
            nextStep = position
        }
        if nextStep == position { schedule(position) }
        condition.broadcast()
    }

    private func schedule(_ step: Int) {
        let positions = starts.map { step + $0 }
        queue += positions
        coming.formUnion(positions)
        nextStep = step + batch
    }

    func take(_ positions: Range<Int>) throws -> StreamSamples {
        let start = positions.lowerBound
        condition.lock()
        waiting += 1
        condition.broadcast()
        while ready[start] == nil, coming.contains(start), positions.count == microBatch { condition.wait() }
        waiting -= 1
        let result = positions.count == microBatch ? ready.removeValue(forKey: start) : nil
        if result != nil { coming.remove(start) }
        condition.broadcast()
        condition.unlock()
        return try result?.get() ?? read(positions)
    }

    private func read(_ positions: Range<Int>) throws -> StreamSamples {
        reading.lock()
        defer { reading.unlock() }
        return try samples.read(positions)
    }

    /// The thread's life.
    func readOn() {
        condition.lock()
        defer { condition.unlock() }
        while !ended {
            // One who waits is not to wait for others to take what is ready.
            guard let step = nextStep, ready.count < depth || (waiting > 0 && !queue.isEmpty) else {
                condition.wait()
                continue
            }
            if queue.isEmpty { schedule(step) }
            let start = queue.removeFirst()
            condition.unlock()
            let result = Result { try read(start..<start + microBatch) }
            condition.lock()
            if coming.contains(start) { ready[start] = result }
            condition.broadcast()
        }
    }

    func end() {
        condition.lock()
        ended = true
        condition.broadcast()
        condition.unlock()
    }
}
