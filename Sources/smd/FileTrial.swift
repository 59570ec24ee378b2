import Communication
import Configuration
import Foundation
import HDF5
import Mixtures

/// A file from elsewhere, read in a helper process before this one touches it.
///
/// libhdf5 can crash, hang or ask for all memory on a file that was made to do so. The helper is this program again
/// (`smd try-file`), which does with the file what the job is about to do, under limits of its own; whatever becomes of
/// it, the job goes on with an error of one line.
enum FileTrial {
    /// Tries the file at `path`.
    ///
    /// - Throws: `HDF5Error` with the helper's own line where it found the file unusable, or with what became of it.
    static func run(_ kind: TriedFile, _ path: String, _ members: [String] = []) throws {
        // Well within the watchdog's deadline: the line is then about the file, not about a rank.
        let patience = min(300, (Watchdog.deadline ?? .infinity) / 2)
        let (end, lines) = try Helper.run(["try-file", "--", kind.rawValue, path] + members, patience: patience)
        switch end {
        case .exited(0): return
        case .exited(let status):
            let mark = "smd: error: "
            if let line = lines.last(where: { $0.hasPrefix(mark) }) {
                throw HDF5Error(String(line.dropFirst(mark.count)))
            }
            throw unsafe(path, "the helper process that tried it ended with status \(status)")
        case .stuck:
            throw HDF5Error(
                "\(path) cannot be read: the helper process that tries it has got nowhere for \(Int(patience)) s; "
                    + "see whether its disk or file server answers")
        case .signalled(SIGXCPU):
            throw unsafe(
                path, "reading it takes more than \(TrialLimits(kind, path: path).processorSeconds) s of processor time"
            )
        case .signalled(let signal):
            let name =
                [
                    SIGSEGV: "SIGSEGV", SIGABRT: "SIGABRT", SIGBUS: "SIGBUS", SIGFPE: "SIGFPE", SIGILL: "SIGILL",
                    SIGTRAP: "SIGTRAP", SIGKILL: "SIGKILL",
                ][signal] ?? "signal \(signal)"
            throw unsafe(path, "the helper process that tried it was ended by \(name)")
        }
    }

    /// Tries what a run trains on: its data set, or the file of its density.
    ///
    /// - Throws: as ``run(_:_:_:)``.
    static func run(source configuration: RunConfiguration) throws {
        guard configuration.method == .dds else { return try run(.dataset, configuration.data) }
        guard let path = configuration.target.path else { return }
        if configuration.target.kind == .mixture { return try run(.dataset, path) }
        try run(.arrays, path, PriorFile.members)
    }

    private static func unsafe(_ path: String, _ what: String) -> HDF5Error {
        HDF5Error("\(path) cannot be read safely: \(what); the file is damaged or made to do harm, use another copy")
    }
}

/// How a helper process ended.
private enum HelperEnd {
    case exited(Int32)
    case signalled(Int32)
    /// It neither read nor computed any more.
    case stuck
}

/// This program, run again.
private enum Helper {
    private static let keptOutputBytes = 1 << 14

