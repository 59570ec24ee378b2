import Files
import Foundation
import Storage

/// What `smd checkpoint list` tells: a row a file.
public struct CheckpointList: Encodable {
    /// A checkpoint, or the temporary of a writer.
    public struct Row: Encodable {
        public let step: Int
        /// When it was last written: ISO 8601, UTC; null where the file cannot be looked at.
        public let saved: String?
        public let bytes: Int
        /// intact, as far as length and prefix tell; temporary; damaged.
        public let state: String
        /// Why it is damaged.
        public let problem: String?
        public let path: String
    }

    public let folder: String
    public let checkpoints: [Row]

    /// The files of a folder, by step.
    public init(folder: String, _ entries: [CheckpointEntry]) {
        self.folder = folder
        checkpoints = entries.map { entry in
            Row(
                step: entry.step, saved: entry.saved.map { Self.time($0) }, bytes: entry.bytes,
                state: entry.problem != nil ? "damaged" : entry.isTemporary ? "temporary" : "intact",
                problem: entry.problem, path: entry.path)
        }
    }

    /// How many are damaged.
    public var damaged: Int { checkpoints.count { $0.problem != nil } }

    /// A table for a person.
    public var text: String {
        let rows = checkpoints.map { row in
            [Path.name(of: row.path), "\(row.step)", row.saved ?? "-", grouped(row.bytes), row.state]
        }
        let total = checkpoints.reduce(0) { $0 + $1.bytes }
        return
            ([
                aligned([["file", "step", "saved", "bytes", "state"]] + rows),
                "\(checkpoints.count) files, \(grouped(total)) bytes",
            ] + checkpoints.compactMap(\.problem).map { "damaged: \(printable($0))" }).joined(separator: "\n")
    }

    private static func time(_ date: Date) -> String {
        var seconds = time_t(date.timeIntervalSince1970.rounded(.down))
        var parts = tm()
        gmtime_r(&seconds, &parts)
        return String(
            format: "%04d-%02d-%02dT%02d:%02d:%02dZ", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
            parts.tm_hour, parts.tm_min, parts.tm_sec)
    }
}
