import CPUBackend
import Communication
import Sampling
import Storage

/// The state of a run's networks in a checkpoint, in the order of the file: network by network, arena by arena.
extension [ModelState] {
    /// A checkpoint in the making, with room for all, or for a snapshot of the power-function averages alone.
    package func emptyImage(_ header: CheckpointHeader, averagesOnly: Bool = false) throws -> CheckpointImage {
        let parameters = flatMap { state in
            state.roles(averagesOnly: averagesOnly).flatMap { _ in state.layout.parameters }
        }
        return try CheckpointImage(
            header: header, elements: parameters.reduce(0) { $0 + $1.count }, tensors: parameters.count)
    }

    /// Copies the state to `image`, which rank 0 alone has; shards of the others come one arena at a time. Collective.
    ///
    /// - Parameter averagesOnly: copies the power-function averages alone.
    /// - Returns: why `image` could not take it.
    package func copy(
        to image: CheckpointImage?, averagesOnly: Bool = false, on communicator: any Communicator
    ) throws -> (any Error)? {
        var problem: (any Error)?
        for state in self {
            let room = try state.roomForShards(on: communicator)
            for role in state.roles(averagesOnly: averagesOnly) {
                var whole = state[role]
                if let shards = state.shards, role.isSharded {
                    try shards.collect(whole, into: room)
                    whole = room ?? whole
                }
                guard let image, problem == nil else { continue }
                do { try state.add(whole, as: role, to: image) } catch { problem = error }
            }
        }
        return problem
    }

    /// Puts the state of `file`, which rank 0 alone has, in place on all ranks. Collective.
    package func restore(_ file: CheckpointFile?, on communicator: any Communicator) throws {
        let known = flatMap { state in state.roles.map(state.group) } + CheckpointGroup.ofTheRun
        try communicator.together("looking into the checkpoint") {
            guard let file, let unknown = file.groups.first(where: { !known.contains($0) }) else { return }
            throw RunError(
                "\(file.path) holds the group /\(unknown), which this run does not have: it is from another kind of run, "
                    + "or a newer smd")
        }
        for state in self {
            let room = try state.roomForShards(on: communicator)
            for role in state.roles {
                let arena = state[role]
                let shards = role.isSharded ? state.shards : nil
                try communicator.together("restoring the checkpoint") {
                    guard let file else { return }
                    try state.load(role, of: file, into: shards == nil ? arena : room ?? arena)
                }
                if let shards {
                    try shards.distribute(room, into: arena)
                } else if communicator.size > 1 {
                    // All of it is rank 0's part: a broadcast that needs no second buffer.
                    let parts = (0..<communicator.size).map { $0 == 0 ? state.all : arena.count..<arena.count }
                    try communicator.allGather(arena.elements, parts: parts)
                }
            }
        }
    }
}

extension ModelState {
    /// The arenas of a checkpoint, or of a snapshot of averages.
    fileprivate func roles(averagesOnly: Bool) -> [ArenaRole] {
        averagesOnly ? roles.filter { $0.width != nil } : roles
    }

    /// The group of an arena.
    fileprivate func group(_ role: ArenaRole) -> String { CheckpointGroup.name(role.group, of: network) }

    /// Room for one whole arena on rank 0, where the state is sharded. Collective.
    fileprivate func roomForShards(on communicator: any Communicator) throws -> CPUMemory? {
        try communicator.together("making room for a checkpoint") {
            shards != nil && communicator.rank == 0 ? try CPUMemory(count: layout.count) : nil
        }
    }

    /// Adds the tensors of a whole arena to a checkpoint in the making, as the next group.
    fileprivate func add(_ memory: CPUMemory, as role: ArenaRole, to image: CheckpointImage) throws {
        try image.begin(group(role))
        for (parameter, offset) in zip(layout.parameters, layout.offsets).sorted(by: { $0.0.name < $1.0.name }) {
            try image.add(
                parameter.name, shape: parameter.shape,
                values: UnsafeBufferPointer(rebasing: memory.elements[offset..<offset + parameter.count]))
        }
    }

    /// Fills a whole arena from its group in a checkpoint.
    fileprivate func load(_ role: ArenaRole, of file: CheckpointFile, into memory: CPUMemory) throws {
        let group = group(role)
        try Sampling.load(file.tensors(group), layout, into: memory, of: file.path) {
            try file.read($0, of: group, into: $1)
        }
    }
}
