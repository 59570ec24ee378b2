import Files
import Foundation

/// A file of named arrays in the format safetensors of Hugging Face: the length of a header (8 bytes, least significant
/// first), the header, a JSON object of `{NAME: {dtype, shape, data_offsets: [begin, end]}}`, and the elements, without
/// holes. Not for use from several threads at once.
public final class SafeTensors {
    /// One array.
    public struct Entry: Equatable, Sendable {
        /// As the format spells it: "F32".
        public let type: String
        public let shape: [Int]
        /// Where the elements lie, from the first byte after the header on.
        let bytes: Range<Int>

        /// Whether elements are integers.
        public var isInteger: Bool { type.hasPrefix("I") || type.hasPrefix("U") }
    }

    /// The longest header that is read; those of large networks have some hundred thousand bytes.
    static let maximumHeaderBytes = 1 << 24

    /// The file.
    public let path: String
    /// The arrays by name.
    public let entries: [String: Entry]
    /// Texts that the writer put beside the arrays (`__metadata__`).
    public let metadata: [String: String]
    private let descriptor: Int32
    /// Where elements begin.
    private let begin: Int

    /// Reads and checks the header of the file at `path`.
    ///
    /// - Throws: ``ArrayFileError`` where there is no regular file, or it is damaged, cut off, or of another format.
    public init(path: String) throws {
        self.path = path
        let descriptor = BytePath(path).withCString { open($0, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) }
        guard descriptor >= 0 else { throw ArrayFileError("\(path): cannot be read: \(SystemError.last)") }
        do {
            let (begin, header) = try Self.header(of: descriptor, path)
            (self.begin, entries, metadata) = (begin, header.entries, header.metadata)
        } catch {
            close(descriptor)
            throw error
        }
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    /// The numbers of the array called `name`, row by row, in float32: of F32 as they are, of F16 and BF16 converted.
    ///
    /// - Throws: ``ArrayFileError`` where there is none of that name, shape and a type that is read, or the file fails.
    public func floats(_ name: String, shape: [Int]) throws -> [Float] {
        guard let entry = entries[name] else { throw ArrayFileError("\(path): holds no \(name)") }
        guard entry.shape == shape else {
            throw ArrayFileError("\(path): \(name) has the shape \(entry.shape), not \(shape)")
        }
        guard ["F32", "F16", "BF16"].contains(entry.type) else {
            throw ArrayFileError("\(path): \(name) is of type \(entry.type); F32, F16 or BF16 is wanted")
        }
        return try elements(entry, 0..<shape.reduce(1, *)) { bytes, place in
            func half() -> UInt16 {
                UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 2 * place, as: UInt16.self))
            }
            switch entry.type {
            case "F32":
                let bits = bytes.loadUnaligned(fromByteOffset: 4 * place, as: UInt32.self)
                return Float(bitPattern: UInt32(littleEndian: bits))
            case "F16": return Float(Float16(bitPattern: half()))
            default: return Float(bitPattern: UInt32(half()) << 16)
            }
        }
    }

    /// Some of the numbers of the array called `name`, counted row by row; also of F64, I64 and I32.
    ///
    /// - Throws: ``ArrayFileError`` where there is none of that name and a type that is read, or the file fails.
    public func numbers(_ name: String, _ range: Range<Int>) throws -> [Double] {
        guard let entry = entries[name] else { throw ArrayFileError("\(path): holds no \(name)") }
        return try elements(entry, range) { bytes, place in
            func word<T: FixedWidthInteger>(_: T.Type) -> T {
                T(littleEndian: bytes.loadUnaligned(fromByteOffset: place * MemoryLayout<T>.size, as: T.self))
            }
            switch entry.type {
            case "F64": return Double(bitPattern: word(UInt64.self))
            case "F32": return Double(Float(bitPattern: word(UInt32.self)))
            case "F16": return Double(Float16(bitPattern: word(UInt16.self)))
            case "BF16": return Double(Float(bitPattern: UInt32(word(UInt16.self)) << 16))
            case "I64": return Double(word(Int64.self))
            case "I32": return Double(word(Int32.self))
            default:
                throw ArrayFileError(
                    "\(path): \(name) is of type \(entry.type); F64, F32, F16, BF16, I64 or I32 is wanted")
            }
        }
    }

    private func elements<Number>(
        _ entry: Entry, _ range: Range<Int>, _ number: (UnsafeRawBufferPointer, Int) throws -> Number
    ) throws -> [Number] {
        let count = entry.shape.reduce(1, *)
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "elements \(range) of \(count)")
        let width = count == 0 ? 0 : entry.bytes.count / count
        var bytes = [UInt8](repeating: 0, count: range.count * width)
        try bytes.withUnsafeMutableBytes {
            try Self.read(descriptor, at: begin + entry.bytes.lowerBound + range.lowerBound * width, into: $0, path)
        }
        return try bytes.withUnsafeBytes { bytes in try range.indices.map { try number(bytes, $0 - range.lowerBound) } }
    }

    private static func header(of descriptor: Int32, _ path: String) throws -> (begin: Int, header: Header) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw ArrayFileError("\(path): cannot be read: \(SystemError.last)")
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw ArrayFileError("\(path): is not a file; a file of arrays (.safetensors) is wanted")
        }
        let size = Int(status.st_size)
        var length: UInt64 = 0
        if size >= 8 { try withUnsafeMutableBytes(of: &length) { try read(descriptor, at: 0, into: $0, path) } }
        length = UInt64(littleEndian: length)
        guard size >= 8, length <= maximumHeaderBytes, Int(length) <= size - 8 else {
            throw ArrayFileError(
                "\(path): is not a file of arrays (.safetensors), or cut off: a header of \(length) bytes in "
                    + "\(size)")
        }
        var text = [UInt8](repeating: 0, count: Int(length))
        try text.withUnsafeMutableBytes { try read(descriptor, at: 8, into: $0, path) }
        let header: Header
        do {
            header = try JSONDecoder().decode(Header.self, from: Data(text))
        } catch let error as ArrayFileError {
            throw ArrayFileError("\(path): \(error)")
        } catch {
            throw ArrayFileError("\(path): its header is not the JSON of a file of arrays (.safetensors)")
        }
        try requireWhole(header.entries, bytes: size - 8 - Int(length), path)
        return (8 + Int(length), header)
    }

    /// Elements follow each other without hole or overlap, up to the end of the file, as the format demands: what memory
    /// is asked for is therefore in the file.
    private static func requireWhole(_ entries: [String: Entry], bytes: Int, _ path: String) throws {
        var end = 0
        let order = entries.sorted {
            ($0.value.bytes.lowerBound, $0.value.bytes.upperBound, $0.key)
                < ($1.value.bytes.lowerBound, $1.value.bytes.upperBound, $1.key)
        }
        for (name, entry) in order {
            guard entry.bytes.lowerBound == end else {
                throw ArrayFileError(
                    "\(path): is damaged: \(name) begins at byte \(entry.bytes.lowerBound), the one before it ends at "
                        + "\(end)")
            }
            end = entry.bytes.upperBound
        }
        guard end == bytes else {
            throw ArrayFileError("\(path): is damaged or cut off: \(bytes) bytes of elements where \(end) are stated")
        }
    }

    private static func read(
        _ descriptor: Int32, at offset: Int, into bytes: UnsafeMutableRawBufferPointer, _ path: String
    ) throws {
        var filled = 0
        while filled < bytes.count {
            let wanted = min(bytes.count - filled, 1 << 30)
            let count = pread(descriptor, bytes.baseAddress.map { $0 + filled }, wanted, off_t(offset + filled))
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw ArrayFileError("\(path): cannot be read: \(SystemError.last)") }
            guard count > 0 else { throw ArrayFileError("\(path): became shorter while it was read") }
            filled += count
        }
    }
}

