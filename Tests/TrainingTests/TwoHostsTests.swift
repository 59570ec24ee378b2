import Foundation
import Storage
import TestSupport
import Testing

/// Two hosts, for which two network namespaces stand (launch/two-hosts). Where none can be made, the tests say so and
/// make do with two ranks of this host that talk over TCP.
@Suite(.serialized)
struct TwoHostsTests {
    private static let script = repositoryFolder + "/launch/two-hosts"

    /// Why there are no namespaces; nil when there are.
    private static let obstacle: String? = {
        let name = "smd-try-\(getpid())"
        do {
            let made = try run(["ip", "netns", "add", name], timeout: 20)
            guard made.status == 0 else { return made.errors }
            _ = try run(["ip", "netns", "del", name], timeout: 20)
            let named = try run(["unshare", "--uts", "hostname", name], timeout: 20)
            return named.status == 0 ? nil : named.errors
        } catch {
            return "\(error)"
        }
    }()

    private func onTwoHosts(
        _ command: [String], cut: Int? = nil
    ) throws -> (status: Int32, output: String, errors: String) {
        if let obstacle = Self.obstacle {
            print("TwoHostsTests: no network namespaces here, two ranks of one host over TCP instead: \(obstacle)")
            return try mpirun(
                2, command, environment: ["OMPI_MCA_btl": "self,tcp", "OMPI_MCA_btl_tcp_if_include": "lo"])
        }
        return try run(
            [Self.script] + (cut.map { ["--cut", "\($0)"] } ?? []) + command, environment: ["OMP_NUM_THREADS": "1"],
            timeout: 120)
    }

    /// Training over TCP gives the bits that training on one host gives.
    @Test func sameTraining() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let far = try onTwoHosts(run.command("far"))
            #expect(far.status == 0, "\(far)")
            let near = try run.train(2, run.command("near"))
            #expect(near.status == 0, "\(near)")
            try expectSameState(run, "near", "far", step: 6)
        }
    }

    /// A rank that is stopped is named by the other host, whichever it is.
    @Test(arguments: Torture.isLong("stops") ? [0, 1] : [1]) func stoppedRank(victim: Int) throws {
        let result = try onTwoHosts([product("rank-program"), "watched", "3", "\(victim)", "stop", "forward"])
        #expect(result.status == 75, "\(result)")
        let lines = result.errors.split(separator: "\n").filter { $0.hasPrefix("rank-program: error: ") }
        #expect(lines.count == 1, "\(result)")
        let host = Self.obstacle == nil ? ["smd-a-", "smd-b-"][victim] : ""
        #expect(lines.first?.hasPrefix("rank-program: error: rank \(victim) on host \(host)") == true, "\(result)")
        #expect(lines.first?.contains("has given no sign of life for ") == true, "\(result)")
    }

    /// A host that vanishes in the middle of training ends the job on both sides, so that it can be started again.
    @Test func lostHost() throws {
        guard Self.obstacle == nil else { return try stoppedRank(victim: 1) }
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let command = run.command("out", "steps=1000000", "checkpoint_every=0") + ["--deadline", "15"]
            let start = ContinuousClock.now
            let result = try onTwoHosts(command, cut: 4)
            let seconds = (ContinuousClock.now - start) / .seconds(1)
            #expect(result.errors.contains("takes the cable out"), "\(result)")
            // 205 is mpirun's own, whose connection to the host may break first; launch/run starts both again.
            #expect([75, 205].contains(result.status), "\(result)")
            #expect(result.errors.contains(#/Remote daemon: .* on node 10\.77\.\d+\.2|on host smd-b-/#), "\(result)")
            #expect(seconds < 4 + 15 + 5 + 3, "\(seconds) s")
            #expect(try processesLeft(matching: folder).isEmpty)
        }
    }
}
