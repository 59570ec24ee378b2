import CPUBackend

/// Sums the gradients of a thread's leaves as a balanced binary tree, whatever their number: leaf 0 + leaf 1, 2 + 3, then
/// those two, and so on. Threads and ranks that have aligned parts of the leaves go on with the same tree, so that the sum
/// of all does not depend on who had which.
///
/// One arena a level is enough. Leaves come one after the other, as in a binary counter: the levels hold sums of 1, 2, 4 …
/// leaves for the ones in the count of leaves done, and a leaf that ends carries.
package final class PartialSums {
    /// Gradients of the leaf under way accumulate here; of the last one the whole sum comes here.
    package let gradients: CPUMemory
    /// Level l holds the sum of 2^l leaves.
    private let levels: [CPUMemory]
    /// Leaves that are done, of the 2^levels.
    private var done = 0

    /// Elements that are carried through all levels at a time: 16 KiB of each arena.
    private static let blockCount = 1 << 12

    /// - Parameters:
    ///   - gradients: where operations add gradients.
    ///   - leaves: how many there will be, a power of two.
    /// - Throws: when memory cannot be had.
    package init(_ gradients: CPUMemory, leaves: Int) throws {
        precondition(leaves.nonzeroBitCount == 1, "\(leaves) leaves")
        self.gradients = gradients
        levels = try (0..<leaves.trailingZeroBitCount).map { _ in try CPUMemory(count: gradients.count) }
    }

    /// Arenas in addition to that of the gradients.
    package var extraArenas: Int { levels.count }

    /// How many arenas' worth of memory is read or written in a step: once for the clearing, four times for each carry, on
    /// average, and twice more for the fold.
    package var arenasMoved: Int { levels.isEmpty ? 1 : 4 * (1 << levels.count) - 1 }

    /// To be called before the first leaf.
    package func begin() {
        done = 0
        gradients.clear(0..<gradients.count)
    }

    /// To be called after each leaf but the last.
    package func carry() {
        let level = (~done).trailingZeroBitCount
        precondition(level < levels.count, "leaf \(done) of \(1 << levels.count) is the last, which is folded")
        for start in stride(from: 0, to: gradients.count, by: Self.blockCount) {
            let block = start..<min(start + Self.blockCount, gradients.count)
            for lower in levels[..<level] { gradients.add(lower, block) }
            levels[level].copy(block, of: gradients, to: start)
            gradients.clear(block)
        }
        done += 1
    }

    /// Adds to the last leaf's gradients all others', in the elements of `range`, each to be folded once.
    package func fold(_ range: Range<Int>) {
        for level in levels { gradients.add(level, range) }
    }
}
