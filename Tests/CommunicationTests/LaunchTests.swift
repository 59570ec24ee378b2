import Communication
import Testing

/// Environments as the launchers set them.
@Suite struct LaunchTests {
    @Test func noLauncher() {
        #expect(Launch.detect(in: [:]) == nil)
        #expect(Launch.detect(in: ["PATH": "/bin", "OMPI_MCA_btl": "self", "PMI_RANK": "0"]) == nil)
    }

    @Test func mpirun() {
        let environment = ["OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "1", "PMIX_RANK": "1"]
        #expect(Launch.detect(in: environment) == Launch(launcher: "mpirun", size: 4, rank: 1))
        #expect(Launch.detect(in: ["OMPI_COMM_WORLD_SIZE": "1"])?.size == 1)
    }

    /// mpirun inside a Slurm job starts its daemons as a step of one task a host: mpirun's own number is the true one.
    @Test func mpirunInsideSlurm() {
        let environment = [
            "OMPI_COMM_WORLD_SIZE": "16", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "0",
        ]
        #expect(Launch.detect(in: environment) == Launch(launcher: "mpirun", size: 16))
    }

    @Test func slurmBatchScriptIsNoLaunch() {
        #expect(Launch.detect(in: ["SLURM_PROCID": "0", "SLURM_NTASKS": "8", "SLURM_JOB_ID": "5"]) == nil)
    }

    @Test func slurmStep() {
        var environment = ["SLURM_PROCID": "2", "SLURM_NTASKS": "8", "SLURM_STEP_ID": "0"]
        #expect(Launch.detect(in: environment) == Launch(launcher: "srun", size: 8, rank: 2))
        // A step may have fewer tasks than the job.
        environment["SLURM_STEP_NUM_TASKS"] = "4"
        #expect(Launch.detect(in: environment)?.size == 4)
        environment["PMIX_RANK"] = "2"
        #expect(Launch.detect(in: environment) == Launch(launcher: "srun", size: 4, rank: 2))
        #expect(Launch.detect(in: ["SLURM_PROCID": "0", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "1"]) == nil)
    }

    @Test func otherLaunchers() {
        #expect(
            Launch.detect(in: ["PMI_RANK": "1", "PMI_SIZE": "3"])
                == Launch(launcher: "a PMI launcher", size: 3, rank: 1))
        #expect(Launch.detect(in: ["PMIX_RANK": "1"]) == Launch(launcher: "a PMIx launcher", size: nil, rank: 1))
    }
}
