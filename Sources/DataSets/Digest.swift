import Crypto
import Files
import Foundation

/// SHA-256 of bytes.
func sha256(_ bytes: [UInt8]) -> String { SHA256.hash(data: bytes).hexadecimal }

/// SHA-256 of a file, read in pieces; `progress` gets the bytes read so far.
func sha256(file path: String, progress: (Int) -> Void = { _ in }) throws -> String {
    guard let file = FileHandle(forReadingAtPath: path) else { throw DataSetError("\(path): cannot be read") }
    defer { try? file.close() }
    var hash = SHA256()
    var count = 0
    do {
        while let piece = try file.read(upToCount: 4 << 20), !piece.isEmpty {
            hash.update(data: piece)
            count += piece.count
            progress(count)
        }
    } catch {
        throw DataSetError("\(path): reading failed after \(count) bytes")
    }
    return hash.finalize().hexadecimal
}

extension SHA256 {
    /// Adds the bytes of `values` as they lie in memory; this product runs on little-endian machines only.
    mutating func update<T: BitwiseCopyable>(values: [T]) {
        values.withUnsafeBytes { update(bufferPointer: $0) }
    }
}

/// The bytes that pairs of hexadecimal digits spell.
func bytes(hexadecimal text: String) -> [UInt8] {
    let digits = text.utf8.compactMap { UInt8(String(UnicodeScalar($0)), radix: 16) }
    return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}
