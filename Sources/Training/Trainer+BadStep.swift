import Communication
import Configuration
import Files
import Storage
import Synchronization

/// Steps whose loss or gradient is not finite, or far above what is normal. Every rank has the same numbers and decides
/// alike.
extension Trainer {
    /// Ends the run, or lets it go on without the step. Collective.
    ///
    /// - Parameter losses: of the step's micro-batches, summed over their samples.
    /// - Returns: whether the run was rolled back: the step and those before it, from the last checkpoint on, are void.
    /// - Throws: ``AgreedRunError`` that names step, rank, samples and layer, where the run ends.
    func passOver(_ verdict: StepVerdict, losses: [Double]) throws -> Bool {
        let what = try verdict == .notFinite ? sourceOfNonFinite() : sourceOfSpike(verdict, losses: losses)
        let inARow = history.badStepsInARow
        switch configuration.onBadStep {
        case .skip where inARow <= StepHistory.mostBadSteps:
            if communicator.rank == 0 { observer.warn("\(what): the step is skipped, the parameters stay as they are") }
            return false
        case .skip:
            throw ended(by: what, ", the \(inARow)th in a row")
        case .rollback:
            let earlier = try rollbacksWithoutProgress()
            guard earlier < Self.mostRollbacks else {
                throw ended(by: what, ", after \(earlier) rollbacks without a newer checkpoint")
            }
            try rollBack(because: what)
            return true
        case .stop:
            throw ended(by: what)
        }
    }

    private func ended(by what: String, _ often: String = "") -> AgreedRunError {
        let look = data.map { "look at the data set (smd dataset verify \(shellWord($0.path))), " } ?? ""
        return AgreedRunError(
            "\(what)\(often): lower learning_rate, \(look)"
                + "go on from an earlier checkpoint (--resume CHECKPOINT), or let such steps be passed over "
                + "(on_bad_step: skip, or rollback)")
    }

    /// Rollbacks since the last checkpoint; one that is being written counts if it comes to its end. Collective.
    private func rollbacksWithoutProgress() throws -> Int {
        Watchdog.enter(.checkpoint, step: step)
        endSave(waiting: true)
        return Int(try communicator.sum([communicator.rank == 0 ? Double(rollbacks) : 0])[0])
    }

    /// Puts the last checkpoint back, or the beginning, and goes on with the samples that follow the step's: those from
    /// the checkpoint up to there are passed over, for it may be they that lead to it (PaLM, Chowdhery et al. 2022, 5.1).
    private func rollBack(because what: String) throws {
        let (bad, next) = (step + 1, samplesSeen + configuration.batchSize)
        rollbacks += 1
        let checkpoint = lastCheckpoint
        try restore(
            communicator.together("opening the checkpoint to go back to") {
                try checkpoint.map { try CheckpointFile($0) }
            })
        let passedOver = next - samplesSeen
        samplesSeen = next
        try communicator.together("going back in the metrics") { metrics?.goBack(to: step) }
        try restoreHistory()
        if communicator.rank == 0 {
            observer.warn(
                "\(what): the run is rolled back from step \(bad) to step \(step), "
                    + "and \(passedOver) samples are passed over")
        }
    }

    // MARK: Where it comes from

    /// Computes the step again, and looks where the first value comes up that is not finite. Collective.
    private func sourceOfNonFinite() throws -> String {
        let found = Mutex<[Int: String]>([:])
        try replica.team.run { [replica, step, samplesSeen] thread in
            let starts = replica.starts(replica.ownMicroBatches(thread), from: samplesSeen)
            if let text = try replica.workers[thread].firstNonFinite(starts, step: step) {
                found.withLock { $0[thread] = text }
            }
        }
        let culprit = try firstToTell(found.withLock { $0.min { $0.key < $1.key }?.value })
        return "the gradient of step \(step + 1) is not finite ("
            + (culprit ?? "each rank's part is: their sum exceeds what a float32 holds") + ")"
    }

    /// The micro-batch with the largest loss, and the tensor with the largest gradient. Collective.
    private func sourceOfSpike(_ verdict: StepVerdict, losses: [Double]) throws -> String {
        guard case .spike(let numbers) = verdict else { return "" }
        let worst = losses.indices.max { losses[$0] < losses[$1] } ?? 0
        var own: String?
        for (thread, worker) in replica.workers.enumerated() where replica.ownMicroBatches(thread).contains(worst) {
            let samples = try worker.samples(from: replica.starts(worst..<worst + 1, from: samplesSeen)[0])
            let mean = String(format: "%.4g", losses[worst] / Double(batchPlan.microBatchSize))
            own = "samples \(samples): their mean loss \(mean) is the highest"
        }
        let culprit = try firstToTell(own) ?? ""
        let layer = state.largestGradient().map { "; the largest gradient is that of \($0)" } ?? ""
        return "step \(step + 1) has a spike in \(numbers) (\(culprit)\(layer))"
    }

    /// What the first rank that knows something has to tell, on all ranks. Collective.
    private func firstToTell(_ own: String?) throws -> String? {
        let text = own.map { "rank \(communicator.rank) on host \(communicator.host), \($0)" } ?? ""
        return try communicator.gather([UInt8](text.utf8)).first { !$0.isEmpty }.map {
            String(decoding: $0, as: UTF8.self)
        }
    }

    // MARK: History

    /// Looks into the metrics for what is normal: the same after a resume as without. Does nothing where no step is judged
    /// by it. Collective.
    func restoreHistory() throws {
        guard configuration.spikeFactor > 0 || configuration.onBadStep != .stop else { return }
        let numbers = try communicator.together("reading the metrics") {
            try metrics.map { StepHistory.numbers(of: try $0.lastRows(StepHistory.rows)) }
        }
        history.restore(try communicator.sum(numbers ?? [Double](repeating: 0, count: StepHistory.numberCount)))
    }
}
