/// What is wrong with a checkpoint or a metrics file, in one line.
public struct StorageError: Error, CustomStringConvertible, Sendable {
    /// The line to show.
    public let description: String

    init(_ description: String) {
        self.description = description
    }
}
