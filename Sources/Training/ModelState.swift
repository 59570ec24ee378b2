import CPUBackend
import Files
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

    /// What all ranks hold alike: the parameters, and where it is not sharded the rest.
    var copies: [(name: String, values: UnsafeBufferPointer<Float>)] {
        let parameters = ("the parameters", UnsafeBufferPointer(parameters.elements))
        guard own == all else { return [parameters] }
        return [
            parameters, ("the first moments", UnsafeBufferPointer(firstMoment.elements)),
            ("the second moments", UnsafeBufferPointer(secondMoment.elements)),
            ("the averages", UnsafeBufferPointer(ema.elements)),
        ]
    }

    /// Draws the parameters as PyTorch initialises them, keyed by `seed` and the parameter's name: the same on every
    /// rank, and for any layout. The average starts as a copy, the moments at zero.
    func initialize(seed: UInt64) {
        Self.initialize(parameters, layout, seed: seed)
        for moment in [firstMoment, secondMoment] { moment.elements.update(repeating: 0) }
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

    /// Adds the tensors of a whole arena to a checkpoint in the making, as the next part.
    func add(_ memory: CPUMemory, as part: CheckpointPart, to image: CheckpointImage) throws {
        try image.begin(part)
        for (parameter, offset) in zip(layout.parameters, layout.offsets).sorted(by: { $0.0.name < $1.0.name }) {
            try image.add(
                parameter.name, shape: parameter.shape,
                values: UnsafeBufferPointer(rebasing: memory.elements[offset..<offset + parameter.count]))
        }
    }

    /// Fills a whole arena from a part of a checkpoint.
    func load(_ part: CheckpointPart, of file: CheckpointFile, into memory: CPUMemory) throws {
        try Training.load(file.tensors(part), layout, into: memory, of: file.path) { name, place in
            try file.read(name, of: part, into: place)
        }
    }
}

/// Fills an arena of `layout` from a checkpoint's tensors.
///
/// - Parameter read: copies the values of the named tensor to their place.
/// - Throws: ``TrainingError`` when a tensor is missing, unknown, or of another shape; what `read` throws.
func load(
    _ tensors: [(name: String, shape: [Int])], _ layout: ParameterLayout, into memory: CPUMemory, of what: String,
    read: (String, UnsafeMutableBufferPointer<Float>) throws -> Void
) throws {
    let known = Dictionary(uniqueKeysWithValues: zip(layout.parameters, layout.offsets).map { ($0.name, ($0, $1)) })
    var missing = Set(known.keys)
    for (name, shape) in tensors {
        // To a dictionary, other normal forms of the same characters are the same name.
        guard let (parameter, offset) = known[name], parameter.name.hasSameBytes(as: name) else {
            throw TrainingError("\(what) holds the tensor \(name), which this architecture does not have")
        }
        guard parameter.shape == shape else {
            throw TrainingError(
                "\(what) holds \(name) with shape \(shape), this architecture wants \(parameter.shape)")
        }
        try read(name, UnsafeMutableBufferPointer(rebasing: memory.elements[offset..<offset + parameter.count]))
        missing.remove(name)
    }
    if let name = missing.min() {
        throw TrainingError("\(what) lacks \(missing.count) tensors of this architecture, \(name) among them")
    }
}
