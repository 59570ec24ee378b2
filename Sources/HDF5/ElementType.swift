import CHDF5
import Files

/// The type of a data set's elements, whatever the byte order in the file.
public enum ElementType: Equatable, Sendable, CustomStringConvertible {
    case uint8, int32, int64, float32, float64
    /// Text, of fixed or variable length.
    case string
    /// Anything else, in a word: "uint16", "boolean" (numpy's), "compound", …
    case other(String)

    /// The type in a word, as numpy spells it: "uint8", "float32", "string", …
    public var description: String {
        switch self {
        case .uint8: "uint8"
        case .int32: "int32"
        case .int64: "int64"
        case .float32: "float32"
        case .float64: "float64"
        case .string: "string"
        case .other(let name): name
        }
    }

    /// Whether it is a float of any width.
    public var isFloat: Bool { description.hasBytes(prefix: "float") }

    init(code: Int, name: String) {
        switch code {
        case CHDF5_UINT8: self = .uint8
        case CHDF5_INT32: self = .int32
        case CHDF5_INT64: self = .int64
        case CHDF5_FLOAT32: self = .float32
        case CHDF5_FLOAT64: self = .float64
        case CHDF5_STRING: self = .string
        default: self = .other(name)
        }
    }

    /// The shim's code; `nil` for types that cannot be created.
    var code: Int32? {
        switch self {
        case .uint8: Int32(CHDF5_UINT8)
        case .int32: Int32(CHDF5_INT32)
        case .int64: Int32(CHDF5_INT64)
        case .float32: Int32(CHDF5_FLOAT32)
        case .float64: Int32(CHDF5_FLOAT64)
        case .string: Int32(CHDF5_STRING)
        case .other: nil
        }
    }
}

/// The Swift types that data sets are read into and written from.
public protocol HDF5Scalar: BitwiseCopyable, Sendable {
    /// The type of the same width in a file.
    static var elementType: ElementType { get }
}

extension UInt8: HDF5Scalar {
    /// The type of the same width in a file.
    public static var elementType: ElementType { .uint8 }
}

extension Int32: HDF5Scalar {
    /// The type of the same width in a file.
    public static var elementType: ElementType { .int32 }
}

extension Int64: HDF5Scalar {
    /// The type of the same width in a file.
    public static var elementType: ElementType { .int64 }
}

extension Float: HDF5Scalar {
    /// The type of the same width in a file.
    public static var elementType: ElementType { .float32 }
}

extension Double: HDF5Scalar {
    /// The type of the same width in a file.
    public static var elementType: ElementType { .float64 }
}

extension HDF5Scalar {
    static var code: Int32 { elementType.code ?? Int32(CHDF5_OTHER) }
}
