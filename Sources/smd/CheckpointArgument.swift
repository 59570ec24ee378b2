import Communication
import Files
import Foundation
import HDF5
import Storage

/// The checkpoint that an argument means: a file itself; of the folder of a run, or of its checkpoints, the newest that
/// verifies, and a note says which. It has then been read in a helper process (`FileTrial`).
///
/// - Throws: `HDF5Error`, `StorageError` or `CommandFailure` where there is none that can be used.
func triedCheckpoint(_ path: String) throws -> String {
    guard isFolder(path) else {
        try requireThere(path)
        try FileTrial.run(.checkpoint, path)
        return path
    }
    let place = try checkpointPlace(path)
    let folder = CheckpointFolder(path: place)
    guard try !folder.steps().isEmpty else { throw noCheckpoint(path) }
    let newest = try folder.newestVerified(trying: { try FileTrial.run(.checkpoint, $0) }, report: { warn($0) })
    guard let newest else { throw CommandFailure(.badInput, "\(place) holds no checkpoint that can be used") }
    note("smd: taking \(newest.path)")
    return newest.path
}

/// The checkpoint that an argument means, without a look at all its bytes: of a folder, the newest that is intact as far
/// as length and prefix tell. A helper process has then read what is said beside the tensors, and their numbers where
/// these are to be read.
func glancedCheckpoint(_ path: String, readingElements: Bool) throws -> String {
    let kind = readingElements ? TriedFile.checkpointNumbers : .checkpointOutline
    guard isFolder(path) else {
        try requireThere(path)
        try FileTrial.run(kind, path)
        return path
    }
    let entries = try CheckpointFolder(path: checkpointPlace(path)).entries().filter { !$0.isTemporary }
    if entries.isEmpty { throw noCheckpoint(path) }
    for entry in entries.reversed() {
        do {
            if let problem = entry.problem { throw CommandFailure(.badInput, problem) }
            try FileTrial.run(kind, entry.path)
            note("smd: taking \(entry.path)")
            return entry.path
        } catch {
            warn("skipping a checkpoint that cannot be used: \(describeOnOneLine(error))")
        }
    }
    throw CommandFailure(.badInput, "\(path) holds no checkpoint that can be used")
}

private func requireThere(_ path: String) throws {
    var status = stat()
    guard stat(path, &status) == 0 || errno != ENOENT else {
        throw CommandFailure(.badInput, "there is no checkpoint, nor the folder of a run, \(path)")
    }
}

private func noCheckpoint(_ path: String) -> CommandFailure {
    CommandFailure(
        .badInput,
        "\(path) holds no checkpoint: of a folder, the newest checkpoints/step-N.h5 is taken, or the newest step-N.h5")
}

/// ``triedCheckpoint(_:)`` on all ranks of a job: rank 0 looks. Collective.
func triedCheckpoint(_ path: String, _ communicator: any Communicator) throws -> String {
    let found = try communicator.together("reading the checkpoint \(path)") {
        communicator.rank == 0 ? try triedCheckpoint(path) : ""
    }
    return String(decoding: try communicator.broadcast([UInt8](found.utf8), from: 0), as: UTF8.self)
}

/// Whether a folder is at `path`, links followed.
func isFolder(_ path: String) -> Bool { (try? FileFacts(BytePath(path)))?.kind == .folder }
