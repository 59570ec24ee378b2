/// The parts of paths, by their bytes.
///
/// A path is bytes between slashes. Swift compares and splits text by characters: there "/" followed by a combining
/// accent is no slash, and two names are equal where only their normalisation differs. Not so here.
public enum Path {
    private static let slash = UInt8(ascii: "/")

    /// The folder that holds a file; "." for a bare name.
    public static func folder(of path: String) -> String {
        guard let last = path.utf8.lastIndex(of: slash) else { return "." }
        return last == path.startIndex ? "/" : String(path[..<last])
    }

    /// What follows the folder.
    public static func name(of path: String) -> String {
        path.utf8.lastIndex(of: slash).map { String(path[path.utf8.index(after: $0)...]) } ?? path
    }

    /// `name` in `folder`; `name` alone where `folder` is "".
    public static func join(_ folder: String, _ name: String) -> String {
        folder.isEmpty || folder.utf8.last == slash ? folder + name : folder + "/" + name
    }

    /// Whether `path` begins at the root.
    public static func isAbsolute(_ path: String) -> Bool { path.utf8.first == slash }
}

extension String {
    /// Whether the bytes are the same; `==` also takes other normal forms of the same characters for equal.
    public func hasSameBytes(as other: some StringProtocol) -> Bool { utf8.elementsEqual(other.utf8) }

    /// Whether it begins with the bytes of `prefix`.
    public func hasBytes(prefix: String) -> Bool { utf8.starts(with: prefix.utf8) }

    /// Whether it ends with the bytes of `suffix`.
    public func hasBytes(suffix: String) -> Bool { utf8.reversed().starts(with: suffix.utf8.reversed()) }
}
