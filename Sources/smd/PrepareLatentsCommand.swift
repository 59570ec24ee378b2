import ArgumentParser
import DataSets
import Files
import Reports
import Sampling

/// `smd dataset prepare latents`
struct PrepareLatents: RankCommand {
    static let configuration = CommandConfiguration(
        commandName: "latents",
        abstract: "Latents that another program made: .safetensors, .npz or .npy.",
        discussion: """
            The array is N×Z×h×w (or, with --layout NHWC, N×h×w×Z) with the sides and Z channels of the first stage's latents; \
            with 2 Z channels it holds moments, as encoders put them out: means, then logarithms of variances. The first stage is \
            the one that made them: `smd checkpoint import` makes a checkpoint of diffusers' AutoencoderKL or AutoencoderTiny. \
            Its SHA-256 and the scale of the latents are stored, as by `smd dataset encode`. The array is read forward and need \
            not fit into memory.

            EXAMPLES
              smd checkpoint import sd-vae-ft-mse/ --output first-stage.h5
              smd dataset prepare latents cache.safetensors --first-stage first-stage.h5 --output latents.h5
              smd dataset prepare latents cache.npz --latents moments --labels y --first-stage first-stage.h5 --output latents.h5
              smd dataset prepare latents scaled.npy --factor 0.18215 --first-stage first-stage.h5 --output latents.h5
            """)

    @Argument(
        help: "File of arrays (.safetensors, .npz), or of one (.npy).",
        completion: .file(extensions: ["safetensors", "npz", "npy"]))
    var file: String

    @Option(
        help: ArgumentHelp(
            "The array of latents; without it latents in a .safetensors, arr_0 in an .npz.", valueName: "name"))
    var latents: String?

    @Option(help: ArgumentHelp("The array of labels: an integer for each.", valueName: "name"))
    var labels: String?

    @Option(help: "Order of the axes: NCHW or NHWC.")
    var layout = PixelArray.Layout.channelsFirst

    @Option(help: ArgumentHelp("What the latents were multiplied by; they are divided by it.", valueName: "number"))
    var factor = 1.0

    @OptionGroup var options: FirstStageOptions

    func validate() throws {
        guard factor > 0, factor.isFinite else { throw ValidationError("--factor must be above 0, not \(factor)") }
        guard labels == nil || !file.lowercased().hasBytes(suffix: ".npy") else {
            throw ValidationError("an .npy holds one array, so there are no --labels in it")
        }
    }

    private var rules: LatentArrays.Rules {
        var rules = LatentArrays.Rules()
        (rules.member, rules.labels, rules.layout, rules.factor) = (latents, labels, layout, factor)
        return rules
    }

    private var arguments: [String] {
        var arguments = ["prepare", "latents", file, "--first-stage", options.firstStage]
        if let latents { arguments += ["--latents", latents] }
        if let labels { arguments += ["--labels", labels] }
        if layout != .channelsFirst { arguments += ["--layout", layout.rawValue] }
        if factor != 1 { arguments += ["--factor", "\(factor)"] }
        return arguments
    }

    func run() throws {
        try options.output.work(arguments, source: file, "reading") { communicator, preparation, _ in
            let path = try triedCheckpoint(options.firstStage, communicator)
            let (stage, arrays) = try communicator.together("opening first stage and latents") {
                let stage = try FirstStage(checkpoint: path)
                return (stage, try LatentArrays(path: file, rules, sample: stage.latentShape))
            }
            let made = try preparation.latents(from: arrays, firstStage: stage.digest, image: stage.imageShape)
            let what = "\(stage.latentShape.words)\(arrays.isMoments ? " with deviations" : "")"
            return made.map { "\(grouped($0.count)) \(what), scale \(fourDigits($0.scale))" } ?? ""
        }
    }
}
