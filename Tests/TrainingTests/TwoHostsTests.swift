import Foundation
import Storage
import TestSupport
import Testing

/// Two hosts, for which two network namespaces stand (launch/two-hosts).
@Suite(
    .serialized, .enabled(if: Ability.namespaces.isGiven, "\(Ability.namespaces)"),
    .enabled(if: Ability.time.isGiven, "\(Ability.time)"))
struct TwoHostsTests {
    private func onTwoHosts(
        _ command: [String], options: [String] = []
    ) throws -> (status: Int32, output: String, errors: String) {
        try run(
            [repositoryFolder + "/launch/two-hosts"] + options + command,
            environment: ["OMP_NUM_THREADS": "1"], timeout: 120)
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
        let host = ["smd-a-", "smd-b-"][victim]
        #expect(lines.first?.hasPrefix("rank-program: error: rank \(victim) on host \(host)") == true, "\(result)")
        #expect(lines.first?.contains("has given no sign of life for ") == true, "\(result)")
    }

    /// A firewall that lets no UDP through hinders no job, but is told of, though steps show that all are alive.
    @Test func watchdogsAreNotHeard() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let command = run.command("out", "steps=1000000", "checkpoint_every=0")
            let result = try onTwoHosts(
                command + ["--deadline", "4", "--max-hours", "0.003"], options: ["--block-udp"])
            #expect(result.status == 75, "\(result)")
            #expect(result.errors.contains("the time is up"), "\(result)")
            #expect(result.errors.contains("no messages of the watchdogs on smd-b-"), "\(result)")
        }
    }

    /// A host that vanishes in the middle of training ends the job on both sides, so that it can be started again.
    @Test func lostHost() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let command = run.command("out", "steps=1000000", "checkpoint_every=0") + ["--deadline", "15"]
            let start = ContinuousClock.now
            let result = try onTwoHosts(command, options: ["--cut", "4"])
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

/// Without hosts of their own, and so everywhere: two ranks that talk over TCP.
@Suite(.enabled(if: Ability.time.isGiven, "\(Ability.time)"))
struct OverTCPTests {
    @Test func sameTraining() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let tcp = try mpirun(
                2, run.command("tcp"),
                environment: ["OMPI_MCA_btl": "self,tcp", "OMPI_MCA_btl_tcp_if_include": "lo"])
            #expect(tcp.status == 0, "\(tcp)")
            let near = try run.train(2, run.command("near"))
            #expect(near.status == 0, "\(near)")
            try expectSameState(run, "near", "tcp", step: 6)
        }
    }
}
