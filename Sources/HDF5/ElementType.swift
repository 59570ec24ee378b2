import CHDF5
import Files

/// The type of a data set's elements, whatever the byte order in the file.
public enum ElementType: Equatable, Sendable, CustomStringConvertible {
    case uint8, int32, int64, float32, float64
    /// Text, of fixed or variable length.
    case string
    /// Anything else, in a word: "uint16", "boolean" (numpy's), "compound", …
    case other(String)

    private static let known: [(type: ElementType, code: Int, name: String)] = [
        (.uint8, CHDF5_UINT8, "uint8"), (.int32, CHDF5_INT32, "int32"), (.int64, CHDF5_INT64, "int64"),
        (.float32, CHDF5_FLOAT32, "float32"), (.float64, CHDF5_FLOAT64, "float64"), (.string, CHDF5_STRING, "string"),
    ]

    /// The type in a word, as numpy spells it: "uint8", "float32", "string", …
    public var description: String {
        if case .other(let name) = self { return name }
        return Self.known.first { $0.type == self }?.name ?? ""
    }

    /// Whether it is a float of any width.
    public var isFloat: Bool { description.hasBytes(prefix: "float") }

    init(code: Int, name: String) { self = Self.known.first { $0.code == code }?.type ?? .other(name) }

    /// The shim's code; `nil` for types that cannot be created.
    var code: Int32? { Self.known.first { $0.type == self }.map { Int32($0.code) } }
}

/// The Swift types that data sets are read into and written from.
public protocol HDF5Scalar: BitwiseCopyable, Sendable {
    /// The type of the same width in a file.
    static var elementType: ElementType { get }
}

extension UInt8: HDF5Scalar {
    public static var elementType: ElementType { .uint8 }
}

extension Int32: HDF5Scalar {
    public static var elementType: ElementType { .int32 }
}

extension Int64: HDF5Scalar {
    public static var elementType: ElementType { .int64 }
}

extension Float: HDF5Scalar {
    public static var elementType: ElementType { .float32 }
}

extension Double: HDF5Scalar {
    public static var elementType: ElementType { .float64 }
}

extension HDF5Scalar {
    static var code: Int32 { elementType.code ?? Int32(CHDF5_OTHER) }
}
