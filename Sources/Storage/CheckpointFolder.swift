import Foundation
import HDF5

/// The checkpoints of one run: `step-00001000.h5` and so on in a folder. One process at a time writes there.
public struct CheckpointFolder: Sendable {
    let folder: String
    private static let prefix = "step-"
    private static let suffix = ".h5"

    /// The folder need not exist yet; `save` makes it.
    public init(path: String) {
        folder = path
    }

    /// Path of the checkpoint of a step.
    public func path(step: Int) -> String {
        precondition(step >= 0, "step \(step)")
        return folder + "/" + Self.name(step: step)
    }

    private static func name(step: Int) -> String {
        let digits = String(step)
        return prefix + String(repeating: "0", count: max(0, 8 - digits.count)) + digits + suffix
    }

    /// Where the variance of the estimates of a checkpoint's network is kept: `step-00001000.variance.json` beside it.
    public static func variancePath(of checkpoint: String) -> String {
        let stem = checkpoint.hasSuffix(suffix) ? String(checkpoint.dropLast(suffix.count)) : checkpoint
        return stem + ".variance.json"
    }

    /// Steps that have a file, ascending, whether or not it verifies. None where the folder does not exist.
    ///
    /// - Throws: `StorageError` where the folder cannot be read.
    public func steps() throws -> [Int] {
        try names().compactMap(Self.step(inName:)).sorted()
    }

    /// The step of a checkpoint's name; nil for any other name.
    static func step(inName name: String) -> Int? {
        guard name.hasPrefix(prefix), name.hasSuffix(suffix) else { return nil }
        guard let step = Int(name.dropFirst(prefix.count).dropLast(suffix.count)), step >= 0 else { return nil }
        return self.name(step: step).hasSameBytes(as: name) ? step : nil
    }

    /// Checkpoints and the temporaries of their writers, by step and name.
    func files() throws -> [(name: String, step: Int, isTemporary: Bool)] {
        try names().compactMap { name in
            if let step = Self.step(inName: name) { return (name, step, false) }
            guard let mark = name.range(of: DurableFile.temporaryMark) else { return nil }
            return Self.step(inName: String(name[..<mark.lowerBound])).map { (name, $0, true) }
        }.sorted { ($0.step, $0.name) < ($1.step, $1.name) }
    }

    private func names() throws -> [String] {
        guard FileManager.default.fileExists(atPath: folder) else { return [] }
        do {
            return try FileManager.default.contentsOfDirectory(atPath: folder)
        } catch {
            throw StorageError("cannot list the folder \(folder): \(error.localizedDescription)")
        }
    }

    /// Writes a checkpoint and, once it is safe on disk, removes older ones.
    ///
    /// - Parameter keep: which older ones to keep.
    /// - Returns: the path of the new file, and why an older one could not be removed.
    /// - Throws: `HDF5Error` or `StorageError` where the folder cannot be made or written, or the disk is full; older
    ///   checkpoints are then all still there.
    package func save(_ image: FileImage, step: Int, keep: Retention) throws -> (path: String, problem: String?) {
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw StorageError("cannot make the folder \(folder): \(error.localizedDescription)")
        }
        let isTemporary = { (name: String) in name.hasPrefix(Self.prefix) && name.contains(DurableFile.temporaryMark) }
        DurableFile.removeAbandoned(in: folder, names: try names().filter(isTemporary))
        let path = path(step: step)
        try image.writeCheckpoint(to: path)
        do {
            for old in keep.outdated(try steps(), by: step) { try remove(step: old) }
            return (path, nil)
        } catch {
            return (path, "\(error)")
        }
    }

    /// Removes the checkpoint of a step, and what was measured of it, which means nothing without it.
    ///
    /// - Throws: `HDF5Error` where a file cannot be removed.
    package func remove(step: Int) throws {
        let path = path(step: step)
        try DurableFile.remove(path)
        let variance = Self.variancePath(of: path)
        if FileManager.default.fileExists(atPath: variance) { try DurableFile.remove(variance) }
    }

    /// The checkpoint of the highest step that verifies, or `nil` where there is none.
    ///
    /// - Parameters:
    ///   - trying: called with the path of each file before it is read; one for which it throws is passed over.
    ///   - report: called with one line for each newer file that is damaged and passed over.
    /// - Throws: `StorageError` where the folder cannot be read.
    public func newestVerified(
        trying: (String) throws -> Void = { _ in }, report: (String) -> Void
    ) throws -> CheckpointFile? {
        for step in try steps().reversed() {
            let path = path(step: step)
            do {
                try trying(path)
                let file = try CheckpointFile(path)
                try Self.requireNamed(file)
                return file
            } catch {
                report("skipping a checkpoint that cannot be used: \(error)")
            }
        }
        return nil
    }
}

/// Which checkpoints stay when a new one has been saved. Files of later steps, which a run that was set back leaves, are
/// never removed.
public struct Retention: Sendable {
    private let last: Int
    private let every: Int

    /// Keeps checkpoints up to the new one.
    ///
    /// - Parameters:
    ///   - last: how many of the newest, the new one included; 0 keeps all.
    ///   - every: those whose step is a multiple of this, for ever; 0 for none.
    public init(last: Int, every: Int = 0) {
        precondition(last >= 0 && every >= 0, "keep the last \(last), every \(every)")
        (self.last, self.every) = (last, every)
    }

    /// Those of `steps`, ascending, that need not stay.
    package func outdated(_ steps: [Int]) -> [Int] {
        guard last > 0 else { return [] }
        return steps.dropLast(last).filter { every == 0 || $0 % every != 0 }
    }

    /// Those of `steps`, ascending, that need not stay now that `new` is there.
    func outdated(_ steps: [Int], by new: Int) -> [Int] {
        outdated(steps.filter { $0 < new } + [new])
    }
}
