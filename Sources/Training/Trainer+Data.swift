import Communication
import Configuration
import DataSets
import Diffusion
import Mixtures
import Sampling

extension RunConfiguration {
    /// Opens the data set as `cache` says, and checks that the network fits it. Collective.
    ///
    /// - Throws: the same on every rank, when a rank cannot open it, its samples are damaged, or hosts have other ones.
    package func openData(_ communicator: any Communicator) throws -> DataSet {
        let found = try communicator.together("opening the data set") {
            try requireData()
            let source = try SampleSource(path: data)
            return cache == .node ? (source, nil) : (source, try DataSet(source, holding: holding))
        }
        let opened = try found.1 ?? shared(found.0, communicator)
        try communicator.together("opening the data set") {
            try model.check(opened, crop: crop, blockSide: diffusion.blockSide)
            if opened.latents != nil {
                try checkForLatents(opened.path)
            } else if firstStagePath != nil {
                throw RunError(
                    "first_stage is \(firstStage), but \(opened.path) holds \(opened.sample.words), no latents: leave it out",
                    status: .badInput)
            }
        }
        return opened
    }

    /// The data set, or the density in its place. Collective.
    ///
    /// - Throws: as ``openData(_:)``; what ``openTarget(kept:)`` throws.
    package func openSource(
        _ communicator: any Communicator
    ) throws -> (data: DataSet?, target: (any TargetDensity)?) {
        guard method == .dds else { return (try openData(communicator), nil) }
        return (nil, try communicator.together("opening the density") { try openTarget() })
    }

    /// The prior that sampling begins with; nil where that is N(0, I).
    ///
    /// - Throws: `HDF5Error`, `MixtureError` or ``RunError`` where it cannot be used.
    package func openPrior() throws -> PriorFile? {
        guard method == .diffusion, let path = diffusion.priorPath else { return nil }
        let prior = try PriorFile(path: path)
        guard prior.mixture.dimension == model.sampleElements, prior.mixture.hasDensity else {
            throw RunError(
                "diffusion.prior is \(path), a prior of \(prior.mixture.dimension) numbers, but the samples have "
                    + "\(model.sampleElements)", status: .badInput)
        }
        return prior
    }

    /// Refuses what only images have.
    private func checkForLatents(_ path: String) throws {
        func refuse(_ problem: String) -> RunError {
            RunError("\(path) holds latents, but \(problem)", status: .badInput)
        }
        if method != .diffusion {
            throw refuse("method is \(method.rawValue), which takes images")
        }
        if diffusion.flip {
            throw refuse(
                "diffusion.flip is true, and they cannot be mirrored: set diffusion.flip=false, and encode the images with "
                    + "--mirror where they may be")
        }
        if diffusion.scales > 1 {
            throw refuse("diffusion.scales is \(diffusion.scales), which is for images: set diffusion.scales=1")
        }
        if model.augment > 0 {
            throw refuse("model.augment is \(model.augment), and they cannot be turned or scaled: set model.augment=0")
        }
        if diffusion.clipDenoised {
            throw refuse(
                "diffusion.clip_denoised is true, and they are not bound to [-1, 1]: set diffusion.clip_denoised=false")
        }
    }

    /// The samples in memory that the ranks of a host share.
    private func shared(_ source: SampleSource, _ communicator: any Communicator) throws -> DataSet {
        try communicator.requireEqual([("data set", "\(source.count) × \(source.sample.words)")])
        let memory = try communicator.hostMemory(bytes: source.totalBytes)
        let found = try communicator.together("opening the data set") {
            memory.isFirst ? try source.fill(memory.bytes) : ""
        }
        try communicator.hostMemoryWritten()
        // Hosts may have other files.
        let fingerprints = try communicator.gather([UInt8](found.utf8)).filter { !$0.isEmpty }
        let fingerprint = memory.isFirst ? found : String(decoding: fingerprints.first ?? [], as: UTF8.self)
        return try DataSet(source, held: UnsafeRawBufferPointer(memory.bytes), fingerprint)
    }
}

extension ReadAhead {
    /// For a data set that is not in memory; nil for one that is.
    ///
    /// - Parameter threads: of each rank.
    package convenience init?(_ data: DataSet, _ step: StepPlan, threads: Int, rank: Int) {
        if data.isInMemory { return nil }
        let (batch, configuration) = (step.batch, step.configuration)
        let own = (0..<threads).map { batch.microBatches(rank: rank, thread: $0, of: threads) }
        // Threads have consecutive micro-batches, and want the first of each first.
        let numbers = (0..<(own.map(\.count).max() ?? 0)).flatMap { turn in
            own.filter { turn < $0.count }.map { $0.lowerBound + turn }
        }
        let bytes = batch.microBatchSize * data.elementsPerSample * MemoryLayout<Float>.stride
        self.init(
            SampleStream(data, configuration), starts: numbers.map { $0 * batch.microBatchSize },
            microBatch: batch.microBatchSize, batch: configuration.batchSize,
            depth: configuration.cache == .none ? 0 : max(2 * threads, min(2 * numbers.count, (32 << 20) / bytes)))
    }
}