    /// Runs this program with `arguments` and returns how it ended and the lines it wrote to standard error.
    ///
    /// - Parameter patience: seconds in which it must read or compute something. As long as it does, the wait is
    ///   progress of this process in the eyes of the watchdog, however slow the disk is.
    static func run(_ arguments: [String], patience: Double) throws -> (HelperEnd, [Substring]) {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw failure("a pipe", errno) }
        defer { close(ends[0]) }
        let process: pid_t
        do {
            defer { close(ends[1]) }
            process = try spawn(arguments, errors: ends[1])
        }
        let (text, ended) = read(ends[0], of: process, patience: patience)
        let lines = String(decoding: text, as: UTF8.self).split(whereSeparator: \.isNewline)
        guard ended else {
            kill(process, SIGKILL)
            // A dead file server may hold it in the kernel: then it is left there.
            for _ in 0..<100 where waitpid(process, nil, WNOHANG) == 0 { usleep(10_000) }
            return (.stuck, lines)
        }
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 {
            guard errno == EINTR else { throw failure("a helper process", errno) }
        }
        let signal = status & 0x7F
        return (signal == 0 ? .exited((status >> 8) & 0xFF) : .signalled(signal), lines)
    }

    /// Starts the program with no descriptor of this process but `errors`, no signal blocked or ignored, and not as a
    /// rank of the job: MPI must not take the helper for one.
    private static func spawn(_ arguments: [String], errors: Int32) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, errors, 2)
        let descriptors = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
        for descriptor in descriptors.compactMap({ Int32($0) }) where descriptor > 2 {
            posix_spawn_file_actions_addclose(&actions, descriptor)
        }

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        var all = sigset_t()
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

        var argv: [UnsafeMutablePointer<CChar>?] = (["smd"] + arguments).map { strdup($0) } + [nil]
        var environment: [UnsafeMutablePointer<CChar>?] = Self.environment.map { strdup("\($0)=\($1)") } + [nil]
        defer { for text in argv + environment { free(text) } }
        var process: pid_t = 0
        let problem = posix_spawn(&process, "/proc/self/exe", &actions, &attributes, &argv, &environment)
        guard problem == 0 else { throw failure("a helper process", problem) }
        return process
    }

    /// This process's environment without what makes it a rank, and with glibc's checks of the heap: a write past the
    /// end of a block then ends the helper instead of going unseen.
    private static var environment: [String: String] {
        let ranks = ["OMPI_", "PMIX_", "PMI_", "OPAL_", "ORTE_", "PRTE_", "HDF5_"]
        var kept = ProcessInfo.processInfo.environment.filter { name, _ in !ranks.contains { name.hasPrefix($0) } }
        kept["LD_PRELOAD"] = ([kept["LD_PRELOAD"]].compactMap { $0 } + ["libc_malloc_debug.so.0"]).joined(
            separator: ":")
        kept["MALLOC_CHECK_"] = "3"
        kept["SWIFT_BACKTRACE"] = "enable=no"
        return kept
    }

    /// Reads what `process` says until it has ended (true) or has got nowhere for `patience` seconds. Keeps the
    /// beginning. Time is the sum of the waits here: none passes while the whole job is stopped.
    private static func read(_ descriptor: Int32, of process: pid_t, patience: Double) -> ([UInt8], Bool) {
        var text: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 4096)
        let wait = min(1, patience / 8)
        var work = work(of: process)
        var idle = 0.0
        while idle < patience {
            var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            switch poll(&waiting, 1, Int32((wait * 1000).rounded(.up))) {
            case 1:
                let count = Glibc.read(descriptor, &piece, piece.count)
                if count == 0 { return (text, true) }
                if count > 0 { text += piece[..<min(count, keptOutputBytes - text.count)] }
            case 0: idle += wait
            default: continue  // a signal
            }
            let new = self.work(of: process)
            if new != work {
                (work, idle) = (new, 0)
                Watchdog.beat()
            }
        }
        return (text, false)
    }

    /// What a process has done so far: its processor time, and the bytes it has read.
    private static func work(of process: pid_t) -> [String] {
        func text(_ name: String) -> String {
            (try? String(contentsOfFile: "/proc/\(process)/\(name)", encoding: .utf8)) ?? ""
        }
        // Behind the program's name: state, …, and as 12th and 13th the time in the program and in the kernel.
        let fields = text("stat").split(separator: ")").last?.split(separator: " ") ?? []
        let read = text("io").split(separator: "\n").first { $0.hasPrefix("rchar:") }
        return (fields.dropFirst(11).prefix(2) + [read ?? ""]).map(String.init)
    }

    private static func failure(_ what: String, _ number: Int32) -> HDF5Error {
        HDF5Error("cannot start \(what) to try a file in: \(String(cString: strerror(number)))")
    }
}
