import Benchmarks
import Communication
import Configuration
import DataSets
import Files
import Foundation
import HDF5
import Sampling
import Storage
import TensorGraph

/// One thing that ``Doctor`` has looked at.
public struct Finding: Encodable, Equatable, Sendable {
    /// How it was found.
    public enum Verdict: String, Encodable, Sendable {
        /// As it should be.
        case ok
        /// A job runs, but worse than it could.
        case warning
        /// A job would fail.
        case failure
    }

    /// What was looked at: "clocks".
    public var check: String
    /// How it was found.
    public var verdict: Verdict
    /// What was found, one line.
    public var text: String
    /// What to do about it, one line; nil where nothing is to be done.
    public var fix: String?

    package static func ok(_ check: String, _ text: String) -> Finding {
        Finding(check: check, verdict: .ok, text: text, fix: nil)
    }

    static func warning(_ check: String, _ text: String, fix: String) -> Finding {
        Finding(check: check, verdict: .warning, text: text, fix: fix)
    }

    static func failure(_ check: String, _ text: String, fix: String) -> Finding {
        Finding(check: check, verdict: .failure, text: text, fix: fix)
    }
}

/// Looks at everything outside smd that a training job stands on: the launch, the cores, the clocks, the memory, the
/// folder of the run, the data set, the sum over ranks.
///
/// The facts are gathered from all ranks, collectively; rank 0 judges them (`Finding+Judgement.swift`).
public final class Doctor {
    private let communicator: any Communicator
    private let launch: Launch?
    private let folder: String
    private let configuration: RunConfiguration?
    private let threads: Int
    private let version: String
    private var failures = 0
    /// Called on rank 0 with each finding as it is made.
    public var report: (Finding) -> Void = { _ in }
    /// Reads a data set somewhere else first, where that may be unsafe; only on rank 0.
    public var tryReading: (String) throws -> Void = { _ in }

    /// - Parameters:
    ///   - launch: how this process was launched; nil without a launcher.
    ///   - folder: folder of a run, which need not exist: then the nearest one above it is looked at.
    ///   - configuration: of the run that is to be made, if it is known; with it, memory, room and data are compared
    ///     with what it needs.
    ///   - threads: compute threads of each rank.
    public init(
        _ communicator: any Communicator, launch: Launch?, folder: String, configuration: RunConfiguration?,
        threads: Int, version: String
    ) {
        self.communicator = communicator
        self.launch = launch
        self.folder = folder
        self.configuration = configuration
        self.threads = threads
        self.version = version
    }

    /// Makes all checks. Collective.
    ///
    /// - Returns: whether nothing failed, the same on every rank. Warnings are no failures.
    /// - Throws: `CommunicationError` when the ranks cannot talk to each other.
    public func examine() throws -> Bool {
        try examineLaunch()
        let facts = try gather(RankFacts.current(communicator, version: version))
        tell(.versions(facts))
        tell(.speed(facts))
        tell(.precision(configuration?.precision, facts))
        let binding = try communicator.binding(threads: threads)
        tell(.binding(binding))
        tell(.clocks(try clockOffsets(), hosts: facts.map(\.host)))
        let needs = try examineConfiguration()
        tell(.temporary(facts, needs: needs))
        tell(.memory(facts, needs: needs))
        try examineFolder(needs, facts)
        try examineData()
        try examineAllReduce(facts)
        return try communicator.maximum([Double(failures)])[0] == 0
    }

    private func tell(_ finding: Finding) {
        guard communicator.rank == 0 else { return }
        if finding.verdict == .failure { failures += 1 }
        report(finding)
    }

    /// Runs `body` on all ranks; what any of them throws is a finding, and nil the result. Collective.
    private func attempt<T>(_ check: String, fix: String, _ body: () throws -> T) throws -> T? {
        do {
            return try communicator.together(check, body)
        } catch let error as CommunicationError {
            throw error
        } catch let error as AgreedFailure {
            tell(.failure(check, "\(error.text) (rank \(error.rank) on \(error.host))", fix: fix))
            return nil
        } catch {
            tell(.failure(check, String(describing: error), fix: fix))
            return nil
        }
    }

