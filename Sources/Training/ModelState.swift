import CPUBackend
import Philox
import Storage
import TensorGraph

/// Everything the optimiser carries from step to step, in flat arenas of one layout: parameters, gradients, Adam's
/// moments and the exponential moving average.
final class ModelState {
    let layout: ParameterLayout
    let parameters: CPUMemory
    let gradients: CPUMemory
    let firstMoment: CPUMemory
    let secondMoment: CPUMemory
    let ema: CPUMemory

    init(_ layout: ParameterLayout) throws {
        func allocate() throws -> CPUMemory { try CPUMemory(count: layout.count) }
        self.layout = layout
        parameters = try allocate()
        gradients = try allocate()
        firstMoment = try allocate()
        secondMoment = try allocate()
        ema = try allocate()
    }

    /// Every element of an arena.
    var all: Range<Int> { 0..<layout.count }

    /// Draws the parameters as PyTorch initialises them, keyed by `seed` and the parameter's name: the same on every
    /// rank, and for any layout. The average starts as a copy.
    func initialize(seed: UInt64) {
        let stream = RandomStream(seed: seed, purpose: .initialization)
        let names = layout.parameters.map(\.name).sorted()
        let positions = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
        for (parameter, offset) in zip(layout.parameters, layout.offsets) {
            let position = positions[parameter.name] ?? 0
            let values: [Float]
            switch parameter.initializer {
            case .constant(let value):
                values = [Float](repeating: value, count: parameter.count)
            case .uniform(let bound):
                values = stream.uniforms(count: parameter.count, epoch: 0, position: position)
                    .map { (2 * $0 - 1) * bound }
            case .normal(let deviation):
                values = stream.normals(count: parameter.count, epoch: 0, position: position).map { $0 * deviation }
            }
            parameters.write(values, at: offset)
        }
        copy(parameters, to: ema)
    }

    /// Copies one arena over another.
    func copy(_ source: CPUMemory, to destination: CPUMemory) {
        _ = destination.elements.update(fromContentsOf: source.elements)
    }

    /// The tensors of an arena by name, sorted, as a checkpoint stores them.
    func tensors(_ memory: CPUMemory) -> [NamedTensor] {
        zip(layout.parameters, layout.offsets).map { parameter, offset in
            NamedTensor(
                name: parameter.name, shape: parameter.shape,
                values: memory.read(offset..<(offset + parameter.count)))
        }
        .sorted { $0.name < $1.name }
    }

    /// Fills an arena from a checkpoint's tensors.
    func load(_ tensors: [NamedTensor], into memory: CPUMemory, of what: String) throws {
        try Training.load(tensors, layout, into: memory, of: what)
    }
}

/// Fills an arena of `layout` from a checkpoint's tensors.
///
/// - Throws: ``TrainingError`` when a tensor is missing, unknown, or of another shape.
func load(_ tensors: [NamedTensor], _ layout: ParameterLayout, into memory: CPUMemory, of what: String) throws {
    let known = Dictionary(uniqueKeysWithValues: zip(layout.parameters, layout.offsets).map { ($0.name, ($0, $1)) })
    var missing = Set(known.keys)
    for tensor in tensors {
        guard let (parameter, offset) = known[tensor.name] else {
            throw TrainingError("\(what) holds the tensor \(tensor.name), which this architecture does not have")
        }
        guard parameter.shape == tensor.shape else {
            throw TrainingError(
                "\(what) holds \(tensor.name) with shape \(tensor.shape), this architecture wants \(parameter.shape)")
        }
        memory.write(tensor.values, at: offset)
        missing.remove(tensor.name)
    }
    if let name = missing.min() {
        throw TrainingError("\(what) lacks \(missing.count) tensors of this architecture, \(name) among them")
    }
}
