import CHDF5
import Files

/// The value of an attribute. Readers accept every width of integers and floats, numpy's bool, and text of fixed or
/// variable length; lists of any rank come flat, in row-major order. Bytes of text that are not UTF-8 appear as "\xE9".
public enum AttributeValue: Equatable, Sendable, CustomStringConvertible {
    case string(String)
    case integer(Int)
    case double(Double)
    case boolean(Bool)
    case strings([String])
    case integers([Int])
    case doubles([Double])

    /// The value as text, without quotes around a single one.
    public var description: String {
        switch self {
        case .string(let value): value
        case .integer(let value): "\(value)"
        case .double(let value): "\(value)"
        case .boolean(let value): "\(value)"
        case .strings(let values): "\(values)"
        case .integers(let values): "\(values)"
        case .doubles(let values): "\(values)"
        }
    }
}

/// An attribute of a file from elsewhere: its name, and its value or why there is none to be had.
public struct FoundAttribute: Sendable {
    /// The name; bytes that are not UTF-8 appear as "\xE9".
    public let name: String
    /// The value, or one line without the file's name.
    public let value: Result<AttributeValue, HDF5Error>
}

/// An open group or data set: its place, and its attributes.
public class HDF5Object {
    let handle: ObjectHandle

    init(handle: ObjectHandle) { self.handle = handle }

    /// Path from the root of the file: "/" or "/a/b".
    public var path: String { handle.path }

    // MARK: Reading attributes

    private func action(_ verb: String, _ name: String) -> String {
        "cannot \(verb) the attribute '\(name)' of \(handle.place)"
    }

    private func rawNames() throws -> [[UInt8]] {
        var packed: UnsafeMutablePointer<CChar>?
        var bytes = 0
        try handle.file.check(
            chdf5_attribute_names(handle.id, &packed, &bytes), "cannot list the attributes of \(handle.place)")
        return takePieces(packed, bytes: bytes)
    }

    /// Names of the attributes, in the order of their bytes.
    ///
    /// - Throws: `HDF5Error` where they cannot be read.
    public func attributeNames() throws -> [String] { try rawNames().map { escapedText($0) } }

    /// Every attribute, in the order of their bytes, with its value or why it is not read.
    ///
    /// - Throws: `HDF5Error` where they cannot be listed.
    public func foundAttributes() throws -> [FoundAttribute] {
        try rawNames().map { name in
            do {
                return FoundAttribute(name: escapedText(name), value: .success(try value(name, action: "not read")))
            } catch let error as HDF5Error {
                return FoundAttribute(name: escapedText(name), value: .failure(error))
            }
        }
    }

    /// Whether there is an attribute of that name, whatever its value.
    ///
    /// - Throws: `HDF5Error` where the file cannot be read.
    public func hasAttribute(_ name: String) throws -> Bool {
        var exists: Int32 = 0
        try handle.file.check(chdf5_attribute_exists(handle.id, name, &exists), action("look for", name))
        return exists != 0
    }

    /// Runs `body` on the raw value of an attribute that exists: its kind, whether it is a list, and its bytes.
    private func withRaw<R>(
        _ name: [UInt8], action: String,
        _ body: (_ kind: Int, _ isList: Bool, _ count: Int, _ data: UnsafeRawPointer) throws -> R
    ) throws -> R {
        var kind: Int32 = 0
        var isList: Int32 = 0
        var count = 0
        var data: UnsafeMutableRawPointer?
        try handle.file.check(
            BytePath(bytes: name).withCString {
                chdf5_attribute_read(handle.id, $0, &kind, &isList, &count, &data)
            }, action)
        defer { chdf5_free(data) }
        guard let data else { throw HDF5Error("\(action): no data") }
        return try body(Int(kind), isList != 0, count, UnsafeRawPointer(data))
    }

