import Arrays
import Configuration
import Diffusion
import Files
import Foundation
import NeuralNetwork
import Sampling
import Storage
import TensorGraph

/// Whose names parameters have in a file of weights.
public enum WeightNames: String, CaseIterable, Sendable {
    /// Our own, those of the published SMD code.
    case smd
    /// Those of guided-diffusion.
    case guidedDiffusion = "guided-diffusion"
}

/// Weights on their way to other programs and back: float32 arrays of safetensors, with the names of PyTorch's modules,
/// and what a checkpoint says of them in the file's metadata.
public enum WeightsFile {
    /// Names in the metadata.
    private enum Key {
        static let config = "smd_config"
        static let step = "smd_step"
        static let seed = "smd_seed"
        static let weights = "smd_weights"
        static let version = "smd_version"
        static let data = "smd_data_fingerprint"
    }

    /// The bytes of a file with the weights of a checkpoint.
    ///
    /// - Parameter names: whose names parameters get.
    /// - Throws: ``RunError`` where the checkpoint has no such weights, several networks, or one without such names;
    ///   `HDF5Error` where they cannot be read.
    public static func encode(
        _ checkpoint: CheckpointFile, _ weights: SampleWeights, names: WeightNames = .smd
    ) throws -> [UInt8] {
        let header = checkpoint.header
        if names == .guidedDiffusion {
            let configuration = try RunConfiguration(json: header.config, name: checkpoint.path)
            if let fault = GuidedDiffusionNames.fault(configuration.model)
                ?? GuidedDiffusionNames.fault(configuration.diffusion)
            {
                throw RunError("\(checkpoint.path) has no names of guided-diffusion: \(fault)")
            }
        }
        let tensors = try checkpoint.weights(weights).map { tensor in
            SafeTensors.Tensor(
                name: names == .smd ? tensor.name : GuidedDiffusionNames.theirs(tensor.name), shape: tensor.shape,
                values: tensor.values)
        }
        return try SafeTensors.encode(
            tensors,
            metadata: [
                // By this readers know that names and shapes are those of PyTorch.
                "format": "pt",
                Key.config: header.config, Key.step: "\(header.step)", Key.seed: "\(header.seed)",
                Key.weights: weights.rawValue, Key.version: header.version, Key.data: header.dataFingerprint,
            ])
    }

    /// The weights of the file at `path`, with the configuration that the file carries, or where it carries none with
    /// `configuration`.
    ///
    /// - Throws: `ArrayFileError` where it cannot be read; ``RunError`` where it has no configuration or two of them,
    ///   or its tensors are not those of the network; `ConfigurationError` where that cannot be built.
    public static func read(_ path: String, configuration: RunConfiguration?) throws -> TrainedWeights {
        try refuseOthers(path)
        let file = try SafeTensors(path: path)
        let carried = file.metadata[Key.config]
        if carried != nil && configuration != nil {
            throw RunError("\(path) carries the configuration of its network itself: leave out --config and --set")
        }
        guard let configuration = try carried.map({ try RunConfiguration(json: $0, name: path) }) ?? configuration
        else {
            throw RunError(
                "\(path) does not say of which network its tensors are: give the configuration with --config PRESET or "
                    + "--config FILE, and --set")
        }
        let wanted = try parameters(of: configuration)
        let isTheirs =
            GuidedDiffusionNames.areIn(file.entries.keys) && GuidedDiffusionNames.fault(configuration.model) == nil
        let firstStage =
            configuration.method == .autoencoder ? FirstStageNames(file, configuration.autoencoder.sizes) : nil
        func name(_ parameter: Parameter) -> String? {
            if let firstStage { return firstStage.theirs(parameter.name) }
            return isTheirs ? GuidedDiffusionNames.theirs(parameter.name) : parameter.name
        }
        try requireSameNames(file, wanted.compactMap(name), besides: firstStage?.others ?? [])
        let tensors = try wanted.sorted { $0.name < $1.name }.map { parameter in
            let values = try name(parameter).map { try floats($0, parameter.shape, file) }
            let shape = parameter.shape
            return NamedTensor(name: parameter.name, shape: shape, values: values ?? FirstStageNames.identity(shape))
        }
        var header = CheckpointHeader(
            step: 0, seed: configuration.seed, config: try carried ?? configuration.resolvedJSON(),
            dataFingerprint: file.metadata[Key.data] ?? "unknown", version: Release.version)
        if let step = file.metadata[Key.step] {
            guard let number = Int(step), number >= 0 else { throw RunError("\(path) claims step \(step)") }
            header.step = number
        }
        if let seed = file.metadata[Key.seed] {
            guard let number = UInt64(seed) else { throw RunError("\(path) claims seed \(seed)") }
            header.seed = number
        }
        let kind = file.metadata[Key.weights].map { " (\($0))" } ?? ""
        header.attributes["origin"] = .string("imported weights\(kind)")
        return TrainedWeights(header: header, tensors: tensors)
    }

