import CPUBackend
import Communication
import Configuration
import DataSets
import Diffusion
import Foundation
import NeuralNetwork
import Sampling
import Storage
import TensorGraph
import Mixtures

/// What a run starts from.
public enum Resume: Equatable, Sendable {
    /// New; an existing run in the same folder is an error.
    case none
    /// The newest checkpoint of the run folder that verifies, or the beginning when there is none.
    case auto
    /// The given checkpoint.
    case checkpoint(String)
}

/// What one step did, for progress lines.
public struct StepReport: Sendable {
    /// Number of the step that ended, from 1.
    public var step: Int
    /// Mean loss of the global batch.
    public var loss: Double
    /// Global gradient norm before clipping.
    public var gradientNorm: Double
    /// Images of all ranks a second.
    public var imagesPerSecond: Double
    /// Passes over the data set so far; not-a-number without one.
    public var epoch: Double
}

/// Is told what a run does; only on rank 0.
public protocol TrainingObserver: AnyObject {
    /// A line for a person: what was restored, saved, drawn.
    func say(_ line: String)
    /// A line about something that went wrong without ending the run.
    func warn(_ line: String)
    /// A step ended.
    func stepped(_ report: StepReport)
}

/// How a run ended.
public enum Outcome: Equatable, Sendable {
    /// All steps are done.
    case finished
    /// A signal asked to stop, or the time was up; a checkpoint was written and the run can be resumed.
    case interrupted
}

/// A training run on one rank: the loop of SMD, data-parallel over all ranks of `communicator` and over the threads of
/// each.
///
/// Every rank holds a replica, takes its slice of each global batch and deals its micro-batches out to its threads, sums
/// gradients with the others while the backward passes still run, and makes the same update. Rank 0 writes the files.
public final class Trainer {
    let configuration: RunConfiguration
    let communicator: any Communicator
    let folder: RunFolder
    /// Nil of `method: dds`, which has a density in its place.
    let data: DataSet?
    let target: (any TargetDensity)?
    /// The classes of the samples, where the network or the forward process reads them.
    let labels: ClassLabels?
    /// Reads samples that are not in memory.
    let ahead: ReadAhead?
    /// What t is drawn by, where it is not uniform.
    let timesteps: TimestepHistory?
    let observer: any TrainingObserver
    /// What the forward process moves towards, if anything.
    let shift: Shift?
    /// What previews are drawn from, where the network is shown conditions.
    let pairs: PreviewPairs?
    /// What previews of a scale begin with, but of the coarsest.
    let starts: PreviewStarts?
    /// What sampling begins with; nil for N(0, I).
    let prior: PriorFile?
    /// Makes images of latents for previews, on rank 0.
    let images: LatentImages?
    let replica: Replica
    /// What the run computes in.
    public let precision: JobPrecision
    private(set) var metrics: MetricsLog?
    /// Seconds that the reports of the last step took to go round: they count to the next.
    private var reportSeconds = 0.0
    /// What steps are judged by.
    var history: StepHistory
    /// Times that the run was rolled back since it last saved a checkpoint (on rank 0), and how often it may be.
    var rollbacks = 0
    static let mostRollbacks = 3
    /// The checkpoint that this run began with, or saved last; on rank 0.
    var lastCheckpoint: String?
    /// The checkpoint that is being written, on rank 0, and how long the run stood still for it.
    var save: CheckpointSaver?
    var heldUp = 0.0
    /// The snapshot of averages that is being written, on rank 0.
    var snapshot: CheckpointSaver?

    /// Updates done so far.
    public internal(set) var step = 0
    /// Samples of the stream that were trained on so far.
    var samplesSeen = 0

