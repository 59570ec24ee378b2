import Files

/// What is wrong with a file of arrays, where, and what is wanted, in one line.
public struct ArrayFileError: HasExitStatus, Equatable, CustomStringConvertible {
    public let description: String
    /// What the process ends with: the file cannot be used.
    public var exitStatus: ExitStatus { .badInput }

    /// An error that reads as `description`.
    public init(_ description: String) { self.description = printable(description) }
}
