import Communication
import Planning
import Testing
import Training

/// Judgements on hosts that are made up: each thing that can be wrong is found, named and mended.
@Suite struct DoctorTests {
    private func facts(_ host: String, _ change: (inout RankFacts) -> Void = { _ in }) -> RankFacts {
        var facts = RankFacts(host: host)
        (facts.smd, facts.mpi, facts.hdf5) = ("1.0", "Open MPI v4.1.4, package: Debian", "1.10.8")
        (facts.peakGflops, facts.hasBFloat16) = (100, true)
        (facts.availableMemory, facts.sharedMemory, facts.temporary) = (8 << 30, 1 << 30, 1 << 30)
        change(&facts)
        return facts
    }

    @Test func launcher() {
        let library = "Open MPI v4.1.4, package: Debian OpenMPI"
        #expect(Finding.noLauncher(mpirun: "mpirun (Open MPI) 4.1.4", library: library).verdict == .ok)
        let other = Finding.noLauncher(mpirun: "HYDRA build details:", library: library)
        #expect(other.verdict == .warning && other.text.contains("smd uses Open MPI v4.1.4"))
        #expect(Finding.noLauncher(mpirun: "mpirun (Open MPI) 5.0.1", library: library).verdict == .warning)
        #expect(Finding.noLauncher(mpirun: nil, library: library).fix?.contains("launch/setup") == true)
    }

    @Test func versions() {
        #expect(Finding.versions([facts("a"), facts("b")]).verdict == .ok)
        let smd = Finding.versions([facts("a"), facts("a"), facts("b") { $0.smd = "0.9" }])
        #expect(smd.verdict == .failure && smd.text == "smd is 1.0 on rank 0 (a) but 0.9 on rank 2 (b)")
        #expect(Finding.versions([facts("a"), facts("b") { $0.hdf5 = "1.14.0" }]).text.hasPrefix("HDF5 is 1.10.8"))
    }

    @Test func placement() {
        let even = Placement(rank: 0, hostNames: ["a", "a", "b", "b"])
        #expect(Finding.placement(even) == .ok("ranks per host", "2 × 2"))
        let uneven = Finding.placement(Placement(rank: 0, hostNames: ["a", "a", "b"]))
        #expect(uneven.verdict == .warning && uneven.text == "uneven: a 2, b 1")
    }

    @Test func binding() {
        let core = Binding.Rank(host: "a", cpus: [0], cores: [0], coresOnHost: 8)
        #expect(Finding.binding(Binding([core], threads: 1)).verdict == .ok)
        let short = Finding.binding(Binding([core], threads: 4))
        #expect(short.verdict == .warning && short.text.contains("1 core (CPU 0) for 4 threads"))
        #expect(short.fix?.hasPrefix("start with launch/run") == true)
    }

    @Test func slowCore() {
        #expect(Finding.speed([facts("a")]).verdict == .ok)
        let slow = Finding.speed([facts("a"), facts("b"), facts("c") { $0.peakGflops = 41 }])
        #expect(slow.verdict == .warning)
        #expect(slow.text == "rank 2 on c computes at 0.41 of what is usual here")
    }

    @Test func precision() {
        let two = [facts("a"), facts("b") { $0.hasBFloat16 = false }]
        #expect(Finding.precision(.bf16, [facts("a")]) == .ok("precision", "bf16"))
        #expect(Finding.precision(.fp32, two) == .ok("precision", "fp32"))
        #expect(Finding.precision(.bf16Emulated, two) == .ok("precision", "bf16-emulated"))
        #expect(Finding.precision(nil, two).verdict == .ok && Finding.precision(nil, two).text.hasPrefix("fp32"))
        let old = Finding.precision(.bf16, two)
        #expect(old.verdict == .warning && old.fix?.contains("bf16-emulated") == true)
        #expect(
            old.text == "bf16 will run in fp32: no fast bf16 (AMX, or AMD's AVX512_BF16) on 1 of 2 ranks (rank 1 on b)")
    }

    @Test func sharedMemory() {
        #expect(Finding.temporary([facts("a")]).verdict == .ok)
        let small = Finding.temporary([facts("a"), facts("b") { $0.sharedMemory = 1 << 20 }])
        #expect(small.verdict == .failure && small.text.contains("b (rank 1) has 1 MiB free in /dev/shm"))
        let full = Finding.temporary([facts("a") { $0.temporary = 0 }])
        #expect(full.verdict == .failure && full.fix?.contains("TMPDIR") == true)
    }

    @Test func clocks() {
        #expect(Finding.clocks([0, 0.2, -0.9], hosts: ["a", "b", "c"]).verdict == .ok)
        let behind = Finding.clocks([0, 0.2, -3.25], hosts: ["a", "b", "c"])
        #expect(behind.verdict == .warning && behind.text == "the clock of c is 3.2 s behind that of a")
        #expect(Finding.clocks([0, 60], hosts: ["a", "b"]).text == "the clock of b is 60.0 s ahead of that of a")
    }

    @Test func memory() {
        let needs = RunNeeds(firstRankBytes: 5 << 30, rankBytes: 2 << 30, diskBytes: 1 << 30)
        #expect(Finding.memory([facts("a"), facts("a")], needs: needs).verdict == .ok)
        let short = Finding.memory([facts("a"), facts("a"), facts("a")], needs: needs)
        #expect(short.verdict == .failure)
        #expect(short.text == "a has 8,192 MiB available for 3 ranks, which need 9,216 MiB")
        #expect(Finding.memory([facts("a"), facts("b"), facts("b")], needs: needs).verdict == .ok)
        #expect(Finding.memory([facts("a") { $0.availableMemory = 1 << 20 }], needs: nil).verdict == .warning)
    }

    @Test func folder() {
        let needs = RunNeeds(firstRankBytes: 0, rankBytes: 0, diskBytes: 10 << 30)
        func judge(_ free: Int?, _ needs: RunNeeds?) -> Finding {
            .folder("/runs", free: free, writeRate: 100 * 1_048_576, needs: needs)
        }
        #expect(judge(11 << 30, needs).verdict == .ok && judge(nil, needs).verdict == .ok)
        #expect(judge(9 << 30, needs).verdict == .failure)
        #expect(judge(9 << 30, nil).text == "/runs: 9,216 MiB free, 100 MiB/s written and compared")
        #expect(judge(1 << 20, nil).verdict == .warning)
    }

    @Test func sharedFolder() {
        #expect(Finding.shared("/runs", isVisible: [true, true], hosts: ["a", "b"]).verdict == .ok)
        let blind = Finding.shared("/runs", isVisible: [true, true, false, false], hosts: ["a", "a", "b", "b"])
        #expect(blind.verdict == .warning && blind.text == "/runs is another folder on b than on a")
    }

    @Test func allReduce() {
        #expect(Finding.allReduce(latency: 1e-6, bandwidth: 1, hosts: 2).verdict == .ok)
        let slow = Finding.allReduce(latency: 1e-3, bandwidth: 0.05, hosts: 2)
        #expect(slow.verdict == .warning && slow.fix?.contains("btl_tcp_if_include") == true)
    }
}
