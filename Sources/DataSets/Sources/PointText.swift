import Foundation

/// Points read from text: one a line, coordinates separated by spaces, tabs or a comma; `#` begins a comment, blank
/// lines are skipped.
public struct PointText: Equatable, Sendable {
    /// Number of points.
    public let count: Int
    /// Coordinates of a point.
    public let dimension: Int
    /// count × dimension.
    public let values: [Float]

    /// The most coordinates a point may have.
    public static let maximumDimension = 4096
    /// The largest text that is read, in bytes.
    static let maximumBytes = 4 << 30

    init(count: Int, dimension: Int, values: [Float]) {
        (self.count, self.dimension, self.values) = (count, dimension, values)
    }

    /// Reads the file at `path`. Throws ``DataSetError`` with the number of the first bad line.
    public init(path: String) throws { try self.init(bytes: readFile(path, atMost: Self.maximumBytes), name: path) }

    /// Parses UTF-8 text, called `name` in errors.
    public init(bytes: [UInt8], name: String) throws {
        var (count, dimension, line) = (0, 0, 0)
        var values: [Float] = []
        for text in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            line += 1
            let content = text.prefix { $0 != UInt8(ascii: "#") }
            if count == 0, line == 1, Self.isTitle(content) { continue }
            let fields = try Self.fields(of: content, at: "\(name):\(line)")
            if fields.isEmpty { continue }
            if dimension == 0 { dimension = fields.count }
            guard fields.count == dimension else {
                throw DataSetError(
                    "\(name):\(line): \(fields.count) numbers, the points before it have \(dimension)")
            }
            guard dimension <= Self.maximumDimension else {
                throw DataSetError("\(name):\(line): \(dimension) numbers; at most \(Self.maximumDimension) are read")
            }
            values += fields
            count += 1
        }
        guard count > 0 else { throw DataSetError("\(name): holds no points") }
        self.count = count
        self.dimension = dimension
        self.values = values
    }

    /// Whether no field of a line is a number, but all begin with a letter or a quote: names of columns.
    private static func isTitle(_ line: ArraySlice<UInt8>) -> Bool {
        let fields = line.split { $0 == UInt8(ascii: ",") || $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }
        return !fields.isEmpty
            && fields.allSatisfy { field in
                let first = UnicodeScalar(field[field.startIndex])
                return (first.properties.isAlphabetic || first == "\"")
                    && !["nan", "inf", "infinity"].contains(String(decoding: field, as: UTF8.self).lowercased())
            }
    }

    /// Decimal numbers only; `Float` itself would also take hexadecimal, and stop at a zero byte.
    private static let numberBytes = Set("0123456789+-.eE".utf8)

    /// The numbers of one line. A comma stands between two numbers; one at the end or two in a row is a mistake.
    private static func fields(of line: ArraySlice<UInt8>, at place: String) throws -> [Float] {
        func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0D }
        if line.allSatisfy(isSpace) { return [] }
        var fields: [Float] = []
        for part in line.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
            let words = part.split(whereSeparator: isSpace)
            guard !words.isEmpty else { throw DataSetError("\(place): a number is missing beside a comma") }
            for word in words {
                let text = String(decoding: word, as: UTF8.self)
                guard word.allSatisfy(numberBytes.contains), let value = Float(text), value.isFinite else {
                    throw DataSetError("\(place): \"\(text.prefix(40))\" is not a finite number")
                }
                fields.append(value)
            }
        }
        return fields
    }
}
