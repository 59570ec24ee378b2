import Communication
import Configuration
import CPUBackend
import Foundation
import Storage

extension Trainer {
    /// Puts the state of `resume` in place on all ranks, or draws the first parameters. Collective.
    func restore(_ resume: Resume) throws {
        let found = try communicator.together("opening the run folder") { try findCheckpoint(resume) }
        let step = try communicator.sum([Double(found?.checkpoint.step ?? 0), found == nil ? 0 : 1])
        guard step[1] > 0 else {
            state.initialize(seed: configuration.seed)
            return
        }
        self.step = Int(step[0])
        let seen = try communicator.sum([Double(found.map(samplesSeen) ?? 0)])
        samplesSeen = Int(seen[0])
        let room = try roomForShards(when: found != nil)
        for (tensors, arena) in sharedArenas {
            let whole = arena === state.parameters ? arena : room ?? arena
            try communicator.together("restoring the checkpoint") {
                guard let (path, checkpoint) = found else { return }
                try state.load(checkpoint[keyPath: tensors], into: whole, of: path)
            }
            if let shards, arena !== state.parameters {
                try shards.distribute(room, into: arena)
            } else {
                try share(arena)
            }
        }
        if let (path, checkpoint) = found { say(restored: checkpoint, path) }
    }

    /// The arenas that a checkpoint keeps, and where in it.
    private var sharedArenas: [(tensors: WritableKeyPath<Checkpoint, [NamedTensor]>, arena: CPUMemory)] {
        [
            (\.parameters, state.parameters), (\.ema, state.ema), (\.firstMoment, state.firstMoment),
            (\.secondMoment, state.secondMoment),
        ]
    }

    /// Room for one whole arena, on the rank that needs it, where the state is sharded. Collective.
    private func roomForShards(when needed: Bool) throws -> CPUMemory? {
        try communicator.together("making room for a checkpoint") {
            shards != nil && needed ? try CPUMemory(count: state.layout.count) : nil
        }
    }

    private func samplesSeen(_ found: (path: String, checkpoint: Checkpoint)) -> Int {
        if case .integer(let seen)? = found.checkpoint.attributes["samples_seen"] { return seen }
        return found.checkpoint.step * configuration.batchSize
    }

    /// Rank 0 looks for what to resume and refuses what does not fit.
    private func findCheckpoint(_ resume: Resume) throws -> (path: String, checkpoint: Checkpoint)? {
        guard communicator.rank == 0 else { return nil }
        let found: (path: String, checkpoint: Checkpoint)?
        switch resume {
        case .none:
            guard try !folder.holdsRun() else {
                throw TrainingError(
                    "\(folder.path) already holds a run: continue it with --resume auto, or choose another --output")
            }
            found = nil
        case .auto:
            found = try folder.checkpoints.newestVerified { observer.warn($0) }
            if found == nil, try folder.holdsRun() {
                observer.say("no checkpoint to resume from in \(folder.path), starting at step 0")
            }
        case .checkpoint(let path):
            found = (path, try Checkpoint.read(path))
        }
        if let (path, checkpoint) = found {
            let stored = try RunConfiguration(json: checkpoint.config, name: path)
            let differences = try configuration.architectureDifferences(from: stored)
            guard differences.isEmpty else {
                throw TrainingError(
                    "\(path) is of another architecture (\(differences.joined(separator: ", "))): resume with the "
                        + "configuration it was trained with, or choose another --output")
            }
        }
        try folder.prepare()
        return found
    }

    private func share(_ arena: CPUMemory) throws {
        guard communicator.size > 1 else { return }
        // All of it is rank 0's part: a broadcast that needs no second buffer.
        let parts = (0..<communicator.size).map { $0 == 0 ? state.all : arena.count..<arena.count }
        try communicator.allGather(arena.elements, parts: parts)
    }

    private func say(restored checkpoint: Checkpoint, _ path: String) {
        if checkpoint.dataFingerprint != data.fingerprint {
            observer.warn("\(path) was trained on another data set than \(data.path); going on with the latter")
        }
        if checkpoint.seed != configuration.seed {
            observer.warn("\(path) was trained with seed \(checkpoint.seed); going on with \(configuration.seed)")
        }
        observer.say("restored step \(checkpoint.step) of \(configuration.steps) from \(path)")
    }

    /// Opens the metrics on rank 0. Collective.
    func openMetrics(continued step: Int) throws -> MetricsLog? {
        try communicator.together("opening the metrics") {
            guard communicator.rank == 0 else { return nil }
            let exists = FileManager.default.fileExists(atPath: folder.metrics)
            return try MetricsLog(path: folder.metrics, continueAfterStep: exists ? step : nil) { observer.warn($0) }
        }
    }

    /// Writes the state after the current step; rank 0 only does the work.
    ///
    /// - Parameter required: whether the run must fail when the checkpoint cannot be written; otherwise it goes on and
    ///   says so.
    func saveCheckpoint(required: Bool) throws {
        Watchdog.enter(.checkpoint, step: step)
        let checkpoint = try checkpoint()
        try communicator.together("saving a checkpoint") {
            guard let checkpoint else { return }
            do {
                try synchronizeMetrics()
                let path = try folder.checkpoints.save(checkpoint, keepLast: configuration.keepCheckpoints)
                observer.say("saved \(path)")
            } catch  where !required {
                observer.warn("the checkpoint of step \(step) could not be saved, training goes on: \(error)")
            }
        }
    }

    /// The logical state, on rank 0; shards of the others come one arena at a time. Collective.
    private func checkpoint() throws -> Checkpoint? {
        let isWriter = communicator.rank == 0
        let room = try roomForShards(when: isWriter)
        var checkpoint = Checkpoint(
            step: step, seed: configuration.seed, config: try configuration.resolvedJSON(),
            dataFingerprint: data.fingerprint, version: version, attributes: ["samples_seen": .integer(samplesSeen)],
            parameters: [])
        for (tensors, arena) in sharedArenas {
            var whole = arena
            if let shards, arena !== state.parameters {
                try shards.collect(arena, into: room)
                whole = room ?? arena
            }
            if isWriter { checkpoint[keyPath: tensors] = state.tensors(whole) }
        }
        return isWriter ? checkpoint : nil
    }
}
