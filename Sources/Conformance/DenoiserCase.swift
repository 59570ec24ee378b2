import Diffusion
import NeuralNetwork
import TensorGraph

/// A reference file of `kind = denoiser`: some training steps of a network from given parameters and random numbers.
struct DenoiserCase {
    private let file: CaseFile
    private let tolerances: Tolerances
    private let configuration: CaseConfiguration
    private let optimizer: CaseOptimizer
    private let steps: Int
    /// `[N, C, H, W]`.
    private let imageShape: [Int]

    init(_ file: CaseFile, _ tolerances: Tolerances) throws {
        self.file = file
        self.tolerances = tolerances
        configuration = try file.json("config", as: CaseConfiguration.self)
        if let fault = configuration.fault { throw file.error("the attribute 'config' cannot be used: \(fault)") }
        optimizer = try file.json("optimizer", as: CaseOptimizer.self)
        if let fault = optimizer.fault { throw file.error("the attribute 'optimizer' cannot be used: \(fault)") }
        steps = (0...).first { !file.contains("step\($0)") } ?? 0
        guard steps > 0, optimizer.steps ?? steps == steps else {
            throw file.error(
                "it holds \(steps) steps (step0 …)" + (optimizer.steps.map { ", its optimizer says \($0)" } ?? ""))
        }
        let model = configuration.model
        imageShape = [try file.integers("step0/timestep").count, model.channels, model.size, model.size]
        guard imageShape[0] > 0 else { throw file.error("/step0/timestep is empty") }
    }

    /// The loss, on numbers that the file gives.
    private var loss: any Loss { configuration.diffusion.loss.of(configuration.model, configuration.diffusion) }

    /// Runs the steps and compares everything that the file holds.
    func run(_ makeOptimizers: OptimizerMaker, on backend: any Backend) throws -> CaseReport {
        let c = configuration.model
        let model = try DenoiserModel(c, batch: imageShape[0], training: loss, on: backend)
        try checkNames(model)
        let initial = try read("parameters/initial", model)
        var optimizers = try makeOptimizers(optimizer, initial)
        var m = Measurements()
        try model.load(initial)
        for step in 0..<steps {
            try run(step, model, &optimizers, &m)
            try model.load(optimizers[0].optimizer.parameters)
        }
        m.compareParameters(
            optimizers, optimizer, final: try read("parameters/final", model),
            average: try read("parameters/ema", model), model.layout, tolerance: tolerances.parameter)
        let size = c.isPoints ? "points of \(c.channels)" : "images \(c.size)×\(c.size)×\(c.channels)"
        return CaseReport(
            path: file.path,
            summary: "denoiser, \(steps) steps of \(imageShape[0]) \(size), \(c.smd ? "SMD" : "vanilla"), "
                + "\(model.parameterCount) parameters",
            measurements: m.all, notes: m.notes)
    }

