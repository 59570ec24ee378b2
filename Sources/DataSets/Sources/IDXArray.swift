import CCodecs

/// An array of bytes from a file of the IDX format (that of MNIST and Fashion-MNIST), plain or gzipped.
///
/// Layout: two zero bytes, a type byte (0x08: unsigned 8-bit), the number of dimensions, each dimension as a big-endian
/// 32-bit number, then the values, last dimension fastest.
public struct IDXArray: Equatable, Sendable {
    /// Sizes, slowest dimension first; all positive.
    public let dimensions: [Int]
    /// The product of `dimensions` values.
    public let values: [UInt8]
    /// SHA-256 of the file's content, unpacked.
    public let digest: String

    /// The most bytes a file may hold once inflated.
    static let maximumBytes = 2 << 30

    /// Reads the file at `path`. Throws ``DataSetError`` when it is missing, damaged or of another format, or does
    /// not hold exactly what its header says.
    public init(path: String) throws {
        try self.init(bytes: readFile(path, atMost: Self.maximumBytes + 4 + 4 * 255), name: path)
    }

    /// Parses the content of a file, called `name` in errors.
    public init(bytes: [UInt8], name: String) throws {
        guard bytes.starts(with: [0x1F, 0x8B]) else {
            (dimensions, values, digest) = try Self.parse(bytes, name: name)
            return
        }
        // The header says how much must follow: memory for more than that is never asked for.
        let head = try inflated(bytes, name: name, cap: 4 + 4 * 255, beginning: true)
        let header = try Header(head, name: name)
        guard header.count / 1100 <= bytes.count else {
            throw DataSetError(
                "\(name): \(shapeText(header.dimensions)) cannot come out of \(bytes.count) bytes of gzip")
        }
        let plain = try inflated(bytes, name: name, cap: header.bytes + header.count)
        (dimensions, values, digest) = try Self.parse(plain, name: name)
    }

    private static func parse(
        _ plain: [UInt8], name: String
    ) throws -> (dimensions: [Int], values: [UInt8], digest: String) {
        let header = try Header(plain, name: name)
        let found = plain.count - header.bytes
        guard found == header.count else {
            throw DataSetError(
                "\(name): \(shapeText(header.dimensions)) means \(header.count) bytes, but \(found) follow")
        }
        return (header.dimensions, Array(plain[header.bytes...]), sha256(plain))
    }

    /// What stands before the values.
    private struct Header {
        let dimensions: [Int]
        /// Length of the header itself.
        let bytes: Int
        /// Number of values that must follow.
        let count: Int

        init(_ plain: [UInt8], name: String) throws {
            guard plain.count >= 4, plain[0] == 0, plain[1] == 0 else {
                let magic = plain.prefix(4).map { String($0, radix: 16) }.joined(separator: " ")
                throw DataSetError(
                    "\(name): not an IDX file: it begins with \"\(magic)\", two zero bytes are wanted")
            }
            guard plain[2] == 0x08 else {
                throw DataSetError(
                    "\(name): IDX of type 0x\(String(plain[2], radix: 16)); only unsigned bytes (0x8) are read")
            }
            let rank = Int(plain[3])
            guard rank >= 1, plain.count >= 4 + 4 * rank else {
                throw DataSetError(
                    "\(name): the IDX header of \(rank) dimensions is cut off after \(plain.count) bytes")
            }
            dimensions = (0..<rank).map { d in plain[4 + 4 * d..<8 + 4 * d].reduce(0) { $0 << 8 | Int($1) } }
            bytes = 4 + 4 * rank
            var count = 1
            for dimension in dimensions {
                let (product, overflow) = count.multipliedReportingOverflow(by: dimension)
                guard !overflow, product > 0, product <= IDXArray.maximumBytes else {
                    throw DataSetError("\(name): IDX dimensions \(shapeText(dimensions)) make no sense")
                }
                count = product
            }
            self.count = count
        }
    }
}

/// `[60000, 28, 28]` as "60000×28×28".
func shapeText(_ shape: [Int]) -> String { shape.map(String.init).joined(separator: "×") }

/// Inflates no more than `cap` bytes; beyond that it is an error, or with `beginning` the end.
private func inflated(_ bytes: [UInt8], name: String, cap: Int, beginning: Bool = false) throws -> [UInt8] {
    var memory: UnsafeMutablePointer<UInt8>?
    var count = 0
    do {
        try checkCodec { message, size in
            codecs_gzip_inflate(bytes, bytes.count, cap, beginning ? 1 : 0, &memory, &count, message, size)
        }
    } catch {
        throw DataSetError("\(name): \(error)")
    }
    defer { codecs_free(memory) }
    return Array(UnsafeBufferPointer(start: memory, count: count))
}
