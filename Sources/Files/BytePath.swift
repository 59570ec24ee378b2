/// A path or name as the system has it: bytes, which need not be UTF-8.
///
/// Two are equal only where all bytes are; `String` takes two normal forms of the same characters for one, and cannot
/// hold bytes that are not UTF-8 at all.
public struct BytePath: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// All of it, without a final NUL.
    public let bytes: [UInt8]

    private static let slash = UInt8(ascii: "/")

    /// The path of these bytes.
    public init(bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }

    /// The path that text spells.
    public init(_ text: String) { bytes = Array(text.utf8) }

    /// In the order of the bytes, which no locale changes.
    public static func < (one: BytePath, other: BytePath) -> Bool { one.bytes.lexicographicallyPrecedes(other.bytes) }

    /// For a terminal; bytes that are not UTF-8 appear as "\xE9".
    public var description: String { printable(bytes: bytes) }

    /// `name` below this; `name` alone where this is empty.
    public func appending(_ name: BytePath) -> BytePath {
        bytes.isEmpty || bytes.last == Self.slash
            ? BytePath(bytes: bytes + name.bytes) : BytePath(bytes: bytes + [Self.slash] + name.bytes)
    }

    /// Whether it is the name of a hidden file.
    public var isHiddenName: Bool { bytes.first == UInt8(ascii: ".") }

    /// What stands before the first slash; `nil` for a bare name.
    public var firstFolder: BytePath? { bytes.firstIndex(of: Self.slash).map { BytePath(bytes: bytes[..<$0]) } }

    /// As text in which no two names (without slashes) are the same: UTF-8 as it is, and every other byte as "/xE9". No
    /// name holds a slash, so no other name reads so.
    public var nameText: String { escapedText(bytes, mark: "/x") }

    /// Runs `body` with the path as C wants it.
    public func withCString<R>(_ body: (UnsafePointer<CChar>) throws -> R) rethrows -> R {
        try body(bytes.map { CChar(bitPattern: $0) } + [0])
    }
}
