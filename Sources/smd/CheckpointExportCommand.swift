import ArgumentParser
import Exchange
import Files
import HDF5
import Sampling
import Storage

/// Formats that weights are exported in.
enum WeightsFormat: String, CaseIterable, ExpressibleByArgument {
    case safetensors
}

extension WeightNames: ExpressibleByArgument {}

/// `smd checkpoint export`.
struct CheckpointExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write the weights of a checkpoint for other programs.",
        discussion: """
            safetensors: float32 arrays with the names and shapes of PyTorch's modules, and the configuration, step, seed \
            and data set as metadata, so that smd checkpoint import gives a checkpoint that draws the same samples. The \
            same checkpoint gives the same bytes.

            EXAMPLES
              smd checkpoint export runs/fashion --format safetensors --output fashion.safetensors
              smd checkpoint export step-00030000.h5 --weights raw --output raw.safetensors
              smd checkpoint export runs/adm-cifar --names guided-diffusion --output theirs.safetensors
              python3 -c 'import safetensors.numpy as s; print(s.load_file("fashion.safetensors").keys())'
            """)

    @Argument(
        help: ArgumentHelp(
            "The checkpoint, or the folder of a run: then its newest good one.", valueName: "checkpoint"),
        completion: .file(extensions: ["h5"]))
    var checkpoint: String

    @Option(help: "Format: safetensors.")
    var format = WeightsFormat.safetensors

    @Option(help: "Names of parameters: smd, or guided-diffusion for a network of adm without the mixture.")
    var names = WeightNames.smd

    @Option(help: "Weights: ema (the moving average), raw, or a further average that the run kept.")
    var weights = SampleWeights.ema

    @Option(
        name: .shortAndLong, help: ArgumentHelp("File to write.", valueName: "file.safetensors"),
        completion: .file(extensions: ["safetensors"]))
    var output: String

    @Flag(name: [.customShort("f"), .long], help: "Write over an existing file.")
    var overwrite = false

    @OptionGroup var quietness: QuietOption

    func run() throws {
        try requireWritable(output, overwrite: overwrite, inputs: [checkpoint])
        let path = try triedCheckpoint(checkpoint)
        let file = try CheckpointFile(path, isVerified: false)
        try requireWritable(output, overwrite: overwrite, bytes: file.bytes / 4, inputs: [path])
        let bytes = try WeightsFile.encode(file, weights, names: names)
        try creatingOutput {
            try bytes.withUnsafeBytes { try DurableFile.write($0, to: output, replacing: overwrite) }
        }
        try printOut("\(output): the \(weights.rawValue) weights of step \(file.header.step)")
    }
}