    /// A value of every rank, by rank. Collective.
    private func gather<T: Codable>(_ own: T) throws -> [T] {
        let bytes = try communicator.gather([UInt8]((try? JSONEncoder().encode(own)) ?? Data()))
        return bytes.map { (try? JSONDecoder().decode(T.self, from: Data($0))) ?? own }
    }

    private func examineLaunch() throws {
        if let launch {
            tell(.ok("launch", "\(launch.launcher), \(try communicator.placement().summary)"))
            tell(.placement(try communicator.placement()))
        } else {
            tell(.noLauncher(mpirun: mpirunVersion(), library: MPICommunicator.mpiVersion))
        }
    }

    /// First line of `mpirun --version`; nil where there is none. Asked only outside of MPI, which does not like
    /// processes that start others.
    private func mpirunVersion() -> String? {
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["mpirun", "--version"]
        (process.standardInput, process.standardOutput) = (FileHandle.nullDevice, pipe)
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil, let output = try? pipe.fileHandleForReading.readToEnd() else { return nil }
        process.waitUntilExit()
        return String(decoding: output, as: UTF8.self).split(separator: "\n").first.map { String($0) }
    }

    /// How many seconds each rank's clock is ahead of rank 0's: the median of several looks, each right after a barrier.
    private func clockOffsets() throws -> [Double] {
        let looks = try (0..<9).map { _ in
            try communicator.barrier()
            var now = timespec()
            clock_gettime(CLOCK_REALTIME, &now)
            var times = [Double](repeating: 0, count: communicator.size)
            times[communicator.rank] = Double(now.tv_sec) + Double(now.tv_nsec) * 1e-9
            return try communicator.sum(times)
        }
        return (0..<communicator.size).map { rank in median(looks.map { $0[rank] - $0[0] }) }
    }

    /// What the configuration needs here, if there is one and it fits the ranks; nil on other ranks than 0. Collective.
    private func examineConfiguration() throws -> RunNeeds? {
        guard let configuration else { return nil }
        let ranks = communicator.size
        var needs: RunNeeds?
        let fits: Void? = try attempt(
            "configuration", fix: "change batch_size or micro_batch_size, or start another number of ranks (smd plan)"
        ) {
            try configuration.validate(ranks: ranks, threads: threads)
            // Preparing the run takes a moment: one rank does it.
            guard communicator.rank == 0 else { return }
            needs = RunNeeds(
                try MemoryPlan(configuration, ranks: ranks, threads: threads), configuration,
                checkpointBytes: try RunPlan(configuration, ranks: ranks, threads: threads).checkpointBytes)
        }
        if fits != nil {
            tell(.ok("configuration", "a batch of \(configuration.batchSize) for \(ranks) × \(threads) fits"))
        }
        return needs
    }

    // MARK: The folder of the run

    private func examineFolder(_ needs: RunNeeds?, _ facts: [RankFacts]) throws {
        let place = existingFolder()
        let name = try communicator.broadcast([UInt8]("/.smd-doctor-\(UUID().uuidString)".utf8), from: 0)
        let probe = place + String(decoding: name, as: UTF8.self)
        let fix = "choose another --output, or mend the permissions or the file system of \(place)"
        // Incompressible enough, and long enough for a rate.
        let bytes = (0..<16 << 20).map { UInt8(truncatingIfNeeded: ($0 &* 0x9E37_79B1) >> 13) }
        defer { if communicator.rank == 0 { unlink(probe) } }
        let written = try attempt("run folder", fix: fix) {
            guard communicator.rank == 0 else { return 0.0 }
            return try seconds { try bytes.withUnsafeBytes { try DurableFile.write($0, to: probe) } }
        }
        guard let written else { return }
        tell(
            .folder(
                place, free: DurableFile.freeBytes(at: place), writeRate: Double(bytes.count) / max(written, 1e-6),
                needs: needs))
        let isVisible = try gather(access(probe, R_OK) == 0)
        tell(.shared(place, isVisible: isVisible, hosts: facts.map(\.host)))
        try examineLocks(of: probe)
        try examineHDF5(in: place)
    }

