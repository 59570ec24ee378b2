import Foundation
import TestSupport
import Testing

/// srun of a Slurm of one node, where one can be started. launch/torture slurm runs whole jobs under it.
@Suite(.enabled(if: Ability.slurm.isGiven, "\(Ability.slurm)"), .enabled(if: Ability.time.isGiven, "\(Ability.time)"))
struct SlurmTests {
    /// Ranks that srun starts find each other, or none of them trains.
    @Test func howRanksAreStarted() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            // Each case writes what it says and its status to a file.
            let script = """
                cd '\(folder)'
                try() {
                    local name=$1
                    shift
                    srun --overcommit -n 2 "$@" '\(product("smd"))' train run.yaml --set data='\(run.data)' \\
                        --output $name >$name.log 2>&1
                    echo "status $?" >>$name.log
                }
                try pmix --mpi=pmix
                try none --mpi=none
                try pmi2 --mpi=pmi2
                try cleared --mpi=pmix env -i
                """
            let result = try TestSupport.run(
                [repositoryFolder + "/Tests/Slurm/one-node", "bash", "-c", script],
                environment: localMPISettings(), timeout: 240)
            #expect(result.status == 0, "\(result)")
            func log(_ name: String) throws -> String {
                try String(contentsOfFile: run.path(name + ".log"), encoding: .utf8)
            }
            let (pmix, none, pmi2, cleared) = (
                try log("pmix"), try log("none"), try log("pmi2"), try log("cleared")
            )
            #expect(pmix.hasSuffix("status 0\n") && pmix.contains("2 ranks × "), "\(pmix)")
            for (name, log) in [("none", none), ("pmi2", pmi2), ("cleared", cleared)] {
                #expect(log.hasSuffix("status 1\n"), "\(name): \(log)")
                #expect(!FileManager.default.fileExists(atPath: run.path(name + "/metrics.h5")), "\(name): \(log)")
            }
            #expect(none.contains("srun started 2 ranks without PMIx: launch with srun --mpi=pmix"), "\(none)")
            #expect(!none.contains("MPI_Init"), "\(none)")
            #expect(pmi2.contains("if MPI does not start, launch with srun --mpi=pmix"), "\(pmi2)")
            #expect(pmi2.contains("OMPI was not built with SLURM's PMI support"), "\(pmi2)")
            let words = "its variables did not all reach it"
            #expect(cleared.contains("slurmstepd (process ") && cleared.contains(words), "\(cleared)")
        }
    }
}
