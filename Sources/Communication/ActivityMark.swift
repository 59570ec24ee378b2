import Foundation
import Synchronization

/// Step and phase of a process in one word, in memory that has a file descriptor: other processes of the host can read
/// there where a process stands that is stopped and can no longer say so.
///
/// Unchecked: the word is atomic, the rest constant.
final class ActivityMark: @unchecked Sendable {
    /// The word: step × 256 + phase.
    let place: UnsafeMutablePointer<Atomic<UInt64>>
    /// Where other processes find it, if they can.
    let path: String

    init() {
        let size = MemoryLayout<Atomic<UInt64>>.stride
        // Without a name at once, so that nothing is left however this process ends.
        let name = "/smd-watchdog-\(getpid())"
        let descriptor = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0o600)
        if descriptor >= 0 { shm_unlink(name) }
        var shared: UnsafeMutableRawPointer? = MAP_FAILED
        if descriptor >= 0, ftruncate(descriptor, size) == 0 {
            shared = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
        }
        let isShared = shared != MAP_FAILED
        let memory = isShared ? shared : nil
        place = (memory ?? .allocate(byteCount: size, alignment: size)).bindMemory(to: Atomic<UInt64>.self, capacity: 1)
        place.initialize(to: Atomic(0))
        path = isShared ? "/proc/\(getpid())/fd/\(descriptor)" : ""
    }

    static func word(_ phase: Watchdog.Phase, _ step: Int) -> UInt64 { UInt64(step) << 8 | UInt64(phase.rawValue) }

    static func parts(_ word: UInt64) -> (phase: Watchdog.Phase, step: Int) {
        (Watchdog.Phase(rawValue: UInt8(truncatingIfNeeded: word)) ?? .start, Int(word >> 8))
    }

    /// Where the process stands whose mark has the path `path`; nil when it cannot be read.
    static func read(_ path: String) -> (phase: Watchdog.Phase, step: Int)? {
        guard path.hasPrefix("/proc/"), let bytes = FileManager.default.contents(atPath: path), bytes.count >= 8 else {
            return nil
        }
        return parts(bytes.prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) })
    }
}
