import ArgumentParser
import Communication
import Configuration
import DataSets
import Evaluation
import Files
import HDF5
import Sampling

extension SampleCommand {
    /// Writes the ends of paths towards a density, and what each counts. Collective.
    func samplePaths(_ checkpoint: String, _ communicator: any Communicator) throws {
        try communicator.together("checking the options") { try requirePathOptions(checkpoint) }
        let job = try triedPathJob(checkpoint, compute.weights, communicator)
        let model = job.configuration.model
        try communicator.together("checking the outputs") {
            if communicator.rank == 0 { try tryOutputs(model, [checkpoint]) }
        }
        let runs = try JobPrecision.agree(compute.precision ?? job.configuration.precision, communicator)
        if communicator.rank == 0, let notice = runs.notice { warn(notice) }
        let generator = try communicator.together("building the network") { try job.generator(precision: runs) }
        let tiles = PathPieces(count: count)
        let results = try evaluationWork(communicator).pieces("sampling", tiles.count) { number in
            let (ends, logWeights) = try generator.paths(tiles[number], seed: compute.seed, .sampling)
            return ends.map(Double.init) + logWeights
        }
        try communicator.together("writing the samples") {
            guard communicator.rank == 0 else { return }
            var (samples, logWeights): ([Float], [Double]) = ([], [])
            for result in results {
                let paths = result.count / (model.channels + 1)
                samples += result.prefix(paths * model.channels).map { Float($0) }
                logWeights += result.suffix(paths)
            }
            try write(samples, logWeights, job, checkpoint, runs)
            let picture = grid.map { "; a picture of them: \($0)" } ?? ""
            try printOut("\(output): \(grouped(count)) \(count == 1 ? "sample" : "samples")\(picture)")
        }
    }

    /// Refuses what a sampler of images knows.
    private func requirePathOptions(_ checkpoint: String) throws {
        let foreign = [
            ("--sampler", sampling.sampler != nil), ("--steps", sampling.steps != nil),
            ("--ddim-eta", sampling.ddimEta != nil), ("--set", !sampling.overrides.isEmpty),
            ("--label and --guidance", guidance.isGiven), ("--conditions", conditions.conditions != nil),
            ("--prior and --horizon", prior.prior != nil || prior.horizon != nil),
            ("--coarser", !scales.coarser.isEmpty),
            ("--latents and --first-stage", latents.latents || latents.firstStage != nil),
        ]
        guard let option = foreign.first(where: \.1)?.0 else { return }
        throw CommandFailure(
            .usage, "\(checkpoint) draws from a density, by paths as they were trained: leave out \(option)")
    }

    private func write(
        _ samples: [Float], _ logWeights: [Double], _ job: PathJob, _ checkpoint: String, _ runs: JobPrecision
    ) throws {
        let model = job.configuration.model
        let attributes: [String: AttributeValue] = [
            "checkpoint": .string(checkpoint), "checkpoint_step": .integer(job.step),
            "weights": .string(compute.weights.rawValue), "precision": .string(runs.precision.rawValue),
            "config": .string(job.json), "seed": .string("\(compute.seed)"), "version": .string(Release.version),
        ]
        try creatingOutput {
            if isExported {
                try SampleFile.export(to: output, samples, labels: nil, count: count, model: model)
                    .write(overwrite: overwrite) { _, _ in Watchdog.beat() }
            } else {
                try SampleFile.write(
                    samples, count: count, model: model, logWeights: logWeights, to: output, replacing: overwrite,
                    attributes: attributes)
            }
            if let grid { try Picture(samples: samples, model.size, model.channels, count: count).write(to: grid) }
        }
    }
}
