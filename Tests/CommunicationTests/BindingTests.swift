import Communication
import TestSupport
import Testing

/// Jobs as launchers place them, on hosts that are made up.
@Suite struct BindingTests {
    /// A rank on a host of `cores` cores with `hardwareThreads` CPUs each, numbered as Linux does: all first CPUs of the
    /// cores, then all second ones.
    private func rank(_ host: String, _ cpus: [Int], cores: Int, hardwareThreads: Int = 1) -> Binding.Rank {
        #expect(cpus.allSatisfy { $0 < cores * hardwareThreads })
        return Binding.Rank(host: host, cpus: cpus, cores: cpus.map { $0 % cores }, coresOnHost: cores)
    }

    @Test func aCoreForEachThread() {
        let bound = Binding((0..<4).map { rank("a", [$0], cores: 4) }, threads: 1)
        #expect(bound.problem == nil)
        #expect(bound.summary == "1 host (a), 4 ranks × 1 thread, 4 cores")
        let unbound = Binding((0..<4).map { _ in rank("a", Array(0..<8), cores: 8) }, threads: 2)
        #expect(unbound.problem == nil)
        #expect(unbound.summary == "1 host (a), 4 ranks × 2 threads, 8 cores")
        let names = ["a", "a", "b", "c", "d"]
        let many = Binding(names.map { rank($0, $0 == "a" ? [0, 1] : [0], cores: 2) }, threads: 1)
        #expect(many.problem == nil)
        #expect(many.summary == "4 hosts (a, b, c, …), 5 ranks × 1 thread, 5 cores")
        let single = Binding([rank("a", [0, 1, 2], cores: 3)], threads: 3)
        #expect(single.problem == nil && single.summary == "1 host (a), 1 rank × 3 threads, 3 cores")
    }

    /// What mpirun does with one or two ranks unless told otherwise.
    @Test func ranksBoundToOneCoreEach() throws {
        let one = try #require(Binding([rank("node7", [0], cores: 8)], threads: 4).problem)
        #expect(one.hasPrefix("node7: rank 0 has 1 core (CPU 0) for 4 threads"))
        #expect(one.contains("--map-by slot:PE=4 --bind-to core") && one.contains("launch/run -n RANKS --threads 4"))
        let two = try #require(
            Binding([rank("a", [0], cores: 8), rank("a", [1], cores: 8)], threads: 2).problem)
        #expect(two.hasPrefix("a: ranks 0-1 share 2 cores (CPUs 0-1) for 4 threads"))
    }

    /// Both hardware threads of its core are no two cores.
    @Test func hardwareThreadsAreNoCores() throws {
        let bound = Binding([rank("a", [1, 5], cores: 4, hardwareThreads: 2)], threads: 2)
        #expect(try #require(bound.problem).hasPrefix("a: rank 0 has 1 core (CPUs 1, 5) for 2 threads"))
        #expect(bound.summary == "1 host (a), 1 rank × 2 threads, 1 core (2 hardware threads)")
        // All of a host that has no more: meant.
        let full = Binding((0..<8).map { rank("a", [$0], cores: 4, hardwareThreads: 2) }, threads: 1)
        #expect(full.problem == nil)
        #expect(full.summary == "1 host (a), 8 ranks × 1 thread, 4 cores (8 hardware threads)")
    }

    @Test func ranksOnTheSameCores() throws {
        let pairs = [[0, 1], [0, 1], [2, 3, 4], [2, 3, 4]].map { rank("a", $0, cores: 8) }
        #expect(Binding(pairs, threads: 1).problem == nil)
        let problem = try #require(Binding(pairs, threads: 2).problem)
        #expect(problem.hasPrefix("a: ranks 0-1 share 2 cores (CPUs 0-1) for 4 threads"))
        // Two jobs of one rank that know nothing of each other would look like this to a third.
        let same = [[3], [1], [3], [0, 1, 2, 3]].map { rank("a", $0, cores: 8) }
        #expect(try #require(Binding(same, threads: 1).problem).hasPrefix("a: ranks 0, 2 share 1 core (CPU 3)"))
    }

    /// More threads than the host has CPUs: no binding helps.
    @Test func aHostThatIsTooSmall() throws {
        let ranks = (0..<3).map { _ in rank("b", [0, 1], cores: 2) }
        let problem = try #require(Binding([rank("a", [0], cores: 2)] + ranks, threads: 1).problem)
        #expect(problem.hasPrefix("b: ranks 1-3 share 2 cores (CPUs 0-1) for 3 threads, and the host has 2 cores"))
        #expect(problem.contains("fewer ranks") && !problem.contains("bind-to"))
    }

    @Test func oneLineForManyHosts() throws {
        let ranks = ["a", "b", "c", "d"].map { rank($0, [0], cores: $0 == "a" ? 1 : 4) }
        let problem = try #require(Binding(ranks, threads: 2).problem)
        #expect(problem.hasPrefix("a: rank 0 has") && problem.hasSuffix("(and likewise on 3 other hosts)"))
        #expect(!problem.contains("\n"))
    }
}