/// The JSON of the header: arrays, and texts under `__metadata__`.
private struct Header: Decodable {
    let entries: [String: SafeTensors.Entry]
    let metadata: [String: String]

    private struct Name: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    private struct Stated: Decodable {
        let dtype: String
        let shape: [Int]
        let offsets: [Int]

        enum CodingKeys: String, CodingKey {
            case dtype, shape
            case offsets = "data_offsets"
        }
    }

    /// Bytes of an element of the types that the format has.
    private static let widths = [
        "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2, "I32": 4,
        "U32": 4, "F32": 4, "I64": 8, "U64": 8, "F64": 8,
    ]

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Name.self)
        var entries: [String: SafeTensors.Entry] = [:]
        for name in container.allKeys where name.stringValue != "__metadata__" {
            entries[name.stringValue] = try Self.entry(
                name.stringValue, container.decode(Stated.self, forKey: name))
        }
        self.entries = entries
        metadata =
            try container.decodeIfPresent([String: String].self, forKey: Name(stringValue: "__metadata__")) ?? [:]
    }

    private static func entry(_ name: String, _ stated: Stated) throws -> SafeTensors.Entry {
        guard let width = widths[stated.dtype] else {
            throw ArrayFileError("\(name) is of the unknown type \(stated.dtype.prefix(100))")
        }
        let bytes = stated.shape.reduce(Optional(width)) { bytes, length in
            guard let bytes, length >= 0 else { return nil }
            let (product, overflow) = bytes.multipliedReportingOverflow(by: length)
            return overflow ? nil : product
        }
        let offsets = stated.offsets
        guard let bytes, offsets.count == 2, offsets[0] >= 0, offsets[1] >= offsets[0],
            offsets[1] - offsets[0] == bytes
        else {
            throw ArrayFileError(
                "\(name): the bytes \(offsets.prefix(2)) do not fill the shape \(stated.shape.prefix(8)) of "
                    + stated.dtype)
        }
        return SafeTensors.Entry(type: stated.dtype, shape: stated.shape, bytes: offsets[0]..<offsets[1])
    }
}