    private func run(
        _ step: Int, _ model: DenoiserModel, _ optimizers: inout [(name: String, optimizer: any ArenaOptimizer)],
        _ m: inout Measurements
    ) throws {
        let (c, group) = (configuration.model, "step\(step)")
        func images(_ name: String) throws -> [Float] { try file.images("\(group)/\(name)", shape: imageShape) }
        let timesteps = try file.integers("\(group)/timestep")
        guard timesteps.count == imageShape[0], timesteps.allSatisfy({ 0..<configuration.diffusion.timesteps ~= $0 })
        else {
            throw file.error(
                "/\(group)/timestep is \(timesteps); \(imageShape[0]) in 0 ..< \(configuration.diffusion.timesteps) "
                    + "were expected")
        }
        var x0 = try images("x0")
        if configuration.normalize { x0 = x0.map { 2 * $0 - 1 } }
        let eta = c.usesEta ? try images("eta") : nil
        let timestep = timesteps.map(Float.init)
        var drawn = ["timestep": timestep, "noise": try images("noise")]
        drawn["eta"] = eta
        var inputs = loss.inputs(x0: x0, Drawn(drawn))
        let xt = inputs[NetworkInput.xt.rawValue] ?? []
        m.compare("x_t", tolerance: tolerances.input, xt, try images("x_t"), "\(group)/x_t")

        let selfCondition = c.selfCondition ? try estimate(group) : nil
        inputs[NetworkInput.selfCondition.rawValue] = selfCondition
        let labels = c.takesLabels ? try labels(group) : nil
        inputs[NetworkInput.label.rawValue] = labels
        let (plain, z) = try model.predict(
            xt, timestep: timestep, eta: eta, selfCondition: selfCondition, labels: labels)
        let pass = try model.gradient(inputs)
        if let z {
            let shape = [imageShape[0], c.latentDim, c.size, c.size]
            m.compare("z", tolerance: tolerances.output, z, try file.images("\(group)/z", shape: shape), "\(group)/z")
        }
        let output = try file.images(
            "\(group)/output", shape: [imageShape[0], c.outputChannels, c.size, c.size])
        m.compare("output", tolerance: tolerances.output, pass.output, output, "\(group)/output")
        m.compare("output (inference)", tolerance: tolerances.output, plain, output, "\(group)/output")
        let loss = pass.loss.reduce(0) { $0 + Double($1) } / Double(pass.loss.count)
        m.compare("loss", tolerance: tolerances.loss, [loss], [try file.double("\(group)/loss")], "\(group)/loss")
        if file.contains("\(group)/loss_per_image") {
            let each = try file.doubles("\(group)/loss_per_image", shape: [imageShape[0]])
            m.compare(
                "loss_per_image", tolerance: tolerances.loss, pass.loss.map(Double.init), each,
                "\(group)/loss_per_image")
        }
        let norm = pass.gradients.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
        m.compare(
            "gradient_norm", tolerance: tolerances.loss, [norm], [try file.double("\(group)/gradient_norm")],
            "\(group)/gradient_norm")
        if file.contains("\(group)/gradients") {
            m.compareGradients(
                pass.gradients, try read("\(group)/gradients", model), group, model.layout,
                tolerance: tolerances.gradient)
        }
        for index in optimizers.indices { try optimizers[index].optimizer.update(pass.gradients, norm: norm) }
    }

    /// The class of each image.
    private func labels(_ group: String) throws -> [Float] {
        let labels = try file.integers("\(group)/label")
        guard labels.count == imageShape[0], labels.allSatisfy({ 0..<configuration.model.classes ~= $0 }) else {
            throw file.error(
                "/\(group)/label is \(labels); \(imageShape[0]) in 0 ..< \(configuration.model.classes) were expected")
        }
        return labels.map(Float.init)
    }

    /// The estimate of x_0 that a step is conditioned on: zeros, unless the file gives one.
    private func estimate(_ group: String) throws -> [Float] {
        let name = ["self_condition", "x_self_cond", "self_cond"].map { "\(group)/\($0)" }.first(where: file.contains)
        return try name.map { try file.images($0, shape: imageShape) }
            ?? [Float](repeating: 0, count: imageShape.reduce(1, *))
    }

    private func read(_ group: String, _ model: DenoiserModel) throws -> [Float] {
        try file.arena(group, model.layout)
    }

    private func checkNames(_ model: DenoiserModel) throws {
        for group in ["initial", "final", "ema"] { try file.checkNames("parameters/\(group)", model.layout) }
    }
}

/// Makes the optimisers of a case from its settings and first parameters; the first one drives the steps.
typealias OptimizerMaker = (CaseOptimizer, [Float]) throws -> [(name: String, optimizer: any ArenaOptimizer)]

/// The measurements of a case by name, in the order of their first use.
struct Measurements {
    private(set) var all: [Deviation] = []

    /// Compares a tensor of `quantity`; see ``Deviation/compare(_:_:_:scale:)``.
    mutating func compare(
        _ quantity: String, tolerance: Double, _ found: [Float], _ expected: [Float], _ name: String,
        scale: Double? = nil
    ) {
        compare(quantity, tolerance: tolerance, found.map(Double.init), expected.map(Double.init), name, scale: scale)
    }

    mutating func compare(
        _ quantity: String, tolerance: Double, _ found: [Double], _ expected: [Double], _ name: String,
        scale: Double? = nil
    ) {
        let index = all.firstIndex { $0.quantity == quantity } ?? all.count
        if index == all.count { all.append(Deviation(quantity, tolerance: tolerance)) }
        all[index].compare(found, expected, name, scale: scale)
    }

    mutating func add(_ measurement: Deviation) { all.append(measurement) }

    /// What could not be compared.
    var notes: [String] {
        all.filter { $0.nonFinite > 0 }.map {
            "\($0.nonFinite) reference values of \($0.quantity) are not finite: there it only counts that ours are not"
        }
    }
}
