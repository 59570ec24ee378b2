import CPUBackend
import Files
import Philox
import Storage
import TensorGraph

/// The state of one network, in flat arenas of one layout: parameters, gradients, and what the optimiser keeps.
package final class ModelState {
    /// nil for the first network of a run; the name of a further one, which its groups in a checkpoint lie under.
    package let network: String?
    package let layout: ParameterLayout
    package let gradients: CPUMemory
    /// The parameters whose moments and average are here, and that this rank updates: all, or its shard.
    package let own: Range<Int>
    /// How the state is divided among ranks; nil where each holds all of it.
    package let shards: OptimizerShards?
    /// What is carried from step to step, in the order of a checkpoint.
    package let roles: [ArenaRole]
    private let arenas: [ArenaRole: CPUMemory]

    /// - Parameters:
    ///   - widths: of the power-function averages, relative to the length of training.
    ///   - own: the shard that is here; nil takes that of this rank, or everything.
    ///   - memory: the arenas of parameters and gradients; nil makes them.
    package init(
        _ layout: ParameterLayout, network: String? = nil, widths: [Double] = [], shards: OptimizerShards? = nil,
        own: Range<Int>? = nil, in memory: (parameters: CPUMemory, gradients: CPUMemory)? = nil
    ) throws {
        let own = own ?? shards?.own ?? 0..<layout.count
        (self.layout, self.network, self.shards, self.own) = (layout, network, shards, own)
        gradients = try memory?.gradients ?? CPUMemory(count: layout.count)
        roles = ArenaRole.all(widths: widths)
        arenas = try Dictionary(
            uniqueKeysWithValues: roles.map { role in
                if role == .parameters, let memory { return (role, memory.parameters) }
                return (role, try CPUMemory(count: role.isSharded ? own.count : layout.count))
            })
    }

    /// The arena of a role.
    package subscript(role: ArenaRole) -> CPUMemory {
        guard let arena = arenas[role] else { preconditionFailure("no arena for \(role)") }
        return arena
    }

    package var parameters: CPUMemory { self[.parameters] }
    package var ema: CPUMemory { self[.ema] }

    /// Every element of an arena.
    package var all: Range<Int> { 0..<layout.count }

    /// Elements of all arenas here, gradients aside.
    package var count: Int { arenas.values.reduce(0) { $0 + $1.count } }

    /// What all ranks hold alike: the parameters, and where it is not sharded the rest.
    package var copies: [(name: String, values: UnsafeBufferPointer<Float>)] {
        roles.filter { own == all || !$0.isSharded }.map { role in
            (role.title + (network.map { " of \($0)" } ?? ""), UnsafeBufferPointer(self[role].elements))
        }
    }

    /// Draws the parameters as PyTorch initialises them, keyed by `seed` and the parameter's name: the same on every
    /// rank, and for any layout. The averages start as copies, the rest at zero.
    ///
    /// - Parameter number: of the network in a run: each draws numbers of its own.
    package func initialize(seed: UInt64, number: Int = 0) {
        for role in roles { self[role].elements.update(repeating: 0) }
        Self.initialize(parameters, layout, seed: seed, number: number)
        for role in roles where role == .ema || role.width != nil { copyParameters(to: role) }
    }

    /// Draws the parameters of a network into an arena of `layout`.
    package static func initialize(_ parameters: CPUMemory, _ layout: ParameterLayout, seed: UInt64, number: Int = 0) {
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

    /// Makes an average equal to the parameters.
    package func copyParameters(to role: ArenaRole) {
        _ = self[role].elements.update(fromContentsOf: parameters.elements[own])
    }
}
