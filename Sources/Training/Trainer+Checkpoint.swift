import Communication
import Configuration
import Files
import Foundation
import Sampling
import Storage

extension Trainer {
    /// Puts the state of `resume` in place on all ranks, or draws the first parameters. Collective.
    func restore(_ resume: Resume) throws {
        try restore(try communicator.together("opening the run folder") { try findCheckpoint(resume) })
    }

    /// Puts the state of a checkpoint in place on all ranks, or draws the first parameters where rank 0 has none.
    /// Collective.
    func restore(_ found: CheckpointFile?) throws {
        lastCheckpoint = found?.path
        try removeSnapshots(after: found?.header.step ?? 0)
        let step = try communicator.sum([Double(found?.header.step ?? 0), found == nil ? 0 : 1])
        guard step[1] > 0 else {
            for (number, network) in networks.enumerated() {
                network.initialize(seed: configuration.seed, number: number)
            }
            (self.step, samplesSeen) = (0, 0)
            return try timesteps?.restore(nil, on: communicator) ?? ()
        }
        self.step = Int(step[0])
        let seen = try communicator.sum([Double(found.map { samplesSeen($0.header) } ?? 0)])
        samplesSeen = Int(seen[0])
        try networks.restore(found, on: communicator)
        try timesteps?.restore(found, on: communicator)
        if let found { say(restored: found.header, found.path) }
    }

    /// Whose state is saved, restored and compared among ranks, in the order of the file.
    var networks: [ModelState] { replica.states }

    private func samplesSeen(_ header: CheckpointHeader) -> Int {
        if case .integer(let seen)? = header.attributes["samples_seen"] { return seen }
        let stored = try? RunConfiguration(json: header.config)
        return header.step * (stored ?? configuration).batchSize
    }

    /// Rank 0 looks for what to resume and refuses what does not fit.
    private func findCheckpoint(_ resume: Resume) throws -> CheckpointFile? {
        guard communicator.rank == 0 else { return nil }
        let found: CheckpointFile?
        switch resume {
        case .none:
            guard try !folder.holdsRun() else {
                throw RunError(
                    "\(folder.path) already holds a run: continue it with --resume auto, or choose another --output",
                    status: .cannotCreateOutput)
            }
            found = nil
        case .auto:
            found = try folder.checkpoints.newestVerified { observer.warn($0) }
            if found == nil, try folder.holdsRun() {
                observer.say("no checkpoint to resume from in \(folder.path), starting at step 0")
            }
        case .checkpoint(let path):
            found = try CheckpointFile(path)
        }
        if let found { try compare(with: found) }
        return found
    }

    private func say(restored checkpoint: CheckpointHeader, _ path: String) {
        let rest = checkpoint.step == configuration.steps ? ": nothing is left to do" : ""
        observer.say("restored step \(checkpoint.step) of \(configuration.steps) from \(path)\(rest)")
    }

    /// Opens the metrics on rank 0. Collective.
    func openMetrics(continued step: Int) throws -> MetricsLog? {
        try communicator.together("opening the metrics") {
            guard communicator.rank == 0 else { return nil }
            let exists = MetricsWriter.exists(folder.metrics)
            return try MetricsLog(path: folder.metrics, continueAfterStep: exists ? step : nil) { [observer] line in
                observer.warn(line)
            }
        }
    }

    // MARK: Saving

    /// Starts to write the state after the current step; rank 0 only does the work, on a thread of its own once it has
    /// a copy of the state. Collective.
    ///
    /// - Parameter required: whether to wait until the checkpoint is on disk, and to fail when it cannot be written;
    ///   otherwise the run goes on at once, and says so.
    func saveCheckpoint(required: Bool) throws {
        Watchdog.enter(.checkpoint, step: step)
        let start = ContinuousClock.now
        endSave(waiting: true)
        let waited = (ContinuousClock.now - start).seconds
        if waited > 0.1 {
            observer.say(
                "waited \(tenths(waited)) s for the checkpoint before: step \(step) is too soon after it for this disk")
        }
        let image = try communicator.together("making room for a checkpoint") {
            communicator.rank == 0 ? try emptyImage() : nil
        }
        let problem = try networks.copy(to: image, on: communicator)
        try communicator.together("saving a checkpoint") {
            guard let image else { return }
            do {
                if let problem { throw problem }
                try timesteps?.add(to: image)
                try data.map { try shift?.add(to: image, $0.sample.axes) }
                // Rows and snapshots that the checkpoint builds on are on disk before it is.
                let (synchronize, wait) = (try synchronizingMetrics(), snapshot?.wait)
                save = try CheckpointSaver(
                    image, in: folder.checkpoints,
                    keep: Retention(last: configuration.keepCheckpoints, every: configuration.keepEvery),
                    after: {
                        wait?()
                        try synchronize()
                    })
                heldUp = (ContinuousClock.now - start).seconds
                if required { try reportEnd(of: save?.end(waiting: true)) }
            } catch  where !required {
                observer.warn(Self.goesOn(without: step, error))
            }
            if required { save = nil }
        }
        if required { endSnapshot(waiting: true) }
    }

