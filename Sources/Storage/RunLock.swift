import Files
import Foundation
import HDF5

/// The claim of one job on the folder of a run: a lock on the file `.lock` in it, held until the job's first rank ends,
/// however it ends. Whoever reads or writes a run to go on with it does so under this claim.
public final class RunLock {
    /// Name of the file in the run's folder. It stays; the lock on it is what counts.
    public static let name = ".lock"

    private let path: String
    private let descriptor: Int32
    /// What this claim has made, in order: taken back where the job ends before it has written anything.
    private let made: [String]

    /// Claims `folder`, which is made if it is missing.
    ///
    /// - Parameters:
    ///   - launcher: process that started this one as a rank and without which it ends; nil where there is none.
    ///   - whileWaiting: is called again and again as long as the claim is waited for.
    ///   - report: is called once with what a wait is for, and where the file system has no locks.
    /// - Throws: `StorageError` where another job holds the claim, or the folder cannot be made or written.
    public init(
        folder: String, launcher: Int32? = nil, whileWaiting: () -> Void = {}, report: @escaping (String) -> Void
    ) throws {
        path = Path.join(folder, Self.name)
        var made: [String] = []
        do {
            var waiter = Waiter(folder: folder, report: report)
            while true {
                made += try Self.make(folder)
                // None where a job that takes back what it has made has just removed the folder.
                guard let (descriptor, isNew) = try Self.open(path, in: folder) else { continue }
                let outcome = FileLock.take(descriptor)
                // One that was removed meanwhile is nobody's any more.
                if outcome == .heldByAnother || !Self.isStill(descriptor, at: path) {
                    let holder = outcome == .heldByAnother ? Holder(descriptor) : nil
                    close(descriptor)
                    if outcome == .heldByAnother { try waiter.wait(for: holder) }
                    whileWaiting()
                    continue
                }
                if case .unavailable(let reason) = outcome {
                    report(
                        "\(folder) has no file locks (\(reason)): a second job there would go unnoticed and destroy this "
                            + "one's work; see that there is none")
                }
                // Not before: another may have locked what this one has made, and holds it by that name.
                if isNew { made.append(path) }
                Holder.current(launcher: launcher).write(to: descriptor)
                self.descriptor = descriptor
                break
            }
        } catch {
            Self.remove(made)
            throw error
        }
        self.made = made
    }

    deinit { close(descriptor) }

    /// Gives up the claim of a job that has not written anything: the folder is then as it was found.
    public func takeBack() { Self.remove(made) }

    /// Whether a job holds the claim on `folder`; false where none ever did, nil where the file system has no locks to see it
    /// by.
    public static func isHeld(_ folder: String) -> Bool? {
        reading(folder) { FileLock.isTaken($0) } ?? false
    }

    /// The host on which the last job worked that claimed `folder`; nil where nothing tells.
    public static func lastHost(_ folder: String) -> String? { reading(folder) { Holder($0)?.host } ?? nil }

    private static func reading<T>(_ folder: String, _ body: (Int32) -> T) -> T? {
        let descriptor = Glibc.open(Path.join(folder, name), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        return body(descriptor)
    }

    // MARK: Files

    /// Makes a folder and those above it; returns those that were made, in order.
    private static func make(_ folder: String) throws -> [String] {
        func unusable() -> StorageError {
            StorageError(
                "cannot make the run folder \(folder): \(String(cString: strerror(errno))); choose another --output")
        }
        var missing: [String] = []
        var place = folder
        var status = stat()
        while stat(place, &status) != 0 {
            guard errno == ENOENT else { throw unusable() }
            missing.append(place)
            // "a/" is the folder "a" again; it is made once.
            place = Path.folder(of: place)
        }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            errno = ENOTDIR
            throw unusable()
        }
        var made: [String] = []
        for place in missing.reversed() {
            if mkdir(place, 0o777) == 0 {
                made.append(place)
            } else if errno != EEXIST || isDangling(place) {
                let error = unusable()
                remove(made)
                throw error
            }
        }
        return made
    }

    /// Whether a name is that of a link to nothing, which is there and is not.
    private static func isDangling(_ path: String) -> Bool {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFLNK else { return false }
        return stat(path, &status) != 0
    }

    /// Opens the file, and tells whether it was made just now; nil where it, or its folder, was just removed.
    private static func open(_ path: String, in folder: String) throws -> (descriptor: Int32, isNew: Bool)? {
        let flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW
        let new = Glibc.open(path, flags | O_CREAT | O_EXCL, 0o666)
        if new >= 0 { return (new, true) }
        if errno == EEXIST {
            let old = Glibc.open(path, flags)
            if old >= 0 { return (old, false) }
        }
        if errno == ENOENT { return nil }
        throw StorageError(
            "cannot write to the run folder \(folder): \(String(cString: strerror(errno))); choose another --output")
    }

