/// What the process's exit status tells a script; the numbers are those of sysexits.h.
public enum ExitStatus: Int32, CaseIterable, Sendable {
    /// All went well.
    case success = 0
    /// Something else went wrong.
    case failure = 1
    /// The command line is wrong.
    case usage = 64
    /// A configuration or a file that was read cannot be used.
    case badInput = 65
    /// A file or folder cannot be written.
    case cannotCreateOutput = 73
    /// The job was ended from outside or lost a rank; started again with `--resume auto` it goes on.
    case tryAgain = 75

    /// The table, in one sentence.
    public static let meanings = """
        0 success, 1 failure, 64 wrong command line, 65 unusable configuration or input file, \
        73 output cannot be written, 75 interrupted: start again to continue.
        """

    /// The same for help texts.
    public static let help = "Exit status: " + meanings
}

/// An error that knows what the process ends with, on one rank or on many.
public protocol HasExitStatus: Error {
    /// The status that tells of it.
    var exitStatus: ExitStatus { get }
}
