import CPUBackend
import Files
import Philox
import TensorGraph

/// What a network carries from step to step beside its gradients: an arena for each, in this order, and a group of that
/// name in a checkpoint. A case added here is saved, restored, divided among ranks, compared and planned for.
package enum ArenaRole: String, CaseIterable {
    case parameters
    case ema
    case firstMoment = "optimizer/first_moment"
    case secondMoment = "optimizer/second_moment"

    /// For a person.
    var title: String {
        switch self {
        case .parameters: "the parameters"
        case .ema: "the averages"
        case .firstMoment: "the first moments"
        case .secondMoment: "the second moments"
        }
    }

    /// Whether a rank may hold its shard only.
    var isSharded: Bool { self != .parameters }
}

/// The state of one network, in flat arenas of one layout: parameters, gradients, and what the optimiser keeps.
package final class ModelState {
    /// nil for the first network of a run; the name of a further one, which its groups in a checkpoint lie under.
    package let network: String?
    package let layout: ParameterLayout
    let gradients: CPUMemory
    /// The parameters whose moments and average are here, and that this rank updates: all, or its shard.
    package let own: Range<Int>
    /// How the state is divided among ranks; nil where each holds all of it.
    let shards: OptimizerShards?
    private let arenas: [ArenaRole: CPUMemory]

    /// - Parameter own: the shard that is here; nil takes that of this rank, or everything.
    package init(
        _ layout: ParameterLayout, network: String? = nil, shards: OptimizerShards? = nil, own: Range<Int>? = nil
    ) throws {
        let own = own ?? shards?.own ?? 0..<layout.count
        (self.layout, self.network, self.shards, self.own) = (layout, network, shards, own)
        gradients = try CPUMemory(count: layout.count)
        arenas = try Dictionary(
            uniqueKeysWithValues: ArenaRole.allCases.map { role in
                (role, try CPUMemory(count: role.isSharded ? own.count : layout.count))
            })
    }

    /// The arena of a role.
    package subscript(role: ArenaRole) -> CPUMemory {
        guard let arena = arenas[role] else { preconditionFailure("no arena for \(role)") }
        return arena
    }

    package var parameters: CPUMemory { self[.parameters] }
    var ema: CPUMemory { self[.ema] }

    /// Every element of an arena.
    var all: Range<Int> { 0..<layout.count }

    /// Elements of all arenas here, gradients aside.
    var count: Int { arenas.values.reduce(0) { $0 + $1.count } }

    /// What all ranks hold alike: the parameters, and where it is not sharded the rest.
    package var copies: [(name: String, values: UnsafeBufferPointer<Float>)] {
        ArenaRole.allCases.filter { own == all || !$0.isSharded }.map { role in
            (role.title + (network.map { " of \($0)" } ?? ""), UnsafeBufferPointer(self[role].elements))
        }
    }

    /// Draws the parameters as PyTorch initialises them, keyed by `seed` and the parameter's name: the same on every
    /// rank, and for any layout. The average starts as a copy, the rest at zero.
    ///
    /// - Parameter number: of the network in a run: each draws numbers of its own.
    package func initialize(seed: UInt64, number: Int = 0) {
        for role in ArenaRole.allCases { self[role].elements.update(repeating: 0) }
        Self.initialize(parameters, layout, seed: seed, number: number)
        copyParametersToAverage()
    }

    /// Draws the parameters of a network into an arena of `layout`.
    static func initialize(_ parameters: CPUMemory, _ layout: ParameterLayout, seed: UInt64, number: Int = 0) {
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
                stream.fillUniforms(values, epoch: number, position: position)
                for i in values.indices { values[i] = (2 * values[i] - 1) * bound }
            case .normal(let deviation):
                stream.fillNormals(values, epoch: number, position: position)
                for i in values.indices { values[i] *= deviation }
            }
        }
    }

    /// Makes the average equal to the parameters.
    func copyParametersToAverage() {
        _ = ema.elements.update(fromContentsOf: parameters.elements[own])
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
