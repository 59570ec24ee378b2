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

    private static func prefix(payloadBytes: Int, digest: String) -> [UInt8] {
        let text = """
            \(magic)\(formatVersion)
            payload \(payloadBytes) bytes
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
        image.copyBytes(from: prefix(payloadBytes: payload.count, digest: digest(payload)))
    }

    /// Throws, with the likeliest reason, unless `bytes` are exactly what `seal` makes; the SHA-256 of what is sealed.
    static func check(_ bytes: UnsafeRawBufferPointer, path: String) throws -> String {
        let stated = try glance(bytes.prefix(byteCount), fileBytes: bytes.count, path: path)
        let payload = UnsafeRawBufferPointer(rebasing: bytes[byteCount...])
        guard digest(payload) == stated else { throw damaged(path) }
        return stated
    }

    /// The SHA-256 that a prefix states, where nothing in it speaks against the file: it has the form that `seal` gives
    /// it, and the length that it states. Whether the rest of the file has that digest, it cannot tell.
    ///
    /// - Parameters:
    ///   - head: the first 512 bytes of the file, or all of a shorter one.
    ///   - fileBytes: the length of the file.
    /// - Throws: `StorageError` with the likeliest reason.
    static func glance(_ head: some Collection<UInt8>, fileBytes: Int, path: String) throws -> String {
        if fileBytes == 0 { throw StorageError("\(path) is empty, not a checkpoint") }
        let text = String(decoding: head, as: UTF8.self)
        guard text.hasPrefix(magic) else {
            let isHDF5 = head.starts(with: [0x89, 0x48, 0x44, 0x46])
            throw StorageError(
                "\(path) is not an smd checkpoint"
                    + (isHDF5 ? ", though an HDF5 file" : " or its first bytes are damaged"))
        }
        let lines = text.split(separator: "\n")
        if let version = Int(lines[0].dropFirst(magic.count)), version > formatVersion {
            throw StorageError(
                "\(path) has checkpoint format \(version); this smd reads \(formatVersion): use a newer smd")
        }
        let words = lines.dropFirst().first?.split(separator: " ") ?? []
        if words.count == 3, words[0] == "payload", let length = Int(words[1]), length != fileBytes - byteCount {
            let word = length > fileBytes - byteCount ? "truncated" : "too long"
            throw StorageError(
                "\(path) is \(word): \(max(0, fileBytes - byteCount)) of \(length) payload bytes")
        }
        let digest = lines.dropFirst(2).first.map { String($0.dropFirst("sha256 ".count)) } ?? ""
        guard digest.utf8.count == 64, fileBytes > byteCount,
            head.elementsEqual(prefix(payloadBytes: fileBytes - byteCount, digest: digest))
        else { throw StorageError("\(path) is damaged: its first \(byteCount) bytes are not those of a checkpoint") }
        return digest
    }

    private static func damaged(_ path: String) -> StorageError {
        StorageError("\(path) is damaged: its SHA-256 does not match its contents")
    }
}

extension CheckpointEnvelope {
    /// Reads all of the checkpoint at `path`, piece by piece, and compares it with its seal. libhdf5 sees none of it.
    ///
    /// - Parameter progress: called with the bytes read so far.
    /// - Returns: the SHA-256 of what is sealed.
    /// - Throws: `HDF5Error` where the file cannot be read; `StorageError` where it is damaged or no checkpoint.
    package static func verify(_ path: String, progress: (Int) throws -> Void = { _ in }) throws -> String {
        let (descriptor, fileBytes, stated) = try open(path)
        defer { DurableFile.close(descriptor) }
        var hash = SHA256()
        var place = byteCount
        while place < fileBytes {
            let piece = try DurableFile.read(descriptor, at: place, atMost: 1 << 22, path)
            guard !piece.isEmpty else { throw StorageError("\(path) became shorter while it was read") }
            hash.update(data: piece)
            place += piece.count
            try progress(place)
        }
        guard place == fileBytes, hash.finalize().hexadecimal == stated else { throw damaged(path) }
        return stated
    }

    /// Opens the checkpoint at `path` and looks at its prefix (`glance`).
    static func open(_ path: String) throws -> (descriptor: Int32, fileBytes: Int, digest: String) {
        let descriptor = try DurableFile.openForReading(path)
        do {
            let fileBytes = try DurableFile.regularFileBytes(descriptor, path)
            let head = try DurableFile.read(descriptor, at: 0, atMost: byteCount, path)
            return (descriptor, fileBytes, try glance(head, fileBytes: fileBytes, path: path))
        } catch {
            DurableFile.close(descriptor)
            throw error
        }
    }
}
