import ArgumentParser
import Communication
import DataSets
import Evaluation
import Files
import NeuralNetwork
import Reports
import Sampling

/// What samples are drawn from by a network that is shown conditions.
struct ConditionOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Of a network with model.condition_channels: data set whose /conditions, or without such whose images, samples are "
                + "drawn from, the k-th from the k-th; with the labels of the set.", valueName: "data"),
        completion: .file(extensions: ["h5", "json"]))
    var conditions: String?

    @Option(
        help: ArgumentHelp(
            "With --conditions: data set of the images that belong to them; says how near samples are: PSNR and SSIM.",
            valueName: "data"), completion: .file(extensions: ["h5", "json"]))
    var clean: String?

    func validate() throws {
        if clean != nil, conditions == nil {
            throw ValidationError("--clean is compared with samples from --conditions, which is missing")
        }
    }

    /// The files that are read.
    var files: [String] { [conditions, clean].compactMap { $0 } }

    /// Opens them; nil where there are none. Collective.
    func opened(_ communicator: any Communicator) throws -> SampleConditions? {
        try communicator.together("opening the conditions") {
            guard let conditions else { return nil }
            if communicator.rank == 0 {
                for file in files { try FileTrial.run(.dataset, file) }
            }
            return SampleConditions(
                data: try DataSet(path: conditions), clean: try clean.map { try DataSet(path: $0) })
        }
    }
}

/// Images that samples are drawn from, and those that belong to them.
struct SampleConditions {
    let data: DataSet
    let clean: DataSet?

    private var isPairs: Bool { data.sample.conditions > 0 }

    /// Refuses images that `model` cannot be shown, or fewer than `count`.
    func check(_ model: ModelConfiguration, count: Int) throws {
        guard case .image(let height, let width, let own, let paired) = data.sample else {
            throw CommandFailure(.badInput, "--conditions: \(data.path) holds \(data.sample.words), not images")
        }
        let channels = isPairs ? paired : own
        guard height == model.size, width == model.size, channels == model.conditionChannels else {
            throw CommandFailure(
                .badInput,
                "--conditions: \(data.path) has conditions of \(height)×\(width)×\(channels), the network takes "
                    + "\(model.size)×\(model.size)×\(model.conditionChannels)")
        }
        for set in [data, clean].compactMap({ $0 }) where set.count < count {
            throw CommandFailure(
                .badInput, "\(set.path) has \(grouped(set.count)) images, fewer than the \(grouped(count)) of --count")
        }
        guard let clean else { return }
        let wanted = SampleShape.image(height: model.size, width: model.size, channels: model.channels)
        guard clean.sample.with(conditions: 0) == wanted else {
            throw CommandFailure(
                .badInput, "--clean: \(clean.path) holds \(clean.sample.words), the network draws \(wanted.words)")
        }
    }

    /// Those of the samples number `places`; what fills the last batch up is of any.
    func rows(_ places: Range<Int>) throws -> [Float] {
        let known = places.map { min($0, data.count - 1) }
        return try isPairs ? data.conditions(known) : data.samples(known)
    }

    /// How near `samples`, the first `count`, are to the clean images, as a table; nil where there are none.
    func table(_ samples: [Float], count: Int) throws -> String? {
        guard let clean, case .image(let height, let width, let channels, _) = clean.sample else { return nil }
        func line(_ name: String, _ image: (Int) throws -> [UInt8]) throws -> [String] {
            let figures = RestorationFigures(
                try (0..<count).flatMap { place in
                    RestorationFigures.judge(
                        try image(place), clean: try clean.pixels(place), height: height, width: width,
                        channels: channels)
                })
            return [name, figures.psnr.text, figures.ssim?.text ?? ""]
        }
        let size = clean.elementsPerSample
        var lines = [["", "PSNR, dB", "SSIM"]]
        if (isPairs ? data.sample.conditions : data.sample.axes[2]) == channels {
            lines.append(try line("conditions") { pixels(try rows($0..<$0 + 1)) })
        }
        lines.append(try line("samples") { pixels(Array(samples[$0 * size..<($0 + 1) * size])) })
        return aligned(lines)
    }
}