    /// Opens the data, builds the network, restores what is to be restored. Collective: ranks that disagree, or fail at
    /// any part of it, all end with the same error.
    ///
    /// - Parameters:
    ///   - folder: of the run, claimed on rank 0.
    ///   - threads: compute threads of each rank, the calling one included; the same on all ranks.
    public init(
        _ configuration: RunConfiguration, folder: RunFolder, resume: Resume, threads: Int = 1,
        communicator: any Communicator, observer: any TrainingObserver
    ) throws {
        self.folder = folder
        self.communicator = communicator
        self.observer = observer
        try communicator.together("checking the configuration") {
            try configuration.validate(ranks: communicator.size, threads: threads)
        }
        let (data, target) = try configuration.openSource(communicator)
        let labels = try communicator.together("opening the data set") { try data.flatMap(configuration.labels) }
        let prior = try communicator.together("reading the prior") { try configuration.openPrior() }
        self.prior = prior
        var configuration = configuration
        if let labels, configuration.trainingLoss.readsLabels { configuration.model.classes = labels.count }
        self.configuration = configuration
        try communicator.requireEqual([
            ("version", Release.version), ("configuration", try configuration.digest()),
            ("data set", data?.fingerprint ?? ""),
            ("density", target?.fingerprint ?? ""),
            ("labels", labels?.fingerprint ?? "none"), ("prior", prior?.digest ?? "none"),
            ("number of threads", "\(threads)"),
        ])
        (self.data, self.target, self.labels) = (data, target, labels)
        let precision = try JobPrecision.agree(configuration.precision, communicator)
        self.precision = precision
        images = try communicator.together("opening the first stage") {
            guard communicator.rank == 0, configuration.previewDistance > 0, let path = configuration.firstStagePath
            else { return nil }
            return try data?.latents.map { try LatentImages($0, at: path, precision: precision) }
        }
        (pairs, starts) = try communicator.together("reading the images of previews") { [configuration] in
            (
                try data.flatMap { try PreviewPairs($0, labels, configuration) },
                try data.flatMap { try PreviewStarts($0, labels, configuration) }
            )
        }
        history = StepHistory(spikeFactor: configuration.spikeFactor)
        let batch = try configuration.batchPlan(ranks: communicator.size, threads: threads)
        let step = StepPlan(configuration, batch, precision.precision, target: target)
        let ahead = data.flatMap { ReadAhead($0, step, threads: threads, rank: communicator.rank) }
        self.ahead = ahead
        let timesteps = TimestepHistory(configuration)
        self.timesteps = timesteps
        let shift = try communicator.together("reading the means of the classes") { [configuration] in
            try data.flatMap { try Shift(configuration, $0, labels) }
        }
        self.shift = shift
        let source = data.map {
            BatchSource($0, step, labels: labels, ahead: ahead, history: timesteps, shift: shift)
        }
        replica = try communicator.together("building the network") {
            try Replica(step, threads: threads, communicator: communicator) {
                guard var source else { return { MicroBatch(paths: $0) } }
                return { try source.microBatch($0) }
            }
        }
        if let notice = precision.notice, communicator.rank == 0 { observer.warn(notice) }
        try restore(resume)
        metrics = try openMetrics(continued: self.step)
        if self.step > 0 { try restoreHistory() }
        try replica.parametersChanged()
        if configuration.previewDistance == 0, configuration.previewEvery > 0, communicator.rank == 0 {
            observer.say("method \(configuration.method.rawValue) draws no samples: preview_every does nothing")
        }
        if data?.latents != nil, configuration.firstStagePath == nil, configuration.previewDistance > 0,
            communicator.rank == 0
        {
            observer.warn("no previews are drawn: first_stage does not say what makes images of the latents")
        }
        if let why = batch.whyNotExact, communicator.rank == 0 {
            observer.warn("results depend on the number of ranks and threads in their last bits: \(why)")
        }
    }

    /// Parameters of the network.
    public var parameterCount: Int { state.layout.parameters.reduce(0) { $0 + $1.count } }
    /// What is trained on: "60,000 samples of fashion.h5", or a density in words.
    public func source(_ grouped: (Int) -> String) -> String {
        target?.words ?? "\(grouped(data?.count ?? 0)) samples of \(configuration.data)"
    }
    /// Of the data set, or of the density.
    var fingerprint: String { data?.fingerprint ?? target?.fingerprint ?? "" }
    /// How a step is dealt out to the ranks.
    public var batchPlan: BatchPlan { replica.step.batch }
    var state: ModelState { replica.state }

    /// Trains until all steps are done, or until any rank has a reason to stop: then all do after the same step.
    public func run(_ signals: StopSignals) throws -> Outcome {
        var stop = false
        while step < configuration.steps && !stop {
            guard let asked = try trainStep(stopRequested: signals.requested) else { continue }
            stop = asked
            let last = step == configuration.steps
            endSave(waiting: false)
            endSnapshot(waiting: false)
            if isDue(configuration.ema.snapshotEvery) { try saveSnapshot() }
            if (isDue(configuration.previewDistance) && !stop) || (last && configuration.previewDistance > 0) {
                stop = try !drawPreviews(signals) || stop
            }
            if isDue(configuration.checkpointEvery) || last || stop { try saveCheckpoint(required: last || stop) }
        }
        try communicator.together("closing the metrics") { try metrics?.close() }
        return step < configuration.steps ? .interrupted : .finished
    }

