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
            bfloat16 become float32. Every tensor of the network must be there, and no other. The checkpoint can be \
            sampled and evaluated; a run cannot go on from it, because it has no moments of Adam.

            EXAMPLES
              smd checkpoint import fashion.safetensors --output fashion.h5
              smd checkpoint import theirs.safetensors --config cifar --set model.dim=64 --output theirs.h5
              smd checkpoint import openai.safetensors --config adm-cifar --output openai.h5
              smd sample theirs.h5 --count 64 --output samples.h5
            """)

    @Argument(
        help: ArgumentHelp("The file of weights.", valueName: "file.safetensors"),
        completion: .file(extensions: ["safetensors"]))
    var file: String

    @Option(
        name: .shortAndLong, help: ArgumentHelp("Checkpoint to write.", valueName: "checkpoint.h5"),
        completion: .file(extensions: ["h5"]))
    var output: String

    @Option(
        help: ArgumentHelp("Configuration of the network, where the file carries none.", valueName: "preset or file"),
        completion: .configurations)
    var config: String?

    @OptionGroup var overrides: ConfigurationOverrides

    @Flag(name: [.customShort("f"), .long], help: "Write over an existing file.")
    var overwrite = false

    @OptionGroup var quietness: QuietOption

    func run() throws {
        var configuration: RunConfiguration?
        if let config {
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
}
