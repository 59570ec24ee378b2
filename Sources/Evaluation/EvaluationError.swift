import Files

/// Why an evaluation cannot be made, in one line: what, and what to do.
public struct EvaluationError: HasExitStatus, Equatable, CustomStringConvertible {
    public let description: String
    /// What the process ends with: most often that a file or its samples cannot be used.
    public let exitStatus: ExitStatus

    public init(_ description: String, status: ExitStatus = .badInput) {
        self.description = printable(description)
        exitStatus = status
    }
}
