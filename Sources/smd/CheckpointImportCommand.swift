import ArgumentParser
import Configuration
import Exchange
import Files
import Storage

/// `smd checkpoint import`.
struct CheckpointImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Make a checkpoint of a file of weights (safetensors).",
        discussion: """
            Takes what smd checkpoint export wrote, and files of other programs with the parameter names of the authors' \
            PyTorch code (model.…, identifier.…), or of guided-diffusion and improved-diffusion (input_blocks.…, with \
            model.backbone adm); for these the network is that of --config and --set. float16 and \
            bfloat16 become float32. First stages of latent diffusion are taken as diffusers keeps them (AutoencoderKL and \
            AutoencoderTiny: a folder of config.json and .safetensors, or the file with --config config.json) and \
            CompVis (also out of a whole model, with --config and --set); --set model.size says for which images. Every tensor of the network must be there, and no other. The checkpoint can be \
            sampled and evaluated; a run cannot go on from it, because it has no moments of Adam.

            EXAMPLES
              smd checkpoint import fashion.safetensors --output fashion.h5
              smd checkpoint import theirs.safetensors --config cifar --set model.dim=64 --output theirs.h5
              smd checkpoint import openai.safetensors --config adm-cifar --output openai.h5
              smd checkpoint import vae/ --set model.size=64 --output first-stage.h5
              smd sample theirs.h5 --count 64 --output samples.h5
            """)

    @Argument(
        help: ArgumentHelp("The file of weights, or a folder of diffusers.", valueName: "file.safetensors"),
        completion: .file(extensions: ["safetensors"]))
    var file: String

    @Option(
        name: .shortAndLong, help: ArgumentHelp("Checkpoint to write.", valueName: "checkpoint.h5"),
        completion: .file(extensions: ["h5"]))
    var output: String

    @Option(
        help: ArgumentHelp(
            "Configuration of the network, where the file carries none; also a config.json of diffusers.",
            valueName: "preset or file"),
        completion: .configurations)
    var config: String?

    @OptionGroup var overrides: ConfigurationOverrides

    @Flag(name: [.customShort("f"), .long], help: "Write over an existing file.")
    var overwrite = false

    @OptionGroup var quietness: QuietOption

    func run() throws {
        let (file, config) = try place()
        var configuration: RunConfiguration?
        if let theirs = config.flatMap(DiffusersConfiguration.init) {
            configuration = try theirs.run(overrides: overrides.overrides)
        } else if let config {
            configuration = try .load(fileOrPreset: config, overrides)
        } else if !overrides.overrides.isEmpty {
            configuration = try .load(text: "{}", name: "--set", overrides: overrides.overrides)
        }
        try requireWritable(
            output, overwrite: overwrite, bytes: 2 * ((try? FileFacts(BytePath(file)))?.bytes ?? 0), inputs: [file])
        let weights = try WeightsFile.read(file, configuration: configuration)
        try creatingOutput { try weights.write(to: output, replacing: overwrite) }
        try printOut(
            "\(output): \(weights.tensors.count) tensors of step \(weights.header.step); for sampling and evaluation, "
                + "not to resume from")
    }

    /// The file of weights and the configuration; of a folder what lies in it.
    private func place() throws -> (file: String, config: String?) {
        guard isFolder(file) else { return (file, config) }
        let files = try namesInFolder(BytePath(file)).map { String(decoding: $0.bytes, as: UTF8.self) }
            .filter { $0.hasSuffix(".safetensors") && !$0.contains(".fp16.") }
        guard files.count == 1 else {
            throw CommandFailure(
                .badInput, "\(file): holds \(files.count) files of weights (.safetensors); name the one that is meant")
        }
        let beside = Path.join(file, "config.json")
        return (Path.join(file, files[0]), config ?? (DiffusersConfiguration(path: beside) == nil ? nil : beside))
    }
}
