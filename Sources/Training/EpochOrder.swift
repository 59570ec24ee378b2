import Philox

/// Which image stands at which place of the endless stream that training reads: every epoch is a new permutation of
/// the data set, keyed by seed and epoch, so that any number of ranks sees the same stream and resuming needs only the
/// step.
public struct EpochOrder {
    private let stream: RandomStream
    private let count: Int
    private var epochs: [(number: Int, order: [Int32])] = []

    /// The order of `count` samples.
    public init(seed: UInt64, count: Int) {
        precondition(count > 0, "a data set without samples has no order")
        stream = RandomStream(seed: seed, purpose: .order)
        self.count = count
    }

    /// The sample at `position` of the stream: its index in the data set, its epoch, and its place in that epoch.
    public mutating func sample(at position: Int) -> (index: Int, epoch: Int, place: Int) {
        let (epoch, place) = position.quotientAndRemainder(dividingBy: count)
        if let known = epochs.first(where: { $0.number == epoch }) { return (Int(known.order[place]), epoch, place) }
        // A batch may straddle two epochs: the last two orders are kept.
        if epochs.count == 2 { epochs.removeFirst() }
        let order = stream.permutation(count: count, epoch: epoch)
        epochs.append((epoch, order))
        return (Int(order[place]), epoch, place)
    }
}
