import CPUBackend
import Diffusion
import NeuralNetwork
import TensorGraph

/// A reference file of `kind = autoencoder`: some training steps of a KL first stage from given parameters and noise.
struct AutoencoderCase {
    private let file: CaseFile
    private let tolerances: Tolerances
    private let configuration: Configuration
    private let optimizer: CaseOptimizer
    private let steps: Int
    private let images: Int

    /// The `config` of such a file, with diffusers' names.
    private struct Configuration: Decodable {
        var size: Int
        var channels: Int
        var channelsOfStages: [Int]
        var blocks: Int
        var latentChannels: Int
        var groups: Int
        var attention: Bool
        var hasQuantConvolution: Bool
        var normalize: Bool
        var reconstruction: Reconstruction
        var klWeight: Double

        enum CodingKeys: String, CodingKey {
            case size, channels, groups, normalize, reconstruction
            case channelsOfStages = "block_out_channels", blocks = "layers_per_block"
            case latentChannels = "latent_channels", attention = "mid_block_add_attention"
            case hasQuantConvolution = "use_quant_conv", klWeight = "kl_weight"
        }

        var autoencoder: AutoencoderConfiguration {
            var c = AutoencoderConfiguration()
            (c.sizes.channels, c.sizes.blocks) = (channelsOfStages, blocks)
            (c.sizes.latentChannels, c.sizes.groups) = (latentChannels, groups)
            c.sizes.attention = attention
            (c.reconstruction, c.klWeight) = (reconstruction, klWeight)
            return c
        }

        var fault: String? {
            if !(1...256 ~= size && 1...64 ~= channels && 1...64 ~= latentChannels && 1...16 ~= blocks) {
                return "sizes are out of range"
            }
            if !hasQuantConvolution { return "use_quant_conv is false; such first stages are not known" }
            if channelsOfStages.count > 8 || !channelsOfStages.allSatisfy({ 1...2048 ~= $0 }) || groups < 1 {
                return "block_out_channels is \(channelsOfStages)"
            }
            return autoencoder.sizes.fault(size: size)
        }
    }

    init(_ file: CaseFile, _ tolerances: Tolerances) throws {
        self.file = file
        self.tolerances = tolerances
        configuration = try file.json("config", as: Configuration.self)
        if let fault = configuration.fault { throw file.error("the attribute 'config' cannot be used: \(fault)") }
        optimizer = try file.json("optimizer", as: CaseOptimizer.self)
        if let fault = optimizer.fault { throw file.error("the attribute 'optimizer' cannot be used: \(fault)") }
        steps = (0...).first { !file.contains("step\($0)") } ?? 0
        guard steps > 0, optimizer.steps ?? steps == steps else {
            throw file.error("it holds \(steps) steps (step0 …)")
        }
        images = try file.shape("step0/x0").first ?? 0
        guard 1...1024 ~= images else { throw file.error("/step0/x0 holds \(images) images") }
    }

    /// Runs the steps and compares everything that the file holds.
    func run(_ makeOptimizers: OptimizerMaker, on backend: any Backend) throws -> CaseReport {
        var model = ModelConfiguration()
        (model.size, model.channels, model.smd) = (configuration.size, configuration.channels, false)
        let loss = AutoencoderLoss(model, DiffusionConfiguration(), configuration.autoencoder)
        let precision = (backend as? CPUBackend)?.precision ?? .fp32
        let plan = ExecutionPlan(loss.graph(batch: images, scale: 1 / Float(images), precision: precision))
        for group in ["initial", "final", "ema"] { try file.checkNames("parameters/\(group)", plan.layout) }
        let parameters = try backend.allocate(count: plan.layout.count)
        let gradients = try backend.allocate(count: plan.layout.count)
        let executor = try Executor(plan, on: backend, parameters: parameters, gradients: gradients)
        let initial = try file.arena("parameters/initial", plan.layout)
        var optimizers = try makeOptimizers(optimizer, initial)
        var m = Measurements()
        var values = initial
        for step in 0..<steps {
            parameters.write(values, at: 0)
            try executor.parametersChanged()
            gradients.clear(0..<plan.layout.count)
            try run(step, executor, loss, &m)
            let found = gradients.read(0..<plan.layout.count)
            let norm = found.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
            let group = "step\(step)"
            m.compare(
                "gradient_norm", tolerance: tolerances.loss, [norm], [try file.double("\(group)/gradient_norm")],
                "\(group)/gradient_norm")
            if file.contains("\(group)/gradients") {
                let expected = try file.arena("\(group)/gradients", plan.layout)
                m.compareGradients(found, expected, group, plan.layout, tolerance: tolerances.gradient)
            }
            for index in optimizers.indices { try optimizers[index].optimizer.update(found, norm: norm) }
            values = optimizers[0].optimizer.parameters
        }
        m.compareParameters(
            optimizers, optimizer, final: try file.arena("parameters/final", plan.layout),
            average: try file.arena("parameters/ema", plan.layout), plan.layout, tolerance: tolerances.parameter)
        let count = plan.layout.parameters.reduce(0) { $0 + $1.count }
        return CaseReport(
            path: file.path,
            summary: "autoencoder, \(steps) steps of \(images) images \(model.size)×\(model.size)×\(model.channels), "
                + "\(count) parameters",
            measurements: m.all, notes: m.notes)
    }

    private func run(_ step: Int, _ executor: Executor, _ loss: AutoencoderLoss, _ m: inout Measurements) throws {
        let (c, group) = (configuration, "step\(step)")
        let imageShape = [images, c.channels, c.size, c.size]
        let side = configuration.autoencoder.sizes.latentSize(c.size)
        var x0 = try file.images("\(group)/x0", shape: imageShape)
        if c.normalize { x0 = x0.map { 2 * $0 - 1 } }
        let noise = try file.images("\(group)/noise", shape: [images, c.latentChannels, side, side])
        let drawn = Drawn(["timestep": [Float](repeating: 0, count: images), "noise": noise])
        executor.write(loss.inputs(x0: x0, drawn))
        try executor.run()
        m.compare(
            "moments", tolerance: tolerances.output, executor.read("moments"),
            try file.images("\(group)/moments", shape: [images, 2 * c.latentChannels, side, side]), "\(group)/moments")
        m.compare(
            "reconstruction", tolerance: tolerances.output, executor.read("output"),
            try file.images("\(group)/reconstruction", shape: imageShape), "\(group)/reconstruction")
        let losses = executor.read("loss").map(Double.init)
        let (errors, divergences) = (
            try file.doubles("\(group)/reconstruction_per_image", shape: [images]),
            try file.doubles("\(group)/kl_per_image", shape: [images])
        )
        m.compare(
            "loss per image", tolerance: tolerances.loss, losses, zip(errors, divergences).map { $0 + c.klWeight * $1 },
            "\(group)/reconstruction_per_image")
        m.compare(
            "loss", tolerance: tolerances.loss, [losses.reduce(0, +) / Double(images)],
            [try file.double("\(group)/loss")], "\(group)/loss")
    }
}
