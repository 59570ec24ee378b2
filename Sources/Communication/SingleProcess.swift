import Files
import Foundation

/// A group of one: every collective is the identity, and MPI is never started.
package final class SingleProcess: Communicator {
    package let rank = 0
    package let size = 1
    package let host: String

    package init() { host = localHostName() }
    package func barrier() throws {}
    package func sum(_ values: UnsafeMutableBufferPointer<Float>) throws {}
    package func sum(_ values: [Double]) throws -> [Double] { values }
    package func maximum(_ values: [Double]) throws -> [Double] { values }
    package func beginSum(_ values: UnsafeMutableBufferPointer<Float>) throws -> any PendingCollective { Complete() }
    package func progress() throws {}
    package func allGather(_ values: UnsafeMutableBufferPointer<Float>, parts: [Range<Int>]) throws {}

    package func beginExchange(
        _ values: UnsafeMutableBufferPointer<Float>, parts: [Range<Int>],
        into received: UnsafeMutableBufferPointer<Float>
    ) throws -> any PendingCollective {
        _ = received.update(fromContentsOf: place(parts, received.count, values, 0))
        return Complete()
    }

    package func beginAllGather(
        _ values: UnsafeMutableBufferPointer<Float>, parts: [Range<Int>]
    ) throws -> any PendingCollective { Complete() }

    package func collect(
        _ part: UnsafeMutableBufferPointer<Float>, parts: [Range<Int>], to root: Int,
        into whole: UnsafeMutableBufferPointer<Float>?
    ) throws {
        let place = place(parts, part.count, whole, root)
        _ = place.update(fromContentsOf: part)
    }

    package func distribute(
        _ whole: UnsafeMutableBufferPointer<Float>?, parts: [Range<Int>], from root: Int,
        into part: UnsafeMutableBufferPointer<Float>
    ) throws {
        _ = part.update(fromContentsOf: place(parts, part.count, whole, root))
    }

    /// Never given back: a process holds one data set.
    package func hostMemory(bytes: Int) throws -> HostMemory {
        var memory: UnsafeMutableRawPointer?
        guard posix_memalign(&memory, 64, max(bytes, 1)) == 0, let memory else {
            throw CommunicationError(
                call: "posix_memalign",
                message: "there is no memory for \(bytes >> 20) MiB of samples: set cache=stream", rank: 0, host: host)
        }
        return HostMemory(bytes: UnsafeMutableRawBufferPointer(start: memory, count: bytes), isFirst: true)
    }

    package func hostMemoryWritten() throws {}

    package func broadcast(_ bytes: [UInt8], from root: Int) throws -> [UInt8] {
        precondition(root == 0, "broadcast from rank \(root) of 1")
        return bytes
    }

    package func gather(_ bytes: [UInt8]) throws -> [[UInt8]] { [bytes] }

    private func place(
        _ parts: [Range<Int>], _ count: Int, _ whole: UnsafeMutableBufferPointer<Float>?, _ root: Int
    ) -> UnsafeMutableBufferPointer<Float> {
        precondition(parts.count == 1 && parts[0].count == count && root == 0, "parts \(parts), root \(root)")
        guard let whole else { preconditionFailure("the root gives no array") }
        return UnsafeMutableBufferPointer(rebasing: whole[parts[0]])
    }

    /// Ends the process at once with `code`: nothing is unwound, output still buffered is lost.
    package func abort(code: Int32) -> Never { _exit(code) }
    package func finalize() throws {}
}

/// What one rank does alone is complete at once.
private final class Complete: PendingCollective {
    func test() throws -> Bool { true }
    func wait() throws {}
}
