/// What is wrong with a data file or an image, where, and what to do about it, in one line.
public struct ImageDataError: Error, Equatable, CustomStringConvertible {
    /// The whole line, without a trailing period or line break.
    public let description: String

    /// An error that reads as `description`; line breaks in it (a folder's name may hold one) become spaces.
    public init(_ description: String) {
        self.description = String(description.map { $0.isNewline ? " " : $0 })
    }
}
