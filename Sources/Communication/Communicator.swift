/// A group of ranks that work on one job. One process is a group of one: the same interface, no MPI.
///
/// Every method but the properties is collective: all ranks call it, in the same order. Errors are thrown on the rank
/// that saw them and name the MPI call, the rank and the host.
public protocol Communicator: AnyObject {
    /// This process's number in the group, 0 ..< `size`.
    var rank: Int { get }
    /// The world size: number of ranks.
    var size: Int { get }
    /// Name of the host this rank runs on.
    var host: String { get }

    /// Waits until every rank has called it.
    func barrier() throws
    /// Element-wise sum over ranks, in place. All ranks bring the same count, which may exceed Int32.max (chunked).
    func sum(_ values: UnsafeMutableBufferPointer<Float>) throws
    /// Element-wise sum over ranks of a few doubles.
    func sum(_ values: [Double]) throws -> [Double]
    /// Element-wise maximum over ranks of a few doubles.
    func maximum(_ values: [Double]) throws -> [Double]
    /// Starts an in-place sum that goes on while this rank computes. At most `count` elements are in flight until `wait`.
    func beginSum(_ values: UnsafeMutableBufferPointer<Float>) throws -> any PendingCollective
    /// Gives the MPI library a chance to move what is pending forward. Cheap; called between operations.
    func progress() throws
    /// Brings the parts of an array together on every rank, in place: before, rank r holds the elements `parts[r]`;
    /// afterwards every rank holds all parts. Parts are the same on all ranks, ascending and disjoint; empty ones are
    /// allowed.
    func allGather(_ values: UnsafeMutableBufferPointer<Float>, parts: [Range<Int>]) throws
    /// Starts to give every rank its part of every rank's `values`: once complete, `received` holds the elements
    /// `parts[rank]` of rank 0, then those of rank 1, and so on. Parts as in `allGather`; at most Int32.max elements. Both
    /// arrays belong to the exchange until it is complete.
    func beginExchange(
        _ values: UnsafeMutableBufferPointer<Float>, parts: [Range<Int>],
        into received: UnsafeMutableBufferPointer<Float>
    ) throws -> any PendingCollective
    /// Starts an `allGather` that goes on while this rank computes, of at most Int32.max elements. All ranks begin theirs
    /// in one order, but may begin other collectives before on one rank and after on another.
    func beginAllGather(
        _ values: UnsafeMutableBufferPointer<Float>, parts: [Range<Int>]
    ) throws -> any PendingCollective
    /// Brings the parts of an array together on rank `root` alone, which gives `whole`; every rank gives its `part`, of
    /// as many elements as `parts[rank]`.
    func collect(
        _ part: UnsafeMutableBufferPointer<Float>, parts: [Range<Int>], to root: Int,
        into whole: UnsafeMutableBufferPointer<Float>?) throws
    /// The reverse of `collect`: hands the parts of `whole`, which rank `root` gives, to the ranks.
    func distribute(
        _ whole: UnsafeMutableBufferPointer<Float>?, parts: [Range<Int>], from root: Int,
        into part: UnsafeMutableBufferPointer<Float>) throws
    /// `bytes` of memory, not initialised, that the ranks of a host share; it lasts until `finalize`. All ranks ask for as
    /// much.
    func hostMemory(bytes: Int) throws -> HostMemory
    /// Afterwards every rank sees what was written to its host's memory before.
    func hostMemoryWritten() throws
    /// Sends `bytes` of rank `root` to all; other ranks' argument is ignored.
    func broadcast(_ bytes: [UInt8], from root: Int) throws -> [UInt8]
    /// Every rank's bytes, by rank, on every rank.
    func gather(_ bytes: [UInt8]) throws -> [[UInt8]]
    /// Ends the whole job at once with `code`, from any rank, without waiting for the others.
    func abort(code: Int32) -> Never
    /// Leaves the group in good order. Nothing may be called afterwards.
    func finalize() throws
}

/// Memory that the ranks of a host share.
public struct HostMemory {
    public let bytes: UnsafeMutableRawBufferPointer
    /// Whether this is the rank of its host that is to write it; the others read.
    public let isFirst: Bool

    public init(bytes: UnsafeMutableRawBufferPointer, isFirst: Bool) { (self.bytes, self.isFirst) = (bytes, isFirst) }
}

/// A collective that is under way.
public protocol PendingCollective: AnyObject {
    /// True once it is complete; never blocks.
    func test() throws -> Bool
    /// Blocks until it is complete.
    func wait() throws
}
