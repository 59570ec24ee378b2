import Foundation
import HDF5

/// Saves one checkpoint on a thread of its own, while training goes on.
public final class CheckpointSaver {
    /// What became of a save.
    public struct Outcome {
        /// Path of the file.
        public let path: String
        /// Size of the file.
        public let bytes: Int
        /// Seconds from the start of the thread until the file was safe on disk.
        public let seconds: Double
        /// Why an older checkpoint could not be removed.
        public let problem: String?
    }

    /// The step that is being saved.
    public let step: Int
    private let image: FileImage
    private let work: Work

    /// What the thread leaves; read once `ended` is empty.
    private final class Work: @unchecked Sendable {
        // Unchecked: the group lies between writing the result and reading it.
        let ended = DispatchGroup()
        var result: Result<Outcome, any Error>?
    }

    /// Starts to save `image`.
    ///
    /// - Parameter first: is done before the file takes its name; where it throws, nothing is saved.
    /// - Throws: `HDF5Error` where memory is short.
    public init(
        _ image: CheckpointImage, in folder: CheckpointFolder, keep: Retention,
        after first: @escaping @Sendable () throws -> Void
    ) throws {
        let (file, step, work) = (try image.finish(), image.step, Work())
        work.ended.enter()
        (self.image, self.step, self.work) = (file, step, work)
        let thread = Thread {
            let start = ContinuousClock.now
            work.result = Result {
                try first()
                let (path, problem) = try folder.save(file, step: step, keep: keep)
                return Outcome(
                    path: path, bytes: file.withUnsafeMutableBytes { $0.count },
                    seconds: (ContinuousClock.now - start) / .seconds(1), problem: problem)
            }
            work.ended.leave()
        }
        thread.name = "checkpoint"
        thread.start()
    }

    /// Waits for the end of the thread, on any other: whatever became of the save.
    public var wait: @Sendable () -> Void { { [work] in work.ended.wait() } }

    /// The end of the save, and its memory given back: on the thread that made it, once.
    ///
    /// - Returns: nil where it goes on and `waiting` is false.
    /// - Throws: what ended it: `HDF5Error` or `StorageError`; older checkpoints are then all still there.
    public func end(waiting: Bool) throws -> Outcome? {
        guard work.ended.wait(timeout: waiting ? .distantFuture : .now()) == .success else { return nil }
        // Nothing is written by closing a file in memory.
        try? image.close()
        return try work.result?.get()
    }
}
