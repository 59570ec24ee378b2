import CCodecs
import Foundation

/// An array of bytes from a file of the IDX format (that of MNIST and Fashion-MNIST), plain or gzipped.
///
/// Layout: two zero bytes, a type byte (0x08: unsigned 8-bit), the number of dimensions, each dimension as a big-endian
/// 32-bit number, then the values, last dimension fastest.
public struct IDXArray: Equatable, Sendable {
    /// Sizes, slowest dimension first; all positive.
    public let dimensions: [Int]
    /// The product of `dimensions` values.
    public let values: [UInt8]

    /// The most bytes a file may hold once inflated.
    static let maximumBytes = 8 << 30

    /// Reads the file at `path`. Throws ``ImageDataError`` when it is missing, damaged or of another format, or does
    /// not hold exactly what its header says.
    public init(path: String) throws { try self.init(bytes: readFile(path), name: path) }

    /// Parses the content of a file, called `name` in errors.
    public init(bytes: [UInt8], name: String) throws {
        let plain = bytes.starts(with: [0x1F, 0x8B]) ? try inflated(bytes, name: name) : bytes
        guard plain.count >= 4, plain[0] == 0, plain[1] == 0 else {
            let magic = plain.prefix(4).map { String($0, radix: 16) }.joined(separator: " ")
            throw ImageDataError("\(name): not an IDX file: it begins with \"\(magic)\", two zero bytes are wanted")
        }
        guard plain[2] == 0x08 else {
            throw ImageDataError(
                "\(name): IDX of type 0x\(String(plain[2], radix: 16)); only unsigned bytes (0x8) are read")
        }
        let rank = Int(plain[3])
        guard rank >= 1, plain.count >= 4 + 4 * rank else {
            throw ImageDataError("\(name): the IDX header of \(rank) dimensions is cut off after \(plain.count) bytes")
        }
        dimensions = (0..<rank).map { d in plain[4 + 4 * d..<8 + 4 * d].reduce(0) { $0 << 8 | Int($1) } }
        var count = 1
        for dimension in dimensions {
            let (product, overflow) = count.multipliedReportingOverflow(by: dimension)
            guard !overflow, product > 0, product <= Self.maximumBytes else {
                throw ImageDataError("\(name): IDX dimensions \(shapeText(dimensions)) make no sense")
            }
            count = product
        }
        guard plain.count - 4 - 4 * rank == count else {
            throw ImageDataError(
                "\(name): \(shapeText(dimensions)) means \(count) bytes, but \(plain.count - 4 - 4 * rank) follow")
        }
        values = Array(plain[(4 + 4 * rank)...])
    }
}

/// `[60000, 28, 28]` as "60000×28×28".
func shapeText(_ shape: [Int]) -> String { shape.map(String.init).joined(separator: "×") }

/// The whole content of a file; ``ImageDataError`` says why it cannot be had.
func readFile(_ path: String) throws -> [UInt8] {
    do {
        return try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
    } catch {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw ImageDataError("\(path): no such file")
        }
        throw ImageDataError("\(path): \(isFolder.boolValue ? "is a folder, not a file" : "cannot be read")")
    }
}

private func inflated(_ bytes: [UInt8], name: String) throws -> [UInt8] {
    var memory: UnsafeMutablePointer<UInt8>?
    var count = 0
    do {
        try checkCodec { message, size in
            codecs_gzip_inflate(bytes, bytes.count, IDXArray.maximumBytes, &memory, &count, message, size)
        }
    } catch {
        throw ImageDataError("\(name): \(error)")
    }
    defer { codecs_free(memory) }
    return Array(UnsafeBufferPointer(start: memory, count: count))
}
