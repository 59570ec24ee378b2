import Communication
import Files
import Foundation

/// The terminal in which a person sees what this process writes to a stream, as it is written.
struct Terminal: Sendable {
    private let descriptor: Int32

    /// The terminal behind standard output or standard error; nil where that is a file, or a pipe to another program.
    ///
    /// mpirun gives a rank a terminal of its own for output and a pipe for errors, and copies from both: what counts is
    /// where mpirun itself writes.
    init?(of stream: Int32, environment: [String: String] = ProcessInfo.processInfo.environment) {
        guard Launch.detect(in: environment) != nil else {
            guard isatty(stream) == 1 else { return nil }
            descriptor = stream
            return
        }
        guard isatty(stream) == 1 || Self.isPipe(stream, to: getppid()) else { return nil }
        // That of a daemon, which has started a rank on another host, is none.
        let launcher = open("/proc/\(getppid())/fd/\(stream)", O_WRONLY | O_NOCTTY | O_CLOEXEC)
        guard launcher >= 0 else { return nil }
        guard isatty(launcher) == 1 else {
            close(launcher)
            return nil
        }
        descriptor = launcher
    }

    /// Columns at this moment, 80 where the terminal does not say.
    var columns: Int {
        var size = winsize()
        let status = ioctl(descriptor, UInt(TIOCGWINSZ), &size)
        return status == 0 && size.ws_col > 0 ? Int(size.ws_col) : 80
    }

    /// Whether a process holds an end of the pipe that a stream of this one is.
    private static func isPipe(_ stream: Int32, to process: pid_t) -> Bool {
        func target(_ path: String) -> String? { try? FileManager.default.destinationOfSymbolicLink(atPath: path) }
        guard let pipe = target("/proc/self/fd/\(stream)"), pipe.hasPrefix("pipe:") else { return false }
        let folder = "/proc/\(process)/fd"
        let open = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return open.contains { target(folder + "/" + $0) == pipe }
    }
}

/// When to write colours.
public enum ColorChoice: String, CaseIterable, Sendable {
    /// To a terminal that knows them (`TERM` is not dumb), unless `NO_COLOR` is set and not empty.
    case auto
    /// To any output.
    case always
    /// Not at all.
    case never

    /// Whether to write them to a terminal, or to what is none.
    public func allows(isTerminal: Bool, environment: [String: String] = ProcessInfo.processInfo.environment) -> Bool {
        switch self {
        case .always: true
        case .never: false
        case .auto: isTerminal && environment["TERM"] != "dumb" && (environment["NO_COLOR"] ?? "").isEmpty
        }
    }
}

/// A colour or weight of letters, by the number of its escape sequence.
struct LetterStyle: Sendable {
    let code: Int

    static let faint = LetterStyle(code: 2)
    static let red = LetterStyle(code: 31)
    static let green = LetterStyle(code: 32)
    static let yellow = LetterStyle(code: 33)

    /// `text` in this style; it must be printable.
    func callAsFunction(_ text: String) -> String { "\u{1B}[\(code)m\(text)\u{1B}[0m" }
}
