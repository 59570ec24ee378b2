import Foundation

/// A group of one: every collective is the identity, and MPI is never started.
public final class SingleProcess: Communicator {
    /// Always 0.
    public let rank = 0
    /// Always 1.
    public let size = 1
    /// Name of this host.
    public let host: String

    /// The group that holds this process alone.
    public init() {
        host = localHostName()
    }

    /// Returns at once.
    public func barrier() throws {}

    /// Leaves `values` as they are.
    public func sum(_ values: UnsafeMutableBufferPointer<Float>) throws {}

    /// Returns `values`.
    public func sum(_ values: [Double]) throws -> [Double] { values }

    /// Returns `values`.
    public func maximum(_ values: [Double]) throws -> [Double] { values }

    /// Leaves `values` as they are; the sum is complete at once.
    public func beginSum(_ values: UnsafeMutableBufferPointer<Float>) throws -> any PendingCollective { Complete() }

    /// Does nothing.
    public func progress() throws {}

    /// Does nothing.
    public func allGather(_ values: UnsafeMutableBufferPointer<Float>, parts: [Range<Int>]) throws {}

    /// Copies the only part; the exchange is complete at once.
    public func beginExchange(
        _ values: UnsafeMutableBufferPointer<Float>, parts: [Range<Int>],
        into received: UnsafeMutableBufferPointer<Float>
    ) throws -> any PendingCollective {
        _ = received.update(fromContentsOf: place(parts, received.count, values, 0))
        return Complete()
    }

    /// Does nothing; the gather is complete at once.
    public func beginAllGather(
        _ values: UnsafeMutableBufferPointer<Float>, parts: [Range<Int>]
    ) throws -> any PendingCollective { Complete() }

    /// Copies the only part.
    public func collect(
        _ part: UnsafeMutableBufferPointer<Float>, parts: [Range<Int>], to root: Int,
        into whole: UnsafeMutableBufferPointer<Float>?
    ) throws {
        let place = place(parts, part.count, whole, root)
        _ = place.update(fromContentsOf: part)
    }

    /// Copies the only part.
    public func distribute(
        _ whole: UnsafeMutableBufferPointer<Float>?, parts: [Range<Int>], from root: Int,
        into part: UnsafeMutableBufferPointer<Float>
    ) throws {
        _ = part.update(fromContentsOf: place(parts, part.count, whole, root))
    }

    /// Returns `bytes`. `root` must be 0.
    public func broadcast(_ bytes: [UInt8], from root: Int) throws -> [UInt8] {
        precondition(root == 0, "broadcast from rank \(root) of 1")
        return bytes
    }

    /// Returns `bytes` as the only rank's.
    public func gather(_ bytes: [UInt8]) throws -> [[UInt8]] { [bytes] }

    private func place(
        _ parts: [Range<Int>], _ count: Int, _ whole: UnsafeMutableBufferPointer<Float>?, _ root: Int
    ) -> UnsafeMutableBufferPointer<Float> {
        precondition(parts.count == 1 && parts[0].count == count && root == 0, "parts \(parts), root \(root)")
        guard let whole else { preconditionFailure("the root gives no array") }
        return UnsafeMutableBufferPointer(rebasing: whole[parts[0]])
    }

    /// Ends the process at once with `code`: nothing is unwound, output still buffered is lost.
    public func abort(code: Int32) -> Never { _exit(code) }

    /// Does nothing.
    public func finalize() throws {}
}

/// What one rank does alone is complete at once.
private final class Complete: PendingCollective {
    func test() throws -> Bool { true }
    func wait() throws {}
}

/// This host's name as the kernel knows it, without asking any name service.
func localHostName() -> String {
    var buffer = [CChar](repeating: 0, count: 256)
    guard gethostname(&buffer, buffer.count - 1) == 0 else { return "unknown" }
    return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
