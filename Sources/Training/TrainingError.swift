import Communication

/// Something that stops a run: one line that says what, where, and what to do.
public struct TrainingError: Error, CustomStringConvertible {
    /// The line.
    public let description: String

    /// An error that says `description`.
    public init(_ description: String) { self.description = description }
}

/// Something that stops a run and that every rank finds alike, because it follows from what all have in common.
struct AgreedTrainingError: AgreedError, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
