import CPUBackend
import Communication
import TensorGraph

/// Sums the gradient arena over ranks, bucket by bucket, while the backward pass still runs.
///
/// The arena is laid out in the order in which gradients get ready, so a bucket is a range of it and needs no packing.
final class GradientReduction {
    /// Elements of a bucket: large enough that latency does not matter, small enough to start early (1 MiB).
    static let bucketCount = 1 << 18

    private let communicator: any Communicator
    private let gradients: CPUMemory
    private let buckets: [(range: Range<Int>, readyAfter: Int)]
    private var pending: [any PendingSum] = []
    private var next = 0

    init(_ plan: ExecutionPlan, gradients: CPUMemory, communicator: any Communicator) {
        self.communicator = communicator
        self.gradients = gradients
        buckets = plan.gradientBuckets(minimumCount: Self.bucketCount)
        pending.reserveCapacity(buckets.count)
    }

    /// To be called after each node of the last micro-batch: starts the sums of buckets that are complete and moves
    /// those under way forward.
    func after(node: Int) throws {
        guard communicator.size > 1 else { return }
        while next < buckets.count, buckets[next].readyAfter <= node {
            pending.append(
                try communicator.beginSum(UnsafeMutableBufferPointer(rebasing: gradients.elements[buckets[next].range]))
            )
            next += 1
        }
        if !pending.isEmpty { try communicator.progress() }
    }

    /// Waits for every sum; afterwards the arena holds the sum over ranks.
    func finish() throws {
        if communicator.size > 1 { precondition(next == buckets.count, "\(next) of \(buckets.count) buckets started") }
        for sum in pending { try sum.wait() }
        pending.removeAll(keepingCapacity: true)
        next = 0
    }
}
