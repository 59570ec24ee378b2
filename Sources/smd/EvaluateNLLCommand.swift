import ArgumentParser
import Communication
import Configuration
import DataSets
import Diffusion
import Evaluation
import Files
import Reports
import NeuralNetwork
import Philox
import Plots
import Sampling
import TensorGraph
import Training

/// `smd evaluate nll`: the likelihood of held-out samples.
struct EvaluateNLLCommand: RankCommand {
    static let configuration = CommandConfiguration(
        commandName: "nll",
        abstract: "Measure the negative log-likelihood of held-out samples under a network.",
        discussion: """
            An upper bound of −ln p(x), in nats and in bits a dimension, from the network's errors at the noise levels of its \
            schedule; with --discrete of the 256 values of pixels, which is what other work reports. It judges the mean \
            over the draws of a latent; "chain" judges the draws, as ancestral sampling uses them, and is tighter the more \
            of them there are. Samples should not be those of the training; densities are those of the data as the \
            network sees them, images in [−1, 1], latents by their means. Networks that are told classes are told the labels. \
            Figures do not depend on the number of ranks. docs/family.md explains them.

            EXAMPLES
              smd evaluate nll runs/fashion --data fashion-mnist-test.h5 --discrete
              smd evaluate nll runs/grid --data grid.h5 --eta-draws 16 --count 4000 --json
              smd evaluate nll runs/fashion --data test.h5 --levels 50 --per-sample nll.h5 --plot errors.png
              smd evaluate nll runs/grid --data grid.h5 --horizon 30 --prior prior.h5
              smd evaluate nll --oracle grid.h5 --data grid.h5 --set diffusion.schedule=logsnr
              mpirun -n 8 smd evaluate nll runs/fashion --data fashion-mnist-test.h5 --discrete --count 2000
            """)

    @Argument(
        help: ArgumentHelp("The checkpoint, or the folder of a run, whose newest is taken.", valueName: "checkpoint"),
        completion: .file(extensions: ["h5"]))
    var checkpoint: String?

    @OptionGroup var oracle: OracleOptions

    @Option(
        help: ArgumentHelp("Samples that were not trained on.", valueName: "data"),
        completion: .file(extensions: ["h5", "json"]))
    var data: String

    @OptionGroup var prior: PriorOptions

    @Flag(help: "Of images: the probability of their 256 values a number, instead of a density.")
    var discrete = false

    @Option(help: "Estimates of x0 at each x_t; default: 4 of a network with a latent, else 1.")
    var etaDraws: Int?

    @Option(help: "Noise levels, evenly spaced over the timesteps; default: all of up to 100, else 100.")
    var levels: Int?

    @Option(name: [.customShort("n"), .long], help: "Samples, chosen by the seed; where there are fewer, all.")
    var count = 256

    @Option(
        name: .customLong("set"), parsing: .singleValue,
        help: ArgumentHelp("With --oracle: set a key of the diffusion; repeatable.", valueName: "key=value"),
        completion: .samplerKeys)
    var overrides: [String] = []

    @Option(
        help: ArgumentHelp("Write the figure of each sample: /nats and /index.", valueName: "nll.h5"),
        completion: .file(extensions: ["h5"]))
    var perSample: String?

    @Option(
        help: ArgumentHelp("Draw the errors over the noise levels.", valueName: "errors.png"),
        completion: .file(extensions: ["png"]))
    var plot: String?

    @Option(help: "Seed of the choice of samples, of their noise and of the latents.")
    var seed: UInt64 = 0

    @Option(help: "Weights: ema (the moving average) or raw.")
    var weights = SampleWeights.ema

    @Option(help: "Most samples computed at a time on each rank.")
    var batch = 32

    @Option(help: "Precision: fp32, bf16 or bf16-emulated; default: that of the checkpoint's configuration.")
    var precision: Precision?

    @OptionGroup var watchdog: DeadlineOption

    @Flag(name: [.customShort("f"), .long], help: "Write over existing files.")
    var overwrite = false

    @Flag(help: "Write JSON.")
    var json = false

    @OptionGroup var quietness: QuietOption

