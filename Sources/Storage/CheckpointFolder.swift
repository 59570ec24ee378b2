import Foundation
import HDF5

/// The checkpoints of one run: `step-00001000.h5` and so on in a folder. One process at a time writes there.
public struct CheckpointFolder: Sendable {
    private let folder: String
    private static let prefix = "step-"
    private static let suffix = ".h5"

    /// The folder need not exist yet; `save` makes it.
    public init(path: String) {
        folder = path
    }

    /// Path of the checkpoint of a step.
    public func path(step: Int) -> String {
        precondition(step >= 0, "step \(step)")
        let digits = String(step)
        let padding = String(repeating: "0", count: max(0, 8 - digits.count))
        return folder + "/" + Self.prefix + padding + digits + Self.suffix
    }

    /// Steps that have a file, ascending, whether or not it verifies. None where the folder does not exist.
    ///
    /// - Throws: `StorageError` where the folder cannot be read.
    public func steps() throws -> [Int] {
        try names().compactMap { name in
            guard name.hasPrefix(Self.prefix), name.hasSuffix(Self.suffix) else { return nil }
            let digits = name.dropFirst(Self.prefix.count).dropLast(Self.suffix.count)
            guard let step = Int(digits), step >= 0, path(step: step) == folder + "/" + name else { return nil }
            return step
        }.sorted()
    }

    private func names() throws -> [String] {
        guard FileManager.default.fileExists(atPath: folder) else { return [] }
        do {
            return try FileManager.default.contentsOfDirectory(atPath: folder)
        } catch {
            throw StorageError("cannot list the folder \(folder): \(error.localizedDescription)")
        }
    }

    /// Writes a checkpoint and, once it is safe on disk, removes older ones.
    ///
    /// - Parameter keepLast: how many checkpoints up to this step to keep, this one included; 0 or less keeps all.
    ///   Files of later steps, which a run that was set back leaves, are never removed.
    /// - Returns: the path of the new file.
    /// - Throws: `HDF5Error` or `StorageError` where the folder cannot be made or written, or the disk is full; older
    ///   checkpoints are then all still there.
    public func save(_ checkpoint: Checkpoint, keepLast: Int) throws -> String {
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw StorageError("cannot make the folder \(folder): \(error.localizedDescription)")
        }
        let isTemporary = { (name: String) in name.hasPrefix(Self.prefix) && name.contains(DurableFile.temporaryMark) }
        DurableFile.removeAbandoned(in: folder, names: try names().filter(isTemporary))
        let path = path(step: checkpoint.step)
        try checkpoint.write(to: path)
        if keepLast > 0 {
            for step in try steps().filter({ $0 < checkpoint.step }).dropLast(keepLast - 1) {
                let old = self.path(step: step)
                do {
                    try FileManager.default.removeItem(atPath: old)
                } catch {
                    throw StorageError("cannot remove the old checkpoint \(old): \(error.localizedDescription)")
                }
            }
        }
        return path
    }

    /// The checkpoint of the highest step that verifies, or `nil` where there is none.
    ///
    /// - Parameter report: called with one line for each newer file that is damaged and passed over.
    /// - Throws: `StorageError` where the folder cannot be read.
    public func newestVerified(report: (String) -> Void) throws -> (path: String, checkpoint: Checkpoint)? {
        for step in try steps().reversed() {
            let path = path(step: step)
            do {
                let checkpoint = try Checkpoint.read(path)
                guard checkpoint.step == step else {
                    throw StorageError("\(path) holds step \(checkpoint.step): it was renamed")
                }
                return (path, checkpoint)
            } catch {
                report("skipping a checkpoint that cannot be used: \(error)")
            }
        }
        return nil
    }
}