    private func isDue(_ every: Int) -> Bool { isDue(every, after: step) }
    private func isDue(_ every: Int, after step: Int) -> Bool { every > 0 && step % every == 0 }

    /// One update of the parameters from one global batch.
    ///
    /// - Returns: whether any rank was asked to stop; nil where the run was rolled back to an earlier step instead.
    private func trainStep(stopRequested: Bool) throws -> Bool? {
        var clock = StepClock(.compute, communicated: reportSeconds)
        let probes = isProbeDue
        ahead?.begin(at: samplesSeen)
        try replica.computeGradients(from: samplesSeen, step: step, probing: probes)
        let workers = replica.workers
        clock.attribute(workers.reduce(0) { $0 + $1.secondsData } / Double(workers.count), to: .data)
        clock.begin(.communication)
        Watchdog.enter(.allReduce, step: step + 1)
        try replica.finishGradients()
        let own = replica.ownLosses
        let ownParts = replica.ownParts
        let sums = try communicator.sum(
            [workers[0].etaVariance ?? 0] + own + ownParts + replica.ownTimestepLosses + replica.ownPathSums)
        let losses = Array(sums.dropFirst().prefix(own.count))
        let loss = losses.reduce(0, +) / Double(configuration.batchSize)
        clock.begin(.optimizer)
        Watchdog.enter(.update, step: step + 1)
        let gradientNorms = try replica.gradientNorms()
        let gradientNorm = gradientNorms.allSatisfy(\.isFinite) ? gradientNorms[0] : .nan
        let verdict = history.judge(loss: loss, gradientNorm: gradientNorm)
        if verdict == .good {
            timesteps?.add(sums.dropFirst(1 + own.count + ownParts.count))
            try replica.update(step + 1, gradientNorms: gradientNorms)
            if state.shards != nil {
                clock.begin(.communication)
                try replica.gatherParameters()
                clock.begin(.optimizer)
            }
            try replica.parametersChanged()
        } else if try passOver(verdict, losses: losses) {
            try replica.parametersChanged()
            return nil
        }
        if isDue(configuration.checkRanksEvery, after: step + 1) {
            try communicator.requireSameBits(networks.flatMap(\.copies), "after step \(step + 1)")
        }

        Watchdog.enter(.allReduce, step: step + 1)
        // One exchange: who wants to stop, and where everybody's time went.
        clock.begin(.communication)
        let communicated = clock[.communication]
        let reports = try communicator.sum(
            [stopRequested ? 1 : 0] + RankSeconds.row(clock, rank: communicator.rank, of: communicator.size))
        let seconds = clock.end()
        reportSeconds = clock[.communication] - communicated

        step += 1
        samplesSeen += configuration.batchSize
        let report = StepReport(
            step: step, loss: loss, gradientNorm: gradientNorm,
            imagesPerSecond: Double(configuration.batchSize) / seconds,
            epoch: data.map { Double(samplesSeen) / Double($0.count) } ?? .nan)
        if communicator.rank == 0 {
            metrics?.append(
                StepRecord(
                    report: report, ranks: RankSeconds(reports.dropFirst()),
                    parts: meanParts(sums.dropFirst(1 + own.count).prefix(ownParts.count)),
                    etaVariance: probes ? sums[0] : .nan,
                    logPartition: target == nil
                        ? .nan
                        : logSumExp(Array(sums.dropFirst(1 + own.count + ownParts.count)))
                            - log(Double(configuration.batchSize)),
                    learningRate: learningRate(step: step, configuration), skipped: verdict == .good ? 0 : 1))
            observer.stepped(report)
        }
        return reports[0] > 0
    }

    /// The mean over the global batch of each part of the losses, from its sums over micro-batches.
    private func meanParts(_ sums: ArraySlice<Double>) -> [String: Double] {
        let names = replica.step.loss.parts
        var parts: [String: Double] = [:]
        for (place, sum) in sums.enumerated() {
            parts[names[place % names.count], default: 0] += sum / Double(configuration.batchSize)
        }
        return parts
    }

    private var isProbeDue: Bool {
        configuration.model.drawsEta && configuration.etaVarianceEvery > 0
            && (step + 1) % configuration.etaVarianceEvery == 0
    }

    /// Flushes the metrics; what is returned makes them survive a loss of power, on any thread.
    func synchronizingMetrics() throws -> @Sendable () throws -> Void {
        guard let metrics else { return {} }
        return try metrics.synchronizing()
    }
}