    /// The parameters of the network that a configuration describes.
    private static func parameters(of configuration: RunConfiguration) throws -> [Parameter] {
        let model = configuration.model
        try configuration.validateModel()
        try configuration.diffusion.validate()
        switch configuration.method {
        case .diffusion:
            let table = ShiftTable(model, configuration.diffusion).map { [$0.parameter] } ?? []
            return ExecutionPlan(Denoiser(model).inferenceGraph(batch: 1)).layout.parameters + table
        case .classifier:
            guard model.classes > 1 else {
                throw RunError("model.classes is \(model.classes): say how many classes the network tells apart")
            }
            return ExecutionPlan(Classifier(model).inferenceGraph(batch: 1)).layout.parameters
        case .autoencoder:
            if let fault = configuration.autoencoder.sizes.fault(size: model.size) {
                throw RunError(fault, status: .badInput)
            }
            let network = configuration.autoencoder.sizes.network(channels: model.channels)
            return ExecutionPlan(network.inferenceGraph(.both, size: model.size, batch: 1)).layout.parameters
        case .dds:
            return ExecutionPlan(configuration.driftNetwork.inferenceGraph(batch: 1)).layout.parameters
        }
    }

    /// The numbers of a tensor, whose matrix may lie there as the weights of a 1×1 convolution.
    private static func floats(_ name: String, _ shape: [Int], _ file: SafeTensors) throws -> [Float] {
        let isConvolution = shape.count == 2 && file.entries[name]?.shape == shape + [1, 1]
        return try file.floats(name, shape: isConvolution ? shape + [1, 1] : shape)
    }

    private static func requireSameNames(_ file: SafeTensors, _ wanted: [String], besides others: [String]) throws {
        let found = Set(file.entries.keys.map { Array($0.utf8) })
        let missing = wanted.filter { !found.contains(Array($0.utf8)) }.sorted()
        let known = Set((wanted + others).map { Array($0.utf8) })
        let surplus = file.entries.keys.filter { !known.contains(Array($0.utf8)) }.sorted()
        guard missing.isEmpty && surplus.isEmpty else {
            let words = [
                missing.first.map { "lacks \(count(missing.count)) of the network, \($0) first" },
                surplus.first.map { "holds \(count(surplus.count)) that the network does not have, \($0) first" },
            ]
            throw RunError(
                "\(file.path) \(words.compactMap { $0 }.joined(separator: ", and ")): is it of this configuration?")
        }
    }

    private static func count(_ tensors: Int) -> String { tensors == 1 ? "1 tensor" : "\(tensors) tensors" }

    /// Says of a file that PyTorch wrote with `torch.save` how to convert it.
    private static func refuseOthers(_ path: String) throws {
        guard let handle = FileHandle(forReadingAtPath: path) else { return }
        defer { try? handle.close() }
        let head = (try? handle.read(upToCount: 4)) ?? Data()
        let isZip = head.starts(with: [0x50, 0x4B, 0x03, 0x04])
        guard isZip || (head.first == 0x80 && head.count > 1 && head[1] <= 5) else { return }
        throw RunError(
            "\(path) is a file of torch.save, which can run any code where it is loaded: where you trust it, convert it "
                + "with PyTorch and safetensors: \(conversion(path))")
    }

    /// Takes the averages where the file has some, and of all tensors those of the network.
    private static func conversion(_ path: String) -> String {
        let stem =
            path.split(separator: "/", omittingEmptySubsequences: false).last?.split(separator: ".").first ?? "model"
        let program =
            "import sys, torch; from safetensors.torch import save_file; "
            + "s = torch.load(sys.argv[1], map_location=\"cpu\", weights_only=True); s = s.get(\"ema\", s.get(\"model\", s)); "
            + "s = {n.removeprefix(\"ema_model.\"): t.float().clone() for n, t in s.items()}; "
            + "save_file({n: t for n, t in s.items() if n.startswith((\"model.\", \"identifier.\"))}, sys.argv[2])"
        return "python3 -c \(shellWord(program)) \(shellWord(path)) \(shellWord(stem + ".safetensors"))"
    }
}
