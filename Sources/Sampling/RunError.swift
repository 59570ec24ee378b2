import Files

/// Something that stops a run: one line that says what, where, and what to do.
public struct RunError: HasExitStatus, CustomStringConvertible {
    /// The line.
    public let description: String
    /// What the job ends with: most often that a file or setting cannot be used.
    public let exitStatus: ExitStatus

    /// An error that says `description`.
    public init(_ description: String, status: ExitStatus = .badInput) {
        self.description = description
        exitStatus = status
    }
}
