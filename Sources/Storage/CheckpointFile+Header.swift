import Files
import Glibc
import HDF5

extension CheckpointFile {
    /// What a checkpoint says of its state, without its tensors being read or checked: milliseconds, whatever its size.
    ///
    /// - Throws: `HDF5Error` or `StorageError` where it is missing, no checkpoint, shorter or longer than it says, or
    ///   its header cannot be read.
    public static func unverifiedHeader(_ path: String) throws -> CheckpointHeader {
        let descriptor = try DurableFile.openForReading(path)
        let start: [UInt8]
        do {
            defer { close(descriptor) }
            start = try DurableFile.read(descriptor, at: 0, atMost: CheckpointEnvelope.byteCount, path)
        }
        try CheckpointEnvelope.checkLength(start, of: (try? FileFacts(BytePath(path)))?.bytes ?? 0, path: path)
        let file = try HDF5File.open(path)
        let header = try header(file.root, path: path)
        try file.close()
        return header
    }
}

extension CheckpointEnvelope {
    /// Throws unless the first bytes of a file of `bytes` bytes are those of a checkpoint of that length.
    static func checkLength(_ start: [UInt8], of bytes: Int, path: String) throws {
        let lines = String(decoding: start, as: UTF8.self).split(separator: "\n")
        let words = lines.dropFirst().first?.split(separator: " ") ?? []
        guard lines.first?.hasPrefix("smd checkpoint ") == true, words.count == 3, let length = Int(words[1]) else {
            throw StorageError("\(path) is not an smd checkpoint or its first bytes are damaged")
        }
        guard length == bytes - byteCount else {
            throw StorageError("\(path) is damaged: it has \(bytes - byteCount) of \(length) payload bytes")
        }
    }
}