    /// Looks whether the save under way has ended, and says what became of it. Does nothing on ranks but 0.
    func endSave(waiting: Bool) {
        guard let save else { return }
        do {
            guard let outcome = try save.end(waiting: waiting) else { return }
            reportEnd(of: outcome)
        } catch {
            observer.warn(Self.goesOn(without: save.step, error))
        }
        self.save = nil
    }

    private static func goesOn(without step: Int, _ error: any Error) -> String {
        "the checkpoint of step \(step) could not be saved, training goes on: \(error)"
    }

    private func reportEnd(of outcome: CheckpointSaver.Outcome?) {
        guard let outcome else { return }
        (lastCheckpoint, rollbacks) = (outcome.path, 0)
        observer.say(
            "saved \(outcome.path): \(tenths(Double(outcome.bytes) / 1e6)) MB, training held up for "
                + "\(String(format: "%.3f", heldUp)) s, on disk after \(tenths(outcome.seconds)) s more")
        if let problem = outcome.problem { observer.warn(problem) }
    }

    private func tenths(_ value: Double) -> String { String(format: "%.1f", value) }

    private func emptyImage(averagesOnly: Bool = false) throws -> CheckpointImage {
        var header = CheckpointHeader(
            step: step, seed: configuration.seed, config: try configuration.stored.resolvedJSON(),
            dataFingerprint: fingerprint, version: Release.version,
            attributes: [
                "samples_seen": .integer(samplesSeen), "precision": .string(precision.precision.rawValue),
            ])
        if let labels { header.attributes[Self.labelsAttribute] = .string(labels.fingerprint) }
        for (name, value) in data?.latents?.attributes ?? [] { header.attributes[name] = value }
        header.attributes.merge(prior?.attributes ?? [:]) { $1 }
        header.attributes.merge(target.map(configuration.attributes) ?? [:]) { $1 }
        return try networks.emptyImage(header, averagesOnly: averagesOnly)
    }

    // MARK: Snapshots of averages

    /// Starts to write the power-function averages after the current step, as a checkpoint is. That one cannot be written
    /// is no reason to end a run. Collective.
    func saveSnapshot() throws {
        Watchdog.enter(.checkpoint, step: step)
        endSnapshot(waiting: true)
        let image = try communicator.together("making room for a snapshot of averages") {
            communicator.rank == 0 ? try emptyImage(averagesOnly: true) : nil
        }
        let problem = try networks.copy(to: image, averagesOnly: true, on: communicator)
        guard let image else { return }
        do {
            if let problem { throw problem }
            snapshot = try CheckpointSaver(image, in: folder.averages, keep: Retention(last: 0), after: {})
        } catch {
            observer.warn(Self.goesOn(withoutSnapshot: step, error))
        }
    }

    /// Looks whether the snapshot under way has ended, and tells where it could not be written. Does nothing on ranks but
    /// 0.
    func endSnapshot(waiting: Bool) {
        guard let snapshot else { return }
        do {
            if try snapshot.end(waiting: waiting) == nil { return }
        } catch {
            observer.warn(Self.goesOn(withoutSnapshot: snapshot.step, error))
        }
        self.snapshot = nil
    }

    private static func goesOn(withoutSnapshot step: Int, _ error: any Error) -> String {
        "the snapshot of averages of step \(step) could not be saved, training goes on: \(error)"
    }

    /// Removes snapshots of steps that are yet to be done, perhaps in another way: a later average is put together from
    /// all that are there. Collective.
    private func removeSnapshots(after step: Int) throws {
        endSnapshot(waiting: true)
        try communicator.together("removing snapshots of later steps") {
            guard communicator.rank == 0 else { return }
            let later = try folder.averages.steps().filter { $0 > step }
            for step in later { try folder.averages.remove(step: step) }
            if let first = later.first {
                observer.say(
                    "removed \(later.count) snapshots of averages from step \(first) on, which is to be done again")
            }
        }
    }
}
