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

/// A SHA-256.
public struct ContentDigest: Hashable, Sendable {
    private let words: SIMD4<UInt64>

    /// Of the bytes themselves.
    init(of bytes: [UInt8]) { self.init(bytes: SHA256.hash(data: bytes)) }

    /// That consists of these 32 bytes.
    init(bytes: some Sequence<UInt8>) {
        var words = SIMD4<UInt64>()
        withUnsafeMutableBytes(of: &words) { target in
            for (place, byte) in bytes.prefix(32).enumerated() { target[place] = byte }
        }
        self.words = words
    }

    /// All 32.
    public var bytes: [UInt8] { withUnsafeBytes(of: words) { Array($0) } }

    /// As text of 64 digits.
    public var hexadecimal: String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
