import CPUBackend
import Philox
import Storage
import TensorGraph

/// Everything the optimiser carries from step to step, in flat arenas of one layout: parameters, gradients, Adam's
/// moments and the exponential moving average. The last three may hold this rank's shard only.
final class ModelState {
    let layout: ParameterLayout
    let parameters: CPUMemory
    let gradients: CPUMemory
    let firstMoment: CPUMemory
    let secondMoment: CPUMemory
    let ema: CPUMemory
    /// The parameters whose moments and average are here, and that this rank updates: all, or its shard.
    let own: Range<Int>

    /// - Parameter own: the shard of this rank; nil holds everything.
    init(_ layout: ParameterLayout, own: Range<Int>? = nil) throws {
        let own = own ?? 0..<layout.count
        self.layout = layout
        self.own = own
        parameters = try CPUMemory(count: layout.count)
        gradients = try CPUMemory(count: layout.count)
        firstMoment = try CPUMemory(count: own.count)
        secondMoment = try CPUMemory(count: own.count)
        ema = try CPUMemory(count: own.count)
    }

    /// Every element of an arena.
    var all: Range<Int> { 0..<layout.count }

    /// Draws the parameters as PyTorch initialises them, keyed by `seed` and the parameter's name: the same on every
    /// rank, and for any layout. The average starts as a copy.
    func initialize(seed: UInt64) {
        Self.initialize(parameters, layout, seed: seed)
        copyParametersToAverage()
    }

    /// Draws the parameters of a network into an arena of `layout`.
    static func initialize(_ parameters: CPUMemory, _ layout: ParameterLayout, seed: UInt64) {
        let stream = RandomStream(seed: seed, purpose: .initialization)
        let names = layout.parameters.map(\.name).sorted()
        let positions = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
        for (parameter, offset) in zip(layout.parameters, layout.offsets) {
            let position = positions[parameter.name] ?? 0
            let values = UnsafeMutableBufferPointer(
                rebasing: parameters.elements[offset..<offset + parameter.count])
            switch parameter.initializer {
            case .constant(let value):
                values.update(repeating: value)
            case .uniform(let bound):
                stream.fillUniforms(values, epoch: 0, position: position)
                for i in values.indices { values[i] = (2 * values[i] - 1) * bound }
            case .normal(let deviation):
                stream.fillNormals(values, epoch: 0, position: position)
                for i in values.indices { values[i] *= deviation }
            }
        }
    }

    /// Makes the average equal to the parameters.
    func copyParametersToAverage() {
        _ = ema.elements.update(fromContentsOf: parameters.elements[own])
    }

    /// The tensors of a whole arena by name, sorted, as a checkpoint stores them.
    func tensors(_ memory: CPUMemory) -> [NamedTensor] {
        zip(layout.parameters, layout.offsets).map { parameter, offset in
            NamedTensor(
                name: parameter.name, shape: parameter.shape,
                values: memory.read(offset..<(offset + parameter.count)))
        }
        .sorted { $0.name < $1.name }
    }

    /// Fills a whole arena from a checkpoint's tensors.
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
