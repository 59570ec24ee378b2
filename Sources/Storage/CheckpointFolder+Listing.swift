import Files
import Foundation
import HDF5

/// What can be told of a file in a folder of checkpoints without reading it.
public struct CheckpointEntry: Equatable, Sendable {
    /// Path of the file.
    public let path: String
    /// The step that its name says.
    public let step: Int
    /// Length of the file; 0 where it cannot be looked at.
    public let bytes: Int
    /// When it was last written; nil where it cannot be looked at.
    public let saved: Date?
    /// Whether it is the temporary of a writer: one at work, or one that was killed.
    public let isTemporary: Bool
    /// What its name, its length and its first 512 bytes say against it.
    public let problem: String?

    /// A whole checkpoint, as far as its prefix tells.
    public var seemsIntact: Bool { !isTemporary && problem == nil }
}

extension CheckpointFolder {
    /// The checkpoints here and the temporaries of their writers, by step. Of each the prefix is read, no more.
    ///
    /// - Throws: `StorageError` where the folder cannot be read.
    public func entries() throws -> [CheckpointEntry] {
        try files().map { name, step, isTemporary in
            let path = Path.join(folder, name)
            var (bytes, saved, problem): (Int, Date?, String?) = (0, nil, nil)
            do {
                let descriptor = try DurableFile.openForReading(path)
                defer { DurableFile.close(descriptor) }
                bytes = try DurableFile.regularFileBytes(descriptor, path)
                let time = try DurableFile.timeOfChange(descriptor, path)
                saved = Date(timeIntervalSince1970: Double(time.tv_sec) + 1e-9 * Double(time.tv_nsec))
                if !isTemporary {
                    let head = try DurableFile.read(descriptor, at: 0, atMost: CheckpointEnvelope.byteCount, path)
                    _ = try CheckpointEnvelope.glance(head, fileBytes: bytes, path: path)
                }
            } catch {
                problem = "\(error)"
            }
            return CheckpointEntry(
                path: path, step: step, bytes: bytes, saved: saved, isTemporary: isTemporary, problem: problem)
        }
    }

    /// Whether the checkpoint at `path` has the step that its name says.
    ///
    /// - Throws: `StorageError` where it was renamed.
    public static func requireNamed(_ file: CheckpointFile) throws {
        guard let step = step(inName: Path.name(of: file.path)), step != file.header.step else { return }
        throw StorageError("\(file.path) holds step \(file.header.step): it was renamed")
    }
}
