import Files

/// A configuration that cannot be used: one line that says what is wrong, where, and what would be right.
public struct ConfigurationError: HasExitStatus, CustomStringConvertible, Equatable, Sendable {
    /// A file or value that was read cannot be used.
    public var exitStatus: ExitStatus { .badInput }
    /// The whole message, one line without control characters.
    public let description: String
    public init(_ description: String) { self.description = oneLine(description, limit: 1000) }
}

/// Where a value was written.
struct Origin {
    /// The file as the user named it, or `--set`.
    var name: String
    /// Line in the file, from 1; nil when there is none to name.
    var line: Int?

    /// "in fashion.yaml (line 3)".
    var phrase: String {
        guard let line else { return "in \(name)" }
        return "in \(name) (line \(line))"
    }
}

/// `text` fit for one line of a terminal: control characters become spaces, and the middle of a long text is left out.
func oneLine(_ text: String, limit: Int) -> String {
    let clean = printable(text)
    guard clean.count > limit else { return clean }
    return clean.prefix(limit - 1) + "…"
}
