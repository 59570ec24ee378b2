import Foundation
import TestSupport
import Testing

/// Rows of the table of failures in docs/cluster.md, provoked: what is seen is what the table says.
@Suite(.serialized, .enabled(if: Ability.time.isGiven, "\(Ability.time)"))
struct FailureTableTests {
    /// Expects a row of the table to begin with `words` in code.
    private func expectRow(_ words: String) throws {
        let page = try String(contentsOfFile: repositoryFolder + "/docs/cluster.md", encoding: .utf8)
        let rows = page.split(separator: "\n").filter { $0.hasPrefix("| ") }
        let first = rows.map { $0.split(separator: "|").first.map(String.init) ?? "" }
        #expect(first.contains { $0.contains("`\(words)`") }, "docs/cluster.md has no row for \(words)")
    }

    private func ourLines(_ errors: String) -> [Substring] {
        errors.split(separator: "\n").filter { $0.hasPrefix("smd: error: ") }
    }

    /// Runs a job of `ranks` ranks whose command is what `wrap` makes of that of smd.
    private func train(
        _ ranks: Int, wrap: [String], environment: [String: String] = [:],
        _ check: (_ status: Int32, _ errors: String) throws -> Void
    ) throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let result = try mpirun(ranks, wrap + run.command("out"), environment: environment)
            #expect(!FileManager.default.fileExists(atPath: run.path("out/metrics.h5")), "it trained: \(result)")
            try check(result.status, result.errors)
        }
    }

    /// Nothing of the launcher's environment reaches the ranks, as in a container: none trains on its own.
    @Test(arguments: [
        ["env", "-i"], ["bash", "-c", "unset ${!PMIX*} ${!OMPI*}; exec \"$@\"", "-"],
        ["bash", "-c", "unset ${!OMPI*}; exec \"$@\"", "-"], ["env", "-i", "bash", "-c", "\"$@\"; exit $?", "-"],
    ])
    func environmentIsCleared(_ wrap: [String]) throws {
        try train(2, wrap: wrap) { status, errors in
            #expect(status == 1, "\(errors)")
            let words = "started this rank, but its variables did not all reach it"
            let lines = ourLines(errors)
            #expect(!lines.isEmpty, "\(errors)")
            #expect(lines.allSatisfy { $0.contains("mpirun (process ") && $0.contains(words) }, "\(errors)")
            try expectRow(words)
        }
    }

    /// Some of it does not: rank 0 says so for all.
    @Test(arguments: [
        ["bash", "-c", "unset ${!PMIX*}; exec \"$@\"", "-"], ["env", "-u", "PMIX_RANK"],
        ["env", "-u", "PMIX_NAMESPACE"],
    ])
    func environmentIsIncomplete(_ wrap: [String]) throws {
        try train(2, wrap: wrap) { status, errors in
            #expect(status == 1, "\(errors)")
            let lines = ourLines(errors)
            #expect(lines.count == 1 && lines[0].contains(", rank 0 on host "), "\(errors)")
            #expect(lines[0].contains("mpirun started 2 ranks, but its variables did not all reach this one"))
            #expect(!errors.contains("MPI_Init"), "\(errors)")
            try expectRow("but its variables did not all reach this one")
        }
    }

    /// Without what nobody needs, the job runs.
    @Test func environmentIsEnough() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let wrap = ["bash", "-c", "unset ${!OMPI_COMM*}; exec \"$@\"", "-"]
            let result = try mpirun(2, wrap + run.command("out", "steps=1"))
            #expect(result.status == 0 && result.errors.contains("2 ranks × "), "\(result)")
        }
    }

    /// Ranks as other launchers start them, which Open MPI does not know.
    @Test(arguments: [
        (["PMI_RANK": "1", "PMI_SIZE": "2"], "a PMI launcher started 2 ranks but MPI joined 1"),
        (["PMIX_RANK": "1"], "a PMIx launcher started at least 2 ranks but MPI joined 1"),
        (
            ["MV2_COMM_WORLD_SIZE": "3", "MV2_COMM_WORLD_RANK": "0"],
            "the mpirun of MVAPICH started 3 ranks but MPI joined 1"
        ),
        (
            ["SLURM_PROCID": "0", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2", "SLURM_JOB_ID": "1"],
            "srun started 2 ranks without PMIx: launch with srun --mpi=pmix"
        ),
    ])
    func otherLauncher(_ variables: [String: String], _ words: String) throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let result = try TestSupport.run(
                run.command("out"), environment: localMPISettings().merging(variables) { $1 }, timeout: 60)
            #expect(result.status == 1 && ourLines(result.errors).count == 1, "\(result)")
            #expect(result.errors.contains(words), "\(result)")
            #expect(!FileManager.default.fileExists(atPath: run.path("out")))
        }
        try expectRow("started 64 ranks but MPI joined 1")
    }

    @Test func tooFewSlots() throws {
        try withTemporaryDirectory { folder in
            let hosts = folder + "/hosts"
            try "localhost slots=2\n".write(toFile: hosts, atomically: true, encoding: .utf8)
            let real = ["OMPI_MCA_rmaps_base_oversubscribe": "0"]
            let words = "There are not enough slots available"
            let bare = try mpirun(3, ["true"], arguments: ["--hostfile", hosts], environment: real)
            #expect(bare.status == 1 && bare.errors.contains(words), "\(bare)")
            let run = try Run(in: folder)
            let ours = try TestSupport.run(
                [ScriptedLaunch.launcher, "-n", "3", "--hostfile", hosts] + run.command("out").dropFirst(2),
                environment: localMPISettings().merging(real) { $1 }.merging(["SMD": product("smd")]) { $1 },
                timeout: 60)
            // Not started again, as nothing would change.
            #expect(ours.status == 1 && ours.errors.contains(words), "\(ours)")
            #expect(ours.errors.components(separatedBy: words).count == 2, "\(ours)")
            try expectRow(words)
        }
    }

    /// Slots that do not have as many cores as threads.
    @Test func tooFewCoresForThreads() throws {
        try withTemporaryDirectory { folder in
            let hosts = folder + "/hosts"
            try "localhost slots=64\n".write(toFile: hosts, atomically: true, encoding: .utf8)
            let run = try Run(in: folder)
            let cores = ProcessInfo.processInfo.processorCount
            let result = try TestSupport.run(
                [ScriptedLaunch.launcher, "-n", "2", "--threads", "\(cores)", "--hostfile", hosts]
                    + run.command("out").dropFirst(2),
                environment: localMPISettings().merging(["SMD": product("smd")]) { $1 }, timeout: 60)
            #expect(result.status == 1, "\(result)")
            // Which one depends on whether the first rank finds its cores.
            let words = [
                "A request was made to bind to that would result in binding more",
                "While computing bindings, we found no available cpus",
            ]
            #expect(words.contains { result.errors.contains($0) }, "\(result)")
            for word in words { try expectRow(word) }
        }
    }

    @Test(.enabled(if: getuid() == 0, "not root")) func runAsRoot() throws {
        let words = "mpirun has detected an attempt to run as root"
        let result = try run(
            ["env", "-u", "OMPI_ALLOW_RUN_AS_ROOT", "mpirun", "-n", "1", "true"], timeout: 60)
        #expect(result.status == 1 && result.errors.contains(words), "\(result)")
        try expectRow(words)
    }

    @Test func programIsMissing() throws {
        let words = "mpirun was unable to launch the specified application"
        let result = try mpirun(2, ["/nowhere/smd", "train"])
        #expect(result.status == 132 && result.errors.contains(words), "\(result)")
        try expectRow(words)
    }

    /// A copy that needs a library nobody has.
    @Test func libraryIsMissing() throws {
        try withTemporaryDirectory { folder in
            var program = try Data(contentsOf: URL(fileURLWithPath: product("rank-program")))
            let name = try #require(program.range(of: Data("libmpi.so".utf8)))
            program.replaceSubrange(name, with: Data("libnot.so".utf8))
            let path = folder + "/rank-program"
            try program.write(to: URL(fileURLWithPath: path))
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
            let result = try mpirun(2, [path, "where"])
            #expect(result.status == 127, "\(result)")
            #expect(result.errors.contains("error while loading shared libraries: libnot.so"), "\(result)")
            try expectRow("error while loading shared libraries")
        }
    }

    /// A host that cannot be reached through ssh, for which a script stands.
    @Test func sshIsRefused() throws {
        try withTemporaryDirectory { folder in
            let agent = folder + "/ssh"
            try "#!/bin/sh\necho \"$1: Permission denied (publickey).\" >&2; exit 255\n"
                .write(toFile: agent, atomically: true, encoding: .utf8)
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: agent)
            let result = try mpirun(
                1, ["true"], arguments: ["--host", "192.0.2.1", "--mca", "plm_rsh_agent", agent])
            #expect(result.status == 255, "\(result)")
            #expect(result.errors.contains("Permission denied (publickey)"), "\(result)")
            #expect(result.errors.contains("ORTE was unable to reliably start one or more daemons"), "\(result)")
            try expectRow("Permission denied (publickey)")
            try expectRow("ORTE was unable to reliably start one or more daemons")
        }
    }

    @Test func networkIsMissing() throws {
        // Either, as it comes; and now and then mpirun loses the message of a rank on its way ("Data unpack would read past
        // end of buffer").
        let words = ["unable to reach each other", "at least one MPI process is unreachable"]
        let attempts = try (0..<3).map { _ in
            try mpirun(
                2, [product("rank-program"), "where"],
                environment: ["OMPI_MCA_btl": "self,tcp", "OMPI_MCA_btl_tcp_if_include": "no-such-0"])
        }
        #expect(attempts.allSatisfy { $0.status != 0 }, "\(attempts)")
        #expect(attempts.contains { attempt in words.contains { attempt.errors.contains($0) } }, "\(attempts)")
        for word in words { try expectRow(word) }
    }

    /// A container that forbids cross-memory attach: every sum is right, but takes longer.
    @Test(.enabled(if: Ability.tracing.isGiven, "\(Ability.tracing)"))
    func crossMemoryAttachIsForbidden() throws {
        let calls = "process_vm_readv,process_vm_writev"
        let trace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=\(calls)", "-e"]
        let result = try run(
            trace + ["inject=\(calls):error=EPERM", "mpirun", "-n", "2", product("smd"), "bench", "allreduce"]
                + ["--size", "1MiB", "--repeat", "1", "--warmup", "0"],
            environment: localMPISettings().merging(["OMPI_MCA_btl_vader_single_copy_mechanism": "cma"]) { $1 },
            timeout: 120)
        #expect(result.status == 0, "\(result)")
        #expect(result.errors.contains(#/Read -1, expected \d+, errno = 1/#), "\(result)")
        try expectRow("Read -1, expected N, errno = 1")
    }
}
