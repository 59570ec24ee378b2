import Files

/// What is wrong with a checkpoint or a metrics file, in one line.
public struct StorageError: HasExitStatus, CustomStringConvertible, Sendable {
    /// A file or value that was read cannot be used.
    public var exitStatus: ExitStatus { .badInput }
    /// The line to show.
    public let description: String

    init(_ description: String) {
        self.description = description
    }
}
