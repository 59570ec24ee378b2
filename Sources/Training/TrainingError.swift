/// Something that stops a run: one line that says what, where, and what to do.
public struct TrainingError: Error, CustomStringConvertible {
    /// The line.
    public let description: String

    /// An error that says `description`.
    public init(_ description: String) { self.description = description }
}
