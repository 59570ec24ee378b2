import Crypto
import Files
import HDF5

/// The prefix of a checkpoint: 512 bytes of text (in HDF5's words, a user block) that seal the HDF5 file after it.
///
///     smd checkpoint 1
///     payload 123456 bytes
///     sha256 0123…ef
///     …newlines to byte 512
///
/// It is a function of the payload, so a reader makes it anew and compares all 512 bytes: no bit of the file is
/// outside the check.
package enum CheckpointEnvelope {
    static let byteCount = 512
    private static let magic = "smd checkpoint "
    private static let formatVersion = 1

    private static func digest(_ payload: UnsafeRawBufferPointer) -> String {
        var hash = SHA256()
        hash.update(bufferPointer: payload)
        return hash.finalize().hexadecimal
    }

    private static func prefix(_ payload: UnsafeRawBufferPointer, digest: String) -> [UInt8] {
        let text = """
            \(magic)\(formatVersion)
            payload \(payload.count) bytes
            sha256 \(digest)
            This is an HDF5 file: try h5dump -H, h5ls -r or h5py.File.
            """
        let bytes = Array(text.utf8)
        return bytes + [UInt8](repeating: 0x0A, count: byteCount - bytes.count)
    }

    /// Fills the prefix of an HDF5 file that has room for it.
    package static func seal(_ image: UnsafeMutableRawBufferPointer) {
        precondition(image.count > byteCount, "an image of \(image.count) bytes has no room for the prefix")
        let payload = UnsafeRawBufferPointer(rebasing: image[byteCount...])
        image.copyBytes(from: prefix(payload, digest: digest(payload)))
    }

    /// Throws, with the likeliest reason, unless `bytes` are exactly what `seal` makes; the SHA-256 of what is sealed.
    static func check(_ bytes: UnsafeRawBufferPointer, path: String) throws -> String {
        if bytes.isEmpty { throw StorageError("\(path) is empty, not a checkpoint") }
        let head = String(decoding: bytes.prefix(byteCount), as: UTF8.self)
        guard head.hasPrefix(magic) else {
            let isHDF5 = bytes.starts(with: [0x89, 0x48, 0x44, 0x46])
            throw StorageError(
                "\(path) is not an smd checkpoint"
                    + (isHDF5 ? ", though an HDF5 file" : " or its first bytes are damaged"))
        }
        if bytes.count > byteCount {
            let payload = UnsafeRawBufferPointer(rebasing: bytes[byteCount...])
            let digest = digest(payload)
            if bytes[..<byteCount].elementsEqual(prefix(payload, digest: digest)) { return digest }
        }
        let lines = head.split(separator: "\n")
        if let version = Int(lines[0].dropFirst(magic.count)), version > formatVersion {
            throw StorageError(
                "\(path) has checkpoint format \(version); this smd reads \(formatVersion): use a newer smd")
        }
        let words = lines.dropFirst().first?.split(separator: " ") ?? []
        if words.count == 3, words[0] == "payload", let length = Int(words[1]), length != bytes.count - byteCount {
            let word = length > bytes.count - byteCount ? "truncated" : "too long"
            throw StorageError(
                "\(path) is \(word): \(max(0, bytes.count - byteCount)) of \(length) payload bytes")
        }
        throw StorageError("\(path) is damaged: its SHA-256 does not match its contents")
    }
}