    func validate() throws {
        try oracle.check(checkpoint: checkpoint)
        if oracle.data == nil, !overrides.isEmpty { throw ValidationError("--set is for --oracle") }
        if oracle.data != nil, discrete { throw ValidationError("--discrete is for images, --oracle for points") }
        if oracle.estimate == .gaussian {
            throw ValidationError("--oracle-estimate gaussian adds nothing here; take mean or posterior")
        }
        if let etaDraws, !(1...10_000).contains(etaDraws) {
            throw ValidationError("--eta-draws is \(etaDraws); it must be in 1 ... 10000")
        }
        if let levels, levels < 2 { throw ValidationError("--levels is \(levels); it must be 2 or more") }
        guard (2...1_000_000).contains(count) else {
            throw ValidationError("--count is \(count); it must be in 2 ... 1000000")
        }
        guard (1...4096).contains(batch) else { throw ValidationError("--batch is \(batch); it must be in 1 ... 4096") }
    }

    func run() throws {
        try onAllRanks(deadline: watchdog.deadline) { communicator in
            let judged = try judged(communicator)
            let set = try communicator.together("reading the samples") { () throws -> LikelihoodSamples in
                if communicator.rank == 0 {
                    try FileTrial.run(.dataset, data)
                    try tryOutputs(judged.path)
                }
                return try LikelihoodSamples(self, judged.model, classes: judged.classes)
            }
            if communicator.rank == 0, set.areLatents {
                note("the samples are latents, by their means: figures are those of the latents' space")
            }
            let result = try judged.measure(set, self, communicator)
            try communicator.together("writing the figures") {
                guard communicator.rank == 0 else { return }
                try write(LikelihoodReport(self, judged, set, result), result)
            }
        }
    }

    /// The network, or the oracle in its place. Collective.
    private func judged(_ communicator: any Communicator) throws -> JudgedDenoiser {
        if let data = oracle.data {
            let mixture = try knownMixture(data, communicator)
            let settings = try communicator.together("checking the settings") {
                let settings = try oracle.settings(dimension: mixture.dimension, overrides)
                try settings.diffusion.validate()
                return settings
            }
            return .oracle(mixture, settings, path: data)
        }
        let path = try triedCheckpoint(checkpoint ?? "", communicator)
        let job = try communicator.together("reading the checkpoint") { try SamplingJob(path, weights) }
        let runs = try JobPrecision.agree(precision ?? job.configuration.precision, communicator)
        if communicator.rank == 0, let notice = runs.notice { warn(notice) }
        return .network(job, runs, path: path)
    }

    private func tryOutputs(_ path: String) throws {
        if let perSample {
            try requireWritable(perSample, overwrite: overwrite, bytes: count * 16, inputs: [path, data])
        }
        if let plot {
            try requirePicture(plot, overwrite: overwrite, inputs: [path, data] + [perSample ?? plot + ".h5"])
        }
    }

    private func write(_ report: LikelihoodReport, _ result: DenoisingLikelihood) throws {
        try creatingOutput {
            if let perSample { try report.write(result.perSample, to: perSample, replacing: overwrite) }
            if let plot { try writeOutput(report.figure(result).scene(.init(isLogarithmic: true)).png(), to: plot) }
        }
        if json { return try printJSON(report) }
        try printOut(report.text)
    }
}

/// The samples whose likelihood is measured.
struct LikelihoodSamples {
    let samples: SpreadSkill.Samples
    /// The class of each place, where the network or its forward process reads it.
    let labels: [Int: Float]?
    let areLatents: Bool

    /// - Throws: `DataSetError` or ``CommandFailure`` where they are not those of the network.
    init(_ command: EvaluateNLLCommand, _ model: ModelConfiguration, classes: Int) throws {
        let set = try DataSet(path: command.data)
        try model.check(set)
        guard set.count > 1 else {
            throw CommandFailure(.badInput, "\(command.data) has one sample; two or more are wanted")
        }
        var isImage = false
        if case .image = set.sample { isImage = true }
        guard isImage || !command.discrete else {
            throw CommandFailure(.badInput, "--discrete is for images of 256 values; \(command.data) holds none")
        }
        if case .latent = set.sample { areLatents = true } else { areLatents = false }
        let order = RandomStream(seed: command.seed, purpose: .evaluation).permutation(count: set.count, epoch: 0)
        let places = order.prefix(command.count).map(Int.init).sorted()
        samples = SpreadSkill.Samples(
            try set.samples(places), places: places, elements: set.elementsPerSample, channels: model.channels)
        let found = classes > 0 ? try set.classLabels(count: classes).values : nil
        labels = found.map { found in Dictionary(uniqueKeysWithValues: places.map { ($0, Float(found[$0])) }) }
    }
}