    private static func isStill(_ descriptor: Int32, at path: String) -> Bool {
        var (own, named) = (stat(), stat())
        return fstat(descriptor, &own) == 0 && stat(path, &named) == 0 && own.st_ino == named.st_ino
            && own.st_dev == named.st_dev
    }

    /// Removes what was made, the last first; folders only where they are empty.
    private static func remove(_ made: [String]) {
        for path in made.reversed() where rmdir(path) != 0 && errno == ENOTDIR { unlink(path) }
    }
}

/// The job that holds a claim, as it wrote it into the file.
private struct Holder {
    let host: String
    let process: Int32
    let launcher: Int32?

    static func current(launcher: Int32?) -> Holder {
        Holder(host: here, process: getpid(), launcher: launcher)
    }

    init(host: String, process: Int32, launcher: Int32?) {
        (self.host, self.process, self.launcher) = (host, process, launcher)
    }

    /// Nil where nothing readable is there: the holder is just about to write it.
    init?(_ descriptor: Int32) {
        guard let bytes = try? DurableFile.read(descriptor, at: 0, atMost: 512, RunLock.name) else { return nil }
        let words = String(decoding: bytes, as: UTF8.self).split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 4, let process = Int32(words[1]) else { return nil }
        self.init(host: String(words[0]), process: process, launcher: Int32(words[2]))
    }

    /// Only for messages and waits of others: that it cannot be written on a full disk does no harm.
    func write(to descriptor: Int32) {
        let text = "\(host) \(process) \(launcher.map { "\($0)" } ?? "-") \n"
        _ = ftruncate(descriptor, 0)
        try? Array(text.utf8).withUnsafeBytes { try DurableFile.write($0, to: descriptor, at: 0, RunLock.name) }
    }

    var isHere: Bool { host == Self.here }

    /// Whether the process, on this host, has ended but for what the kernel has left to do, or lost its launcher, and so
    /// will end in a moment.
    var isEnding: Bool {
        guard let stat = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
            let status = try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
        else { return true }
        // Behind the program's name: state, parent, …, and as seventh the kernel's flags.
        let fields = stat.split(separator: ")").last?.split(separator: " ").map(String.init) ?? []
        guard fields.count > 6 else { return true }
        let isExiting = (UInt32(fields[6]) ?? 0) & 0x4 != 0
        let pending = status.split(separator: "\n").filter { $0.hasPrefix("SigPnd:") || $0.hasPrefix("ShdPnd:") }
        let isKilled = pending.contains { line in
            (line.split(separator: "\t").last.flatMap { UInt64($0, radix: 16) } ?? 0) & 1 << (UInt64(SIGKILL) - 1) != 0
        }
        let isOrphan = launcher.map { "\($0)" != fields[1] } ?? false
        return ["Z", "X"].contains(fields[0]) || isExiting || isKilled || isOrphan
    }

    /// One word of the file.
    private static var here: String { localHostName().replacing(" ", with: "-") }
}

/// Waits for a job that is about to give up its claim, and for no other.
private struct Waiter {
    /// Seconds to wait for a job that has ended, or is about to, to give up its claim: on this host, and on another, whose
    /// server may have to notice first that it is gone (90 s with NFS 4).
    private static let patience = (here: 10.0, elsewhere: 120.0)

    let folder: String
    let report: (String) -> Void
    private let start = ContinuousClock.now
    private var hasReported = false
    private let journal: [Int]

    init(folder: String, report: @escaping (String) -> Void) {
        self.folder = folder
        self.report = report
        journal = Self.journal(of: folder)
    }

    /// Returns after a moment where another try makes sense.
    ///
    /// - Throws: `StorageError` where the holder is at work.
    mutating func wait(for holder: Holder?) throws {
        let waited = (ContinuousClock.now - start) / .seconds(1)
        let isWorth: Bool
        switch holder {
        case nil: isWorth = waited < 2
        case let holder? where holder.isHere: isWorth = holder.isEnding && waited < Self.patience.here
        default: isWorth = Self.journal(of: folder) == journal && waited < Self.patience.elsewhere
        }
        let who = holder.map { "process \($0.process) on host \($0.host)" } ?? "another process"
        guard isWorth else {
            throw StorageError(
                "another job works in the run folder \(folder) (\(who)): wait for its end, or choose another --output")
        }
        if waited > 1, !hasReported {
            hasReported = true
            report("waiting for \(who) to give up \(folder)")
        }
        Thread.sleep(forTimeInterval: 0.05)
    }

    /// Size and time of the run's journal, which grows with every step of a job that is alive.
    private static func journal(of folder: String) -> [Int] {
        var status = stat()
        guard stat(MetricsJournal.path(of: Path.join(folder, "metrics.h5")), &status) == 0 else { return [] }
        return [Int(status.st_size), status.st_mtim.tv_sec, status.st_mtim.tv_nsec]
    }
}
