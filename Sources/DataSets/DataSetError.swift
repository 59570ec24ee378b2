import Arrays
import Files

/// What is wrong with a data file or an image, where, and what to do about it, in one line.
public struct DataSetError: HasExitStatus, Equatable, CustomStringConvertible {
    /// What the process ends with: most often that a file that was read cannot be used.
    public let exitStatus: ExitStatus
    /// The whole line, without a trailing period or line break.
    public let description: String

    /// An error that reads as `description`; line breaks in it (a folder's name may hold one) become spaces.
    public init(_ description: String, status: ExitStatus = .badInput) {
        self.description = String(description.map { $0.isNewline ? " " : $0 })
        exitStatus = status
    }
}

/// What `body` gives; errors of files of arrays are those of a data set's source.
func arrayErrors<Result>(_ body: () throws -> Result) throws -> Result {
    do { return try body() } catch let error as ArrayFileError { throw DataSetError("\(error)") }
}