    /// Without locks nothing keeps two jobs out of one folder.
    private func examineLocks(of probe: String) throws {
        guard communicator.rank == 0 else { return }
        let descriptor = try DurableFile.openForWriting(probe)
        defer { close(descriptor) }
        switch FileLock.take(descriptor) {
        case .taken, .heldByAnother: tell(.ok("file locks", "two jobs cannot share a folder"))
        case .unavailable(let reason):
            tell(
                .warning(
                    "file locks", "there are none (\(reason)): two jobs in one folder would not notice each other",
                    fix: "see that no two jobs use one folder; locks need NFS mounted without nolock, Lustre with flock"
                ))
        }
    }

    /// The folder, or the nearest above it that exists.
    private func existingFolder() -> String {
        var path = URL(fileURLWithPath: folder).standardizedFileURL
        while path.path != "/", !FileManager.default.fileExists(atPath: path.path) { path.deleteLastPathComponent() }
        return path.path
    }

    /// Writes metrics and reads them at the same time, as `smd metrics` does beside a job.
    private func examineHDF5(in place: String) throws {
        let path = place + "/.smd-doctor-\(UUID().uuidString).h5"
        defer { if communicator.rank == 0 { for end in ["", ".journal"] { unlink(path + end) } } }
        let done: Void? = try attempt(
            "HDF5",
            fix: "choose another --output, on a local disk or another file system"
        ) {
            guard communicator.rank == 0 else { return }
            let writer = try MetricsWriter(path: path, columns: ["loss"], continueAfterStep: nil)
            writer.append(step: 1, values: [0.5])
            try writer.flush()
            let rows = try MetricsTable.readFile(path).rowCount
            try writer.close()
            guard rows == 1 else { throw RunError("\(path) shows \(rows) rows to a reader instead of 1") }
        }
        if done != nil {
            tell(.ok("HDF5", "\(HDF5Library.version), reading beside a writer works in \(place)"))
        }
    }

    // MARK: Data and communication

    private func examineData() throws {
        guard let configuration else { return }
        if configuration.method == .dds { return try examineDensity(configuration) }
        let isSafe: Bool? = try attempt("data set", fix: "see smd dataset prepare --help, or use another copy") {
            if communicator.rank == 0 { try tryReading(configuration.data) }
            return true
        }
        guard isSafe == true else { return }
        let data = try attempt("data set", fix: "see smd dataset prepare --help; the path must hold on every host") {
            let data = try DataSet(path: configuration.data, memoryLimitBytes: 0)
            try configuration.model.check(data, crop: configuration.crop, blockSide: configuration.diffusion.blockSide)
            return (fingerprint: data.fingerprint, count: data.count)
        }
        guard let data else { return }
        do {
            try communicator.requireEqual([("data set", data.fingerprint)])
            tell(.ok("data set", "\(data.count) samples in \(configuration.data), the same on all ranks"))
        } catch let error as AgreedError {
            tell(.failure("data set", String(describing: error), fix: "copy the same file to all hosts"))
        }
    }

    private func examineDensity(_ configuration: RunConfiguration) throws {
        let fix = "see target.kind and target.file; a path must hold on every host"
        let target = try attempt("density", fix: fix) {
            if communicator.rank == 0 { try tryReading(configuration.target.path ?? "") }
            return try configuration.openTarget()
        }
        guard let target else { return }
        do {
            try communicator.requireEqual([("density", target.fingerprint)])
            tell(.ok("density", "\(target.words), the same on all ranks"))
        } catch let error as AgreedError {
            tell(.failure("density", String(describing: error), fix: "copy the same file to all hosts"))
        }
    }

    private func examineAllReduce(_ facts: [RankFacts]) throws {
        guard communicator.size > 1 else { return tell(.ok("all-reduce", "one rank has nothing to sum")) }
        let bytes = 16 << 20
        let benchmark = try communicator.together("making buffers") {
            try AllReduceBenchmark(communicator, largestBytes: bytes)
        }
        let latency = try benchmark.measure(bytes: 4, repetitions: 9, warmup: 2).seconds
        let row = try benchmark.measure(bytes: bytes, repetitions: 5, warmup: 1)
        tell(.allReduce(latency: latency, bandwidth: row.gigabytesPerSecond, hosts: Set(facts.map(\.host)).count))
    }
}
