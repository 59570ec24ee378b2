import CPUBackend
import Communication
import Foundation
import Storage
import StorageSupport
import TensorGraph
import TestSupport
import Testing
import Training

/// The state of a run that trains two networks.
@Suite struct NetworkStateTests {
    /// A network of three tensors, and one of two whose names are the same or others.
    private static func networks(sharded: Bool, on communicator: any Communicator) throws -> [ModelState] {
        try [nil: [("a", [3, 5]), ("b", [41]), ("c", [1])], "critic": [("a", [7, 9]), ("w", [2])]]
            .sorted { ($0.key ?? "") < ($1.key ?? "") }
            .map { network, tensors in
                let graph = Graph()
                for (name, shape) in tensors { _ = graph.parameter(name, shape, .uniform(bound: 1)) }
                let layout = ParameterLayout(graph.parameters)
                let shards = OptimizerShards(count: layout.count, sharded: sharded, among: communicator)
                return try ModelState(layout, network: network, widths: [0.1, 0.05], shards: shards)
            }
    }

    /// Drawn parameters, and numbers of their own in all other arenas.
    private static func fill(_ networks: [ModelState]) {
        for (number, state) in networks.enumerated() {
            state.initialize(seed: 3, number: number)
            for (place, role) in state.roles.enumerated() where role != .parameters {
                for i in state.own { state[role].elements[i - state.own.lowerBound] = Float(1000 * place + i) }
            }
        }
    }

    private static func save(_ networks: [ModelState], in folder: String, on communicator: any Communicator) throws {
        let header = CheckpointHeader(step: 1, seed: 3, config: "{}", dataFingerprint: "", version: "")
        let image = communicator.rank == 0 ? try networks.emptyImage(header) : nil
        if let problem = try networks.copy(to: image, on: communicator) { throw problem }
        guard let image else { return }
        let checkpoints = CheckpointFolder(path: folder)
        _ = try CheckpointSaver(image, in: checkpoints, keep: Retention(last: 1), after: {}).end(waiting: true)
    }

    private static func file(_ folder: String, on communicator: any Communicator) throws -> CheckpointFile? {
        communicator.rank == 0 ? try CheckpointFile(CheckpointFolder(path: folder).path(step: 1)) : nil
    }

    private static func compare(_ networks: [ModelState], on communicator: any Communicator) throws {
        try withExtendedLifetime(networks) {
            try communicator.requireSameBits(networks.flatMap(\.copies), "after step 5")
        }
    }

    private func bytes(_ folder: String) throws -> Data {
        try Data(contentsOf: URL(fileURLWithPath: CheckpointFolder(path: folder).path(step: 1)))
    }

    /// Saved by any number of ranks, whole or in shards, the file is the same; so is one saved after it was restored.
    @Test(arguments: [(1, false), (2, false), (2, true), (3, true)])
    func savesAndRestores(ranks: Int, sharded: Bool) throws {
        try withTemporaryDirectory { folder in
            let alone = SingleProcess()
            let networks = try Self.networks(sharded: false, on: alone)
            Self.fill(networks)
            try Self.save(networks, in: folder + "/alone", on: alone)
            for result in ThreadRank.run(
                ranks,
                { communicator in
                    let networks = try Self.networks(sharded: sharded, on: communicator)
                    Self.fill(networks)
                    try Self.save(networks, in: folder + "/first", on: communicator)
                    let restored = try Self.networks(sharded: sharded, on: communicator)
                    try restored.restore(try Self.file(folder + "/alone", on: communicator), on: communicator)
                    try Self.save(restored, in: folder + "/second", on: communicator)
                    try Self.compare(restored, on: communicator)
                })
            { try result.get() }
            #expect(try bytes(folder + "/first") == bytes(folder + "/alone"))
            #expect(try bytes(folder + "/second") == bytes(folder + "/alone"))

            let saved = try Checkpoint.read(CheckpointFolder(path: folder + "/second").path(step: 1))
            // The parameters first, then by name.
            let others = ArenaRole.all(widths: [0.1, 0.05]).map(\.group).filter { $0 != "parameters" }
            let names = ["parameters"] + others.sorted()
            #expect(saved.groups.map(\.name) == names + names.map { "networks/critic/" + $0 })
            // Those of the first release stay what they are.
            #expect(
                Set(names).isSuperset(of: ["parameters", "ema", "optimizer/first_moment", "optimizer/second_moment"]))
            #expect(Set(names).isSuperset(of: ["averages/0.05", "averages/0.1"]))
            #expect(saved["ema"][1].values == (16..<57).map { Float(1000 + $0) })
            #expect(saved["networks/critic/optimizer/second_moment"][1].values == [3064, 3065])
            #expect(
                saved["parameters"][0].values.prefix(15) != saved["networks/critic/parameters"][0].values.prefix(15))
        }
    }

    /// A run of one network does not take the state of two, and the other way round; nothing is changed by the attempt.
    @Test func anotherKindOfRunIsRefused() throws {
        try withTemporaryDirectory { folder in
            let alone = SingleProcess()
            let networks = try Self.networks(sharded: false, on: alone)
            Self.fill(networks)
            try Self.save(networks, in: folder + "/two", on: alone)
            try Self.save([networks[0]], in: folder + "/one", on: alone)
            let fresh = try Self.networks(sharded: false, on: alone)
            func refusal(_ networks: [ModelState], _ name: String) throws -> String {
                do {
                    try networks.restore(try Self.file("\(folder)/\(name)", on: alone), on: alone)
                    return "none"
                } catch { return "\(error)" }
            }
            #expect(
                try refusal([fresh[0]], "two").hasSuffix(
                    "holds the group /networks/critic/parameters, which this run does not have: it is from another kind "
                        + "of run, or a newer smd"))
            #expect(fresh[0].parameters.elements.allSatisfy { $0 == 0 })
            #expect(try refusal(fresh, "one").contains("lacks 2 tensors of this architecture, a among them"))
            #expect(try refusal([fresh[0]], "one") == "none")
        }
    }

    /// The names for a person, which are made of those of the groups.
    @Test func titles() {
        let wanted = [
            "the parameters", "the averages", "the first moments", "the second moments", "the averages of width 0.05",
        ]
        #expect(ArenaRole.all(widths: [0.05]).map(\.title) == wanted)
    }

    /// A bit that differs is told with the network that it is in.
    @Test func copiesAreCompared() throws {
        let results = ThreadRank.run(3) { communicator in
            let networks = try Self.networks(sharded: false, on: communicator)
            Self.fill(networks)
            if communicator.rank == 1 { networks[1][.firstMoment].elements[7] += 1 }
            try Self.compare(networks, on: communicator)
        }
        for result in results {
            #expect { try result.get() } throws: {
                "\($0)".hasPrefix("the first moments of critic after step 5 differ on rank 1 on host here")
            }
        }
    }
}
