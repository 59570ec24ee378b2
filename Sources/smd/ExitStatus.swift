import ArgumentParser
import Files
import Foundation

extension ExitStatus {
    /// The status that tells of `error`.
    public init(_ error: any Error) {
        switch error {
        case let error as any HasExitStatus: self = error.exitStatus
        case _ where SMD.exitCode(for: error) == .validationFailure: self = .usage
        case let error as CocoaError where error.isWriteError: self = .cannotCreateOutput
        default: self = .failure
        }
    }
}

/// An error that knows its exit status.
public struct CommandFailure: HasExitStatus, CustomStringConvertible {
    /// What the process ends with.
    public let exitStatus: ExitStatus
    /// One line: what, where, and what to do.
    public let description: String

    /// A failure described by `description`.
    public init(_ status: ExitStatus, _ description: String) {
        exitStatus = status
        self.description = description
    }
}

extension CocoaError {
    fileprivate var isWriteError: Bool {
        [.fileWriteNoPermission, .fileWriteOutOfSpace, .fileWriteVolumeReadOnly, .fileWriteFileExists].contains(code)
            || code == .fileWriteUnknown
    }
}

/// Runs `body`, which writes a command's output: whatever it throws becomes a failure to create output.
public func creatingOutput<T>(_ body: () throws -> T) throws -> T {
    do {
        return try body()
    } catch {
        throw CommandFailure(.cannotCreateOutput, describeOnOneLine(error))
    }
}

/// Ends the process with exactly one line on standard error, `smd: error: …`, and the error's status. An `ExitCode`
/// ends it without a line: whoever throws it has said all there is to say. Help and version are text on standard output.
public func endReporting(_ error: any Error) -> Never {
    if let code = error as? ExitCode { exit(code.rawValue) }
    var error = error
    if SMD.exitCode(for: error) == .success {
        do {
            try printOut(SMD.fullMessage(for: error))
            exit(ExitStatus.success.rawValue)
        } catch let failure {
            error = failure
        }
    }
    printError("smd: error: \(describeOnOneLine(error))")
    exit(ExitStatus(error).rawValue)
}

/// The error's description without line breaks and other control characters, which a file's name may hold.
public func describeOnOneLine(_ error: any Error) -> String {
    let isFoundation = type(of: error) is NSError.Type || error is CocoaError || error is POSIXError
    let text = isFoundation ? error.localizedDescription : "\(error)"
    return printable(text)
}
