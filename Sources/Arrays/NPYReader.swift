import Files
import Glibc

/// One array of NumPy, in a `.npy` file or a member of an `.npz`, read forward: it need not fit into memory. Not for use from
/// several threads at once.
public final class NPYReader {
    /// Lengths of the axes.
    public let shape: [Int]
    /// As NumPy spells it: byte order, kind, bytes.
    public let type: String
    private let name: String
    private let source: Source
    private let elementBytes: Int

    private enum Source {
        case file(Int32)
        case member(ArchiveReader)
    }

    /// Opens the file at `path`, or the array called `member` of it.
    ///
    /// - Throws: ``ArrayFileError`` where there is none, or it is not plain numbers row by row.
    public init(path: String, member: String?) throws {
        if let member {
            name = "\(path): \(member)"
            let archive = try ArchiveReader(path: path)
            var names: [String] = []
            var isFound = false
            while !isFound, let found = try archive.next() {
                names.append("\(found.name)")
                isFound = found.name == BytePath("\(member).npy")
            }
            guard isFound else {
                let arrays = names.prefix(8).map { $0.hasSuffix(".npy") ? String($0.dropLast(4)) : $0 }
                throw ArrayFileError("\(path): holds no array \(member), but \(arrays.joined(separator: ", "))")
            }
            source = .member(archive)
        } else {
            name = path
            let descriptor = BytePath(path).withCString { open($0, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) }
            guard descriptor >= 0 else { throw ArrayFileError("\(path): cannot be read: \(SystemError.last)") }
            source = .file(descriptor)
        }
        do {
            let header = try Self.header(source, name)
            (shape, type) = (header.shape, header.type)
            guard let bytes = Self.widths[String(header.type.dropFirst())] else {
                let what =
                    header.type.contains("O") ? "Python objects, which are never loaded" : "of type \(header.type)"
                throw ArrayFileError("\(name): its elements are \(what)")
            }
            guard !header.isFortranOrder || header.shape.count < 2 else {
                throw ArrayFileError("\(name): is stored column by column; save it with numpy.ascontiguousarray")
            }
            elementBytes = bytes
        } catch {
            if case .file(let descriptor) = source { close(descriptor) }
            throw error
        }
    }

    deinit { if case .file(let descriptor) = source { close(descriptor) } }

    private static let widths = [
        "u1": 1, "i1": 1, "b1": 1, "u2": 2, "i2": 2, "u4": 4, "i4": 4, "u8": 8, "i8": 8, "f2": 2, "f4": 4, "f8": 8,
    ]

    private static func header(_ source: Source, _ name: String) throws -> NPY.Header {
        var bytes = try read(source, 10, name)
        if bytes[6] == 2 { bytes += try read(source, 2, name) }
        let length = bytes[8...].reversed().reduce(0) { $0 << 8 | Int($1) }
        if length <= NPY.maximumHeaderBytes { bytes += try read(source, length, name) }
        return try NPY.header(bytes, name: name)
    }

    private static func read(_ source: Source, _ count: Int, _ name: String) throws -> [UInt8] {
        switch source {
        case .member(let archive): return try archive.read(count)
        case .file(let descriptor):
            return try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
                while filled < count {
                    let got = Glibc.read(descriptor, buffer.baseAddress.map { $0 + filled }, count - filled)
                    if got < 0 && errno == EINTR { continue }
                    guard got > 0 else {
                        throw ArrayFileError("\(name): \(got == 0 ? "ends too early" : "\(SystemError.last)")")
                    }
                    filled += got
                }
            }
        }
    }

    /// Whether elements are bytes.
    public var isBytes: Bool { type.hasSuffix("u1") || type.hasSuffix("b1") }

    /// Whether elements are integers.
    public var isInteger: Bool { !type.contains("f") }

    /// The next `count` elements as they are stored.
    ///
    /// - Throws: ``ArrayFileError`` where the file ends before.
    public func bytes(_ count: Int) throws -> [UInt8] { try Self.read(source, count * elementBytes, name) }

    /// Leaves out the next `count` elements.
    public func skip(_ count: Int) throws {
        var left = count * elementBytes
        if case .file(let descriptor) = source {
            guard lseek(descriptor, off_t(left), SEEK_CUR) >= 0 else {
                throw ArrayFileError("\(name): \(SystemError.last)")
            }
            return
        }
        while left > 0 {
            let some = min(left, 1 << 22)
            _ = try Self.read(source, some, name)
            left -= some
        }
    }

    /// The numbers that stored elements are.
    public func numbers(_ bytes: [UInt8]) -> [Double] {
        let isSwapped = type.hasPrefix(">")
        let kind = String(type.dropFirst())
        return bytes.withUnsafeBytes { raw in
            (0..<raw.count / elementBytes).map { Self.number(raw, at: $0 * elementBytes, kind, isSwapped) }
        }
    }

    private static func number(
        _ raw: UnsafeRawBufferPointer, at offset: Int, _ kind: String, _ isSwapped: Bool
    ) -> Double {
        func word<T: FixedWidthInteger>(_: T.Type) -> T {
            let value = raw.loadUnaligned(fromByteOffset: offset, as: T.self)
            return isSwapped ? value.byteSwapped : value
        }
        return switch kind {
        case "u1", "b1": Double(raw[offset])
        case "i1": Double(word(Int8.self))
        case "u2": Double(word(UInt16.self))
        case "i2": Double(word(Int16.self))
        case "u4": Double(word(UInt32.self))
        case "i4": Double(word(Int32.self))
        case "u8": Double(word(UInt64.self))
        case "i8": Double(word(Int64.self))
        case "f2": Double(Float16(bitPattern: word(UInt16.self)))
        case "f4": Double(Float(bitPattern: word(UInt32.self)))
        default: Double(bitPattern: word(UInt64.self))
        }
    }
}