    private func value(_ name: [UInt8], action: String) throws -> AttributeValue {
        try withRaw(name, action: action) { kind, isList, count, data in
            func values<T>(_ type: T.Type) -> [T] {
                Array(UnsafeBufferPointer(start: data.assumingMemoryBound(to: type), count: count))
            }
            switch kind {
            case CHDF5_ATTRIBUTE_STRING:
                let texts = pieces(UnsafeRawBufferPointer(start: data, count: count)).map { escapedText($0) }
                return isList ? .strings(texts) : .string(texts[0])
            case CHDF5_ATTRIBUTE_BOOLEAN:
                return .boolean(data.load(as: Int64.self) != 0)
            case CHDF5_ATTRIBUTE_INTEGER:
                let list = values(Int64.self).map(Int.init)
                return isList ? .integers(list) : .integer(list[0])
            case CHDF5_ATTRIBUTE_DOUBLE:
                let list = values(Double.self)
                return isList ? .doubles(list) : .double(list[0])
            default:
                throw HDF5Error("\(action): \(values(UInt64.self)) is beyond \(Int.max)")
            }
        }
    }

    /// The value of an attribute, `nil` where there is none.
    ///
    /// - Throws: `HDF5Error` where its type is not one of `AttributeValue`.
    public func attribute(_ name: String) throws -> AttributeValue? {
        try hasAttribute(name) ? value(Array(name.utf8), action: action("read", name)) : nil
    }

    /// The value of an attribute that may use all 64 bits, `nil` where there is none.
    ///
    /// - Throws: `HDF5Error` where it is no integer, or negative.
    public func unsignedAttribute(_ name: String) throws -> UInt64? {
        guard try hasAttribute(name) else { return nil }
        return try withRaw(Array(name.utf8), action: action("read", name)) { kind, isList, _, data in
            let isInteger = kind == CHDF5_ATTRIBUTE_INTEGER || kind == CHDF5_ATTRIBUTE_UNSIGNED
            guard isInteger, !isList else { throw HDF5Error("\(action("read", name)): it is not a single integer") }
            if kind == CHDF5_ATTRIBUTE_INTEGER, data.load(as: Int64.self) < 0 {
                throw HDF5Error("\(action("read", name)): \(data.load(as: Int64.self)) is negative")
            }
            return data.load(as: UInt64.self)
        }
    }

    // MARK: Writing attributes

    /// - Parameter count: texts in `values`, where they are packed; nil: numbers.
    private func write<T>(_ name: String, kind: Int, isList: Bool, count: Int? = nil, _ values: [T]) throws {
        try checkText(name, "the attribute name '\(name)'")
        try values.withUnsafeBytes { bytes in
            try handle.file.check(
                chdf5_attribute_write(
                    handle.id, name, Int32(kind), isList ? 1 : 0, count ?? values.count, bytes.baseAddress),
                action("write", name))
        }
    }

    private func write(_ name: String, isList: Bool, texts: [String]) throws {
        let packed = try packed(texts, "the attribute '\(name)' of \(handle.place)")
        try write(name, kind: CHDF5_ATTRIBUTE_STRING, isList: isList, count: texts.count, packed)
    }

    /// Sets an attribute, replacing one of that name.
    ///
    /// - Throws: `HDF5Error` where the file cannot be written.
    public func setAttribute(_ name: String, _ value: AttributeValue) throws {
        switch value {
        case .string(let text): try write(name, isList: false, texts: [text])
        case .strings(let texts): try write(name, isList: true, texts: texts)
        case .integer(let number):
            try write(name, kind: CHDF5_ATTRIBUTE_INTEGER, isList: false, [Int64(number)])
        case .integers(let numbers):
            try write(name, kind: CHDF5_ATTRIBUTE_INTEGER, isList: true, numbers.map { Int64($0) })
        case .double(let number):
            try write(name, kind: CHDF5_ATTRIBUTE_DOUBLE, isList: false, [number])
        case .doubles(let numbers):
            try write(name, kind: CHDF5_ATTRIBUTE_DOUBLE, isList: true, numbers)
        case .boolean(let flag):
            try write(name, kind: CHDF5_ATTRIBUTE_BOOLEAN, isList: false, [Int64(flag ? 1 : 0)])
        }
    }

    /// Sets an attribute to an integer that may use all 64 bits.
    ///
    /// - Throws: `HDF5Error` where the file cannot be written.
    public func setUnsignedAttribute(_ name: String, _ value: UInt64) throws {
        try write(name, kind: CHDF5_ATTRIBUTE_UNSIGNED, isList: false, [value])
    }
}
