import CPUBackend
import Configuration
import DataSets
import Foundation
import Sampling
import Storage
import TensorGraph
import Training

/// The memory of one rank, found by preparing everything that a run prepares, in memory that is reserved and counted but
/// never touched. Estimated are only ``runningBytes``, ``messageBytes`` and what a checkpoint in the making needs.
public struct MemoryPlan: Encodable, Sendable {
    /// What is touched only while a run goes on: batches, metrics, parts of libraries. Measured on the four presets.
    static let runningBytes = 6 << 20
    /// What libhdf5 keeps of a tensor in the making of a file, for those of power-function averages: with the others it
    /// is part of what any checkpoint needs. Measured.
    static let bytesPerFurtherTensor = 6500
    /// The program with its libraries and prepared operations, as resident in this process, and what comes on top while
    /// it runs; with the data set, if it could be read.
    public var programBytes: Int
    /// What a rank holds of the data set, of ``programBytes``; nil where it could not be read.
    public var dataBytes: Int?
    /// What the ranks of a host share: the data set, with `cache` node. Not in ``bytes``.
    public var sharedBytes: Int
    /// Inputs and intermediates of each thread.
    public var activationBytes: Int
    /// Parameters, gradients of each thread and their partial sums, moments and average, or the rank's shard of the last
    /// two; and what an exact sum over more than two ranks receives.
    public var stateBytes: Int
    /// Weights in the layouts that the operations want, scratch memory, and the network that draws samples.
    public var workingBytes: Int
    /// MPI, and its buffers for sums under way: 7 MiB and half of the gradient, as measured on 2 ranks of one host; not
    /// more than the whole gradient. Nothing for one rank.
    public var messageBytes: Int
    /// What rank 0 needs in addition while it saves or restores a checkpoint: the file in memory, and where
    /// the state is sharded, one whole arena.
    public var checkpointBytes: Int

    /// Most that a rank which writes no checkpoint holds.
    public var bytes: Int { programBytes + activationBytes + stateBytes + workingBytes + messageBytes }
    /// Most that rank 0 holds.
    public var firstRankBytes: Int { bytes + checkpointBytes }

    /// Prepares the run of `configuration` on `ranks` ranks of `threads` threads.
    ///
    /// - Throws: when the configuration does not fit them, or an operation cannot be prepared.
    public init(_ configuration: RunConfiguration, ranks: Int, threads: Int = 1) throws {
        let configuration = try configuration.withClasses()
        let batch = try configuration.batchPlan(ranks: ranks, threads: threads)
        let isShared = configuration.cache == .node
        let isOfDensity = configuration.method == .dds
        let data =
            isOfDensity
            ? nil
            : try? DataSet(SampleSource(path: configuration.data)) {
                isShared ? .nothing : configuration.holding(bytes: $0)
            }
        dataBytes = isOfDensity ? 0 : data.map(\.residentBytes)
        sharedBytes = isShared ? data.map { $0.count * $0.bytesPerSample } ?? 0 : 0
        let step = StepPlan(
            configuration, batch, JobPrecision(configuration.precision).precision,
            target: isOfDensity ? try? configuration.openTarget() : nil)
        let plan = step.plan
        let sharded = configuration.optimizer.sharded
        let ((arenas, workers, generators, paths), bytes) = try CPUBackend.reserving {
            let arenas = try NetworkArenas(
                step, shards: { _ in nil },
                own: { sharded ? OptimizerShards.parts(count: $0, ranks: ranks).max { $0.count < $1.count } : nil })
            let images = MicroBatch(madeUpFor: step)
            let workers = try (0..<threads).map { thread in
                let gradients = thread == 0 ? arenas.gradients : nil
                return try Worker(step, parameters: arenas.parameters, gradients: gradients) { _ in images }
            }
            let generators = try configuration.generators(of: workers)
            let paths = try step.paths.map { _ in try workers.map { try $0.makePathGenerator() } }
            return (arenas, workers, generators, paths)
        }
        programBytes =
            try withExtendedLifetime((data, workers, generators, paths)) { try residentBytes() } + Self.runningBytes
        // What is streamed lies in no memory yet.
        if let data, !data.isInMemory { programBytes += data.residentBytes }
        activationBytes = threads * plan.activationBytes
        let exchanges = RankReduction.needsExchange(exact: batch.isExact, ranks: ranks)
        let sums = workers.reduce(exchanges ? 1 : 0) { $0 + 1 + $1.sums.extraArenas }
        let states = arenas.states
        stateBytes = (states.reduce(0) { $0 + $1.count } + sums * plan.layout.count) * MemoryLayout<Float>.stride
        // While the average is previewed, the parameters lie elsewhere.
        let aside = configuration.previewDistance > 0 ? states[0].layout.count * MemoryLayout<Float>.stride : 0
        workingBytes = bytes - activationBytes - stateBytes + aside
        messageBytes = ranks > 1 ? 7 << 20 + plan.layout.count * MemoryLayout<Float>.stride / 2 : 0
        let largest = states.map(\.layout.count).max() ?? 0
        let whole = sharded && ranks > 1 ? largest * MemoryLayout<Float>.stride : 0
        // A checkpoint and a snapshot of averages may be under way together.
        let averages = configuration.ema.snapshotEvery > 0 ? configuration.ema.widths.count : 0
        let saved = (states[0].roles.count + averages) * plan.layout.parameters.reduce(0) { $0 + $1.count }
        let further = (configuration.ema.widths.count + averages) * plan.layout.parameters.count
        checkpointBytes =
            whole + CheckpointImage.savingBytes(elements: saved) + further * Self.bytesPerFurtherTensor
    }

    enum CodingKeys: String, CodingKey {
        case programBytes = "program_bytes"
        case dataBytes = "data_bytes"
        case sharedBytes = "shared_bytes"
        case activationBytes = "activation_bytes"
        case stateBytes = "state_bytes"
        case workingBytes = "working_bytes"
        case messageBytes = "message_bytes"
        case checkpointBytes = "checkpoint_bytes"
    }
}

extension RunConfiguration {
    /// The forward passes that a run prepares: on each thread for self-conditioning, on the first for probes and previews.
    fileprivate func generators(of workers: [Worker]) throws -> [SampleGenerator] {
        let draws = (method == .diffusion && previewDistance > 0) || (model.drawsEta && etaVarianceEvery > 0)
        return try workers.prefix(model.selfCondition ? workers.count : draws ? 1 : 0).map { try $0.makeGenerator() }
    }
}

/// Bytes of this process that lie in memory.
///
/// - Throws: ``RunError`` where the system does not tell.
private func residentBytes() throws -> Int {
    guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8),
        let pages = text.split(separator: " ").dropFirst().first.flatMap({ Int($0) })
    else { throw RunError("cannot read /proc/self/statm: planning memory needs Linux", status: .failure) }
    return pages * sysconf(Int32(_SC_PAGESIZE))
}
