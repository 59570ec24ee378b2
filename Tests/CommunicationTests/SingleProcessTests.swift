import Communication
import Testing

@Suite struct SingleProcessTests {
    @Test func collectivesAreTheIdentity() throws {
        let group = SingleProcess()
        #expect(group.rank == 0)
        #expect(group.size == 1)
        #expect(!group.host.isEmpty)
        var values: [Float] = [1, -2, 0.5]
        try values.withUnsafeMutableBufferPointer { try group.sum($0) }
        #expect(values == [1, -2, 0.5])
        #expect(try group.sum([0.25, 3]) == [0.25, 3])
        #expect(try group.maximum([-1]) == [-1])
        #expect(try group.broadcast([1, 2], from: 0) == [1, 2])
        #expect(try group.gather([7]) == [[7]])
        try values.withUnsafeMutableBufferPointer { try group.allGather($0, parts: [0..<3]) }
        var part: [Float] = [9, 8]
        try part.withUnsafeMutableBufferPointer { part in
            try values.withUnsafeMutableBufferPointer { try group.collect(part, parts: [1..<3], to: 0, into: $0) }
        }
        #expect(values == [1, 9, 8])
        try part.withUnsafeMutableBufferPointer { part in
            try values.withUnsafeMutableBufferPointer { try group.distribute($0, parts: [0..<2], from: 0, into: part) }
        }
        #expect(part == [1, 9])
        let exchange = try values.withUnsafeMutableBufferPointer { values in
            try part.withUnsafeMutableBufferPointer { try group.beginExchange(values, parts: [1..<3], into: $0) }
        }
        #expect(try exchange.test() && part == [9, 8])
        try values.withUnsafeMutableBufferPointer { try group.beginAllGather($0, parts: [0..<3]).wait() }
        #expect(values == [1, 9, 8])
        try group.finalize()
    }

    @Test func failureOfTheOnlyRankNamesNoRank() throws {
        let group = SingleProcess()
        try group.agree(nil, phase: "start")
        let failure = #expect(throws: AgreedFailure.self) {
            try group.agree("no such file:\n  a.h5", phase: "opening the data set")
        }
        #expect(failure?.description == "opening the data set: no such file:   a.h5")
    }

    /// Alone there is nothing to agree on, and the error keeps its type, which decides the exit status.
    @Test func togetherPassesResultAndErrorOn() throws {
        let group = SingleProcess()
        #expect(try group.together("adding") { 2 + 2 } == 4)
        struct Broken: Error, CustomStringConvertible { let description = "broken" }
        #expect(throws: Broken.self) { try group.together("adding") { throw Broken() } }
    }

    @Test func oneRankAlwaysAgreesWithItself() throws {
        try SingleProcess().requireEqual([("version", "1"), ("version", "2")])
    }

    @Test func errorsAreOneLine() {
        let known = CommunicationError(call: "MPI_Bcast", message: "lost\nconnection", rank: 3, host: "node7")
        #expect(known.description == "MPI_Bcast failed, rank 3 on host node7: lost connection")
        let early = CommunicationError(call: "MPI_Init_thread", message: "no", rank: nil, host: "a")
        #expect(early.description == "MPI_Init_thread failed, host a: no")
    }
}

@Suite struct PlacementTests {
    @Test func countsRanksHostByHost() {
        let names = ["b", "a", "b", "b", "a"]
        let places = names.indices.map { Placement(rank: $0, hostNames: names) }
        #expect(places.map(\.localRank) == [0, 0, 1, 2, 1])
        #expect(places.map(\.ranksOnHost) == [3, 2, 3, 3, 2])
        #expect(places[4].summary == "5 ranks on 2 hosts: b ×3, a ×2")
        #expect(Placement(rank: 0, hostNames: ["x"]).summary == "1 rank on 1 host: x ×1")
    }
}
