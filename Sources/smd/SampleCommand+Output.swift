import Communication
import Configuration
import DataSets
import Files
import HDF5
import NeuralNetwork
import Sampling

extension SampleCommand {
    /// The sizes of what is written.
    func shown(_ job: SamplingJob, _ images: LatentImages?) -> ModelConfiguration {
        images?.shown(job.configuration.model) ?? job.configuration.model
    }

    /// Says now, before all sampling, that a file cannot be written.
    ///
    /// - Parameter rows: of the picture, where each class has one.
    func tryOutputs(_ model: ModelConfiguration, _ inputs: [String], rows: Int = 0) throws {
        if isExported {
            try SampleFile.export(to: output, [], labels: nil, count: count, model: model).check(overwrite: overwrite)
        } else {
            try requireWritable(
                output, overwrite: overwrite, bytes: SampleFile.bytes(count: count, model: model), inputs: inputs)
        }
        guard let grid else { return }
        try requirePicture(grid, overwrite: overwrite, inputs: inputs + [output])
        guard Picture.fits(count: count, size: model.size, classes: rows) else {
            throw CommandFailure(
                .cannotCreateOutput, "\(grid): a picture of \(grouped(count)) samples is too large; leave out --grid")
        }
    }

    /// Whether samples are written as other programs take them.
    var isExported: Bool { [".npz", ".zip", "/"].contains { output.lowercased().hasBytes(suffix: $0) } }

    func write(
        _ values: [Float], _ classes: ChosenClasses, _ scales: ScaleRuns, _ images: LatentImages?,
        _ settings: RunConfiguration, _ runs: JobPrecision
    ) throws {
        let job = scales.finest
        var attributes: [String: AttributeValue] = [
            "checkpoint": .string(job.path), "checkpoint_step": .integer(job.step),
            "weights": .string(compute.weights.rawValue), "precision": .string(runs.precision.rawValue),
            "config": .string(job.json),
        ]
        for coarser in scales.coarser {
            attributes["checkpoint_scale_\(coarser.configuration.diffusion.scale)"] = .string(coarser.path)
        }
        if let path = conditions.conditions { attributes["conditions"] = .string(path) }
        if let classifier = classes.classifier {
            attributes["classifier_sha256"] = .string(classifier.digest)
            attributes["classifier_scale"] = .double(guidance.classifierScale ?? 1)
        }
        try write(
            values, classes: classes, latents: images == nil ? job.latents : nil, shown(job, images), settings,
            attributes: attributes)
    }

    /// The result: names and number.
    func sayWritten(_ progress: WorkProgress) throws {
        progress.finish()
        let picture = grid.map { "; a picture of them: \($0)" } ?? ""
        try printOut("\(output): \(grouped(count)) \(count == 1 ? "sample" : "samples")\(picture)")
    }

    /// Writes samples, with their classes where they have some, the sampler's settings and further attributes.
    func write(
        _ values: [Float], classes: ChosenClasses? = nil, latents: LatentFacts? = nil, _ model: ModelConfiguration,
        _ settings: RunConfiguration, attributes: [String: AttributeValue]
    ) throws {
        var attributes = attributes
        attributes["seed"] = .string("\(compute.seed)")
        attributes["version"] = .string(Release.version)
        if settings.diffusion.horizon > 0 { attributes["horizon"] = .integer(settings.diffusion.horizon) }
        for key in ConfigurationKey.sampler {
            let name = String(key.name.split(separator: ".").last ?? "")
            switch key.value(in: settings) {
            case let value as Bool: attributes[name] = .boolean(value)
            case let value as Int: attributes[name] = .integer(value)
            case let value as Double: attributes[name] = .double(value)
            default: attributes[name] = .string(key.text(in: settings))
            }
        }
        try creatingOutput {
            if isExported {
                let labels = classes?.labels(of: count)
                try SampleFile.export(to: output, values, labels: labels, count: count, model: model)
                    .write(overwrite: overwrite) { _, _ in Watchdog.beat() }
            } else {
                try SampleFile.write(
                    values, count: count, model: model, labels: classes?.labels(of: count), latents: latents,
                    to: output, replacing: overwrite, attributes: attributes)
            }
            if let grid {
                try Picture(
                    samples: values, model.size, model.channels, count: count, classes: classes?.rows ?? 0
                ).write(to: grid)
            }
        }
    }
}
