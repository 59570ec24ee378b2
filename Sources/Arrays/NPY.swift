/// The format of one array of NumPy: a magic number, a version, a header in the syntax of a Python dictionary, the elements
/// (numpy.lib.format, versions 1.0 and 2.0).
public enum NPY {
    private static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)
    /// The longest header that is read; those of plain arrays have 118 bytes.
    static let maximumHeaderBytes = 1 << 14

    /// What the header says.
    struct Header: Equatable {
        /// As NumPy spells the type: byte order, kind, bytes.
        var type: String
        var shape: [Int]
        /// Whether the first axis runs fastest.
        var isFortranOrder: Bool
        /// Where the elements begin.
        var offset: Int
        /// Product of ``shape``.
        var count: Int
    }

    /// The numbers of an array of `<f8` or `<f4`.
    ///
    /// - Parameter name: what the array is called in errors.
    /// - Throws: ``ArrayFileError`` where the bytes are no such array, or not as many as its shape asks for.
    public static func numbers(_ bytes: [UInt8], name: String) throws -> NumericArray {
        let header = try header(bytes, name: name)
        let width: Int
        switch header.type {
        case "<f8": width = 8
        case "<f4": width = 4
        default:
            throw ArrayFileError("\(name): numbers of type \(header.type) are not read; <f8 or <f4 is wanted")
        }
        try requireSize(bytes, header, width: width, name: name)
        let elements = bytes.withUnsafeBytes { bytes in
            (0..<header.count).map { place in
                let offset = header.offset + place * width
                return width == 8
                    ? bytes.loadUnaligned(fromByteOffset: offset, as: Double.self)
                    : Double(bytes.loadUnaligned(fromByteOffset: offset, as: Float.self))
            }
        }
        return NumericArray(
            header.isFortranOrder ? rowByRow(elements, firstAxisFastest: header.shape) : elements, shape: header.shape)
    }

    /// The text of a single `|S…`.
    ///
    /// - Throws: ``ArrayFileError`` where the bytes are no such array.
    public static func text(_ bytes: [UInt8], name: String) throws -> String {
        let header = try header(bytes, name: name)
        guard header.type.hasPrefix("|S"), let width = Int(header.type.dropFirst(2)), header.shape.isEmpty else {
            throw ArrayFileError("\(name): is \(header.type) of shape \(header.shape), not one text of type |S")
        }
        try requireSize(bytes, header, width: width, name: name)
        return String(decoding: bytes[header.offset...].prefix { $0 != 0 }, as: UTF8.self)
    }

    /// A file of `<f8`.
    public static func encode(_ array: NumericArray) -> [UInt8] {
        head(type: "<f8", shape: array.shape) + array.elements.withUnsafeBytes { Array($0) }
    }

    /// A file of one `|S…`.
    public static func encode(_ text: String) -> [UInt8] {
        head(type: "|S\(max(1, text.utf8.count))", shape: []) + (text.isEmpty ? [0] : Array(text.utf8))
    }

    /// What stands before the elements of an array of a type as NumPy spells it: "|u1", "<f4", "<i8".
    public static func head(type: String, shape: [Int]) -> [UInt8] {
        let lengths = shape.map { "\($0)," }.joined(separator: " ")
        let tuple = shape.count == 1 ? "(\(lengths))" : "(\(lengths.dropLast()))"
        var header = "{'descr': '\(type)', 'fortran_order': False, 'shape': \(tuple), }"
        // Elements begin at a multiple of 64.
        header += String(repeating: " ", count: 63 - (10 + header.utf8.count) % 64) + "\n"
        let length = header.utf8.count
        return magic + [1, 0, UInt8(length & 255), UInt8(length >> 8)] + Array(header.utf8)
    }

    /// Reads and checks the header.
    static func header(_ bytes: [UInt8], name: String) throws -> Header {
        guard bytes.count >= 10, bytes.starts(with: magic) else {
            throw ArrayFileError("\(name): does not begin as an array of NumPy does")
        }
        let (major, minor) = (bytes[6], bytes[7])
        guard (major == 1 || major == 2) && minor == 0, major == 1 || bytes.count >= 12 else {
            throw ArrayFileError("\(name): version \(major).\(minor) of the format is not read; 1.0 or 2.0 is wanted")
        }
        let begin = major == 1 ? 10 : 12
        let length = bytes[8..<begin].reversed().reduce(0) { $0 << 8 | Int($1) }
        guard length <= maximumHeaderBytes, length <= bytes.count - begin else {
            throw ArrayFileError("\(name): a header of \(length) bytes is cut off, or too long to be one")
        }
        let text = String(decoding: bytes[begin..<begin + length], as: UTF8.self)
        guard let type = text.firstMatch(of: /'descr' *: *'([^']*)'/)?.1,
            let order = text.firstMatch(of: /'fortran_order' *: *(True|False)/)?.1,
            let tuple = text.firstMatch(of: /'shape' *: *\(([0-9, ]*)\)/)?.1
        else { throw ArrayFileError("\(name): its header does not describe an array of one plain type") }
        let lengths = tuple.split(separator: ",").map { Int($0.filter { $0 != " " }) }
        var count = 1
        for length in lengths {
            let (product, overflow) = count.multipliedReportingOverflow(by: length ?? -1)
            guard let length, length >= 0, !overflow else {
                throw ArrayFileError("\(name): no array has the shape (\(tuple.prefix(100)))")
            }
            count = product
        }
        return Header(
            type: String(type.prefix(100)), shape: lengths.compactMap { $0 }, isFortranOrder: order == "True",
            offset: begin + length, count: count)
    }

    private static func requireSize(_ bytes: [UInt8], _ header: Header, width: Int, name: String) throws {
        let (wanted, overflow) = header.count.multipliedReportingOverflow(by: width)
        guard !overflow, bytes.count - header.offset == wanted else {
            throw ArrayFileError(
                "\(name): \(bytes.count - header.offset) bytes of elements do not fill the shape \(header.shape) of "
                    + header.type)
        }
    }
}
