import Foundation

/// A launcher among the processes above this one.
///
/// A container, `sudo` or `env -i` between launcher and rank takes away the variables that tell a rank of the others.
/// Every rank would then train the same on its own, in the same folder. Processes cannot be taken away as easily.
struct LauncherAbove: Equatable {
    /// Name of its program: "mpirun".
    let name: String
    /// Number of its process.
    let process: Int32

    /// What is wrong and what to do about it.
    var problem: String {
        "\(name) (process \(process)) started this rank, but its variables did not all reach it (OMPI_COMM_WORLD_SIZE, "
            + "PMIX_RANK, SLURM_STEP_ID …), and every rank would work alone: let a container, sudo or env pass the whole "
            + "environment on, or start one process without \(name)"
    }

    /// Programs whose children are ranks, as the kernel cuts their names: 15 bytes.
    private static let launchers: Set = [
        "mpirun", "mpiexec", "mpiexec.hydra", "orterun", "orted", "prterun", "prted", "hydra_pmi_proxy",
        "hydra_bstrap_pr", "mpirun_rsh", "mpispawn",
    ]

    /// The nearest one above this process, which has the variables `environment`; nil without.
    static func find(_ environment: [String: String]) -> LauncherAbove? {
        // Slurm's daemon stands above batch scripts and interactive shells, too, where Slurm's variables say so.
        let isSlurmKnown = environment["SLURM_JOB_ID"] != nil
        var process = getppid()
        for _ in 0..<64 {
            guard process > 1, let above = ProcessEntry(process) else { return nil }
            if launchers.contains(above.name) || (!isSlurmKnown && isStep(above)) {
                return LauncherAbove(name: above.name, process: process)
            }
            process = above.parent
        }
        return nil
    }

    /// Whether it is the daemon of a step that srun started, which calls itself "slurmstepd: [4.0]", and not that of a
    /// batch script or of salloc's shell: "[4.batch]", "[4.interactive]".
    private static func isStep(_ above: ProcessEntry) -> Bool {
        guard above.name == "slurmstepd" else { return false }
        let bytes = FileManager.default.contents(atPath: "/proc/\(above.process)/cmdline") ?? Data()
        let title = String(decoding: bytes, as: UTF8.self)
        return ![".batch", ".interactive", ".extern"].contains { title.contains($0) }
    }
}

/// What the kernel says of a process.
private struct ProcessEntry {
    let process: Int32
    let name: String
    let parent: Int32

    init?(_ process: Int32) {
        // "PID (name) STATE PARENT …", where the name may hold anything.
        guard let bytes = FileManager.default.contents(atPath: "/proc/\(process)/stat") else { return nil }
        let text = String(decoding: bytes, as: UTF8.self)
        guard let start = text.firstIndex(of: "("), let end = text.lastIndex(of: ")"), start < end else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 1, let parent = Int32(fields[1]) else { return nil }
        self.process = process
        name = String(text[text.index(after: start)..<end])
        self.parent = parent
    }
}
