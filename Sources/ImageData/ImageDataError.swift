import Files

/// What is wrong with a data file or an image, where, and what to do about it, in one line.
public struct ImageDataError: HasExitStatus, Equatable, CustomStringConvertible {
    /// A file or value that was read cannot be used.
    public var exitStatus: ExitStatus { .badInput }
    /// The whole line, without a trailing period or line break.
    public let description: String

    /// An error that reads as `description`; line breaks in it (a folder's name may hold one) become spaces.
    public init(_ description: String) {
        self.description = String(description.map { $0.isNewline ? " " : $0 })
    }
}
