import Configuration
import Files
import Foundation
import NeuralNetwork
import Storage

/// What `smd runs list` tells of a run: from the end of its metrics and the header of its newest checkpoint, in a time that
/// does not grow with either.
public struct RunOverview: Encodable, Sendable {
    public enum State: String, Encodable, Sendable {
        /// All its steps are done.
        case finished
        /// It ended, or was ended, before that.
        case stopped
        /// A job holds its folder.
        case running
        /// The file system has no locks to see a job by.
        case unknown
        /// Its metrics or its newest checkpoint cannot be read.
        case damaged
    }

    public let name: String
    public let path: String
    public let state: State
    /// What cannot be read, and why.
    public let problem: String?
    public let lastStep: Int?
    /// Steps of the whole run.
    public let steps: Int?
    /// Of the last step; null where it is no finite number.
    public let loss: Double?
    /// "SMD", "vanilla DDPM", "classifier".
    public let method: String?
    /// The shape of what it is trained on: "32×32×3".
    public let sample: String?
    /// Of its checkpoints, metrics and pictures together.
    public let bytes: Int
    /// When a file of it was last written, seconds since 1970.
    public let lastWritten: Int?

    /// Looks at the run in a folder.
    ///
    /// - Parameters:
    ///   - name: what it is called.
    ///   - damage: why its files must not be read; nil where they may be.
    public init(_ folder: String, name: String, damage: String? = nil) {
        (path, self.name) = (folder, name)
        var problem = damage
        func reading<T>(_ body: () throws -> T?) -> T? {
            guard damage == nil else { return nil }
            do {
                return try body()
            } catch {
                problem = problem ?? "\(error)"
                return nil
            }
        }
        let metrics = Self.metrics(of: folder)
        let end = reading { MetricsWriter.exists(metrics) ? try MetricsTable.readEnd(metrics) : nil }
        let header = reading { try Self.newestHeader(of: folder) }
        let configuration = reading { try header.map { try RunConfiguration(json: $0.config, name: folder) } }
        lastStep = [end?.steps.last, header?.step].compactMap { $0 }.max()
        steps = configuration?.steps
        loss = (end?.column("loss")?.last).flatMap(finite)
        method = configuration?.networkName
        sample = configuration.map {
            $0.model.isPoints ? "points" : "\($0.model.size)×\($0.model.size)×\($0.model.channels)"
        }
        self.problem = problem
        let isDone = lastStep.map { last in configuration.map { last >= $0.steps } ?? false } ?? false
        switch (RunLock.isHeld(folder), problem) {
        case (_, .some): state = .damaged
        case (true, _): state = .running
        case (_, _) where isDone: state = .finished
        case (nil, _): state = .unknown
        default: state = .stopped
        }
        let files = Self.files(of: folder)
        bytes = files.map { Int($0.st_size) }.reduce(0, +)
        lastWritten = files.map { Int($0.st_mtim.tv_sec) }.max()
    }

    /// Reads what an overview needs of a run's files, and nothing else: the part of the work that damaged files can harm.
    public static func tryReading(_ folder: String) {
        _ = try? MetricsTable.readEnd(metrics(of: folder))
        _ = try? newestHeader(of: folder)
    }

    static func metrics(of folder: String) -> String { Path.join(folder, "metrics.h5") }

    /// The folder of a run's checkpoints.
    static func checkpoints(of folder: String) -> CheckpointFolder {
        CheckpointFolder(path: Path.join(folder, "checkpoints"))
    }

    /// What the newest checkpoint says of itself; nil where there is none.
    ///
    /// - Throws: `HDF5Error` or `StorageError` where that cannot be read.
    public static func newestHeader(of folder: String) throws -> CheckpointHeader? {
        let checkpoints = checkpoints(of: folder)
        return try checkpoints.steps().last.map {
            try CheckpointFile(checkpoints.path(step: $0), isVerified: false).header
        }
    }

    /// What the system says of a run's files, one level deep; links are not followed.
    private static func files(of folder: String) -> [stat] {
        ["", "checkpoints", "previews"].flatMap { part -> [stat] in
            let place = BytePath(part.isEmpty ? folder : Path.join(folder, part))
            return ((try? namesInFolder(place)) ?? []).compactMap { name in
                var status = stat()
                guard place.appending(name).withCString({ lstat($0, &status) }) == 0 else { return nil }
                return status.st_mode & S_IFMT == S_IFREG ? status : nil
            }
        }
    }

    // MARK: Finding

    private static let deepest = 4

    /// Whether a run has left metrics or checkpoints in a folder.
    public static func isRun(_ folder: String) -> Bool {
        MetricsWriter.exists(metrics(of: folder)) || (try? !checkpoints(of: folder).steps().isEmpty) == true
    }

    /// The runs in a folder, which may be one itself, and in folders in it, four levels deep; sorted by name. Hidden folders
    /// are passed over, and links to folders are not followed.
    ///
    /// - Returns: paths, and names below `folder`.
    /// - Throws: `SystemError` where the folder itself cannot be read.
    public static func runs(in folder: String) throws -> [(path: String, name: String)] {
        if isRun(folder) { return [(folder, NamedMetrics.names(of: [folder])[0])] }
        return try runs(below: folder, prefix: "", depth: 1)
    }

    private static func runs(below folder: String, prefix: String, depth: Int) throws -> [(path: String, name: String)]
    {
        try namesInFolder(BytePath(folder)).filter { !$0.isHiddenName }.flatMap {
            bytes -> [(path: String, name: String)] in
            guard let name = String(validating: bytes.bytes, as: UTF8.self) else { return [] }
            let path = Path.join(folder, name)
            var status = stat()
            guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { return [] }
            if isRun(path) { return [(path, prefix + name)] }
            return depth < deepest ? (try? runs(below: path, prefix: prefix + name + "/", depth: depth + 1)) ?? [] : []
        }
    }
}

extension RunOverview {
    /// The table for a person.
    public static func table(_ runs: [RunOverview]) -> String {
        let head = ["run", "state", "step", "of", "loss", "method", "sample", "size", "last written (UTC)"]
        let rows = runs.map { run in
            [
                printable(run.name), run.state.rawValue, run.lastStep.map(grouped) ?? "-",
                run.steps.map(grouped) ?? "-",
                run.loss.map(fourDigits) ?? "-", run.method ?? "-", run.sample ?? "-", sizeText(run.bytes),
                run.lastWritten.map(timeText) ?? "-",
            ]
        }
        let problems = runs.compactMap { run in run.problem.map { "  \(printable(run.name)): \(printable($0))" } }
        return ([aligned([head] + rows)] + problems).joined(separator: "\n")
    }
}

/// Bytes for people: "47.0 MiB".
func sizeText(_ bytes: Int) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB"]
    var (value, unit) = (Double(bytes), 0)
    while value >= 1024 && unit < units.count - 1 { (value, unit) = (value / 1024, unit + 1) }
    return unit == 0 ? "\(bytes) bytes" : String(format: "%.1f ", value) + units[unit]
}

/// Seconds since 1970 as "2026-11-30 06:38:12".
func timeText(_ seconds: Int) -> String {
    var (time, parts) = (time_t(seconds), tm())
    gmtime_r(&time, &parts)
    return String(
        format: "%04d-%02d-%02d %02d:%02d:%02d", Int(parts.tm_year) + 1900, parts.tm_mon + 1, parts.tm_mday,
        parts.tm_hour,
        parts.tm_min, parts.tm_sec)
}
