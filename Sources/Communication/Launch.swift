import Foundation

/// How this process was launched, as the environment that launchers set tells it.
///
/// Starting MPI in a process that no launcher started costs time and a helper process, so it is done only when one
/// did.
public struct Launch: Equatable, Sendable {
    /// What launched this rank, in words.
    public let launcher: String
    /// Number of ranks the launcher says it started, if it says.
    public let size: Int?

    /// Describes a launch by `launcher` of `size` ranks.
    public init(launcher: String, size: Int?) {
        self.launcher = launcher
        self.size = size
    }

    /// The launch that `environment` tells of, or nil when no launcher started this process.
    ///
    /// A Slurm batch script is no launch, though Slurm sets `SLURM_PROCID` there: only its steps (`srun`) are, and
    /// only those of several tasks.
    public static func detect(in environment: [String: String]) -> Launch? {
        func integer(_ name: String) -> Int? { environment[name].flatMap { Int($0) } }
        // mpirun first: inside a Slurm step its own numbers are the true ones.
        if let size = integer("OMPI_COMM_WORLD_SIZE") { return Launch(launcher: "mpirun", size: size) }
        let step = environment["SLURM_STEP_ID"] ?? environment["SLURM_STEPID"]
        let tasks = step == nil ? nil : integer("SLURM_STEP_NUM_TASKS") ?? integer("SLURM_NTASKS")
        if let size = integer("PMI_SIZE"), integer("PMI_RANK") != nil {
            return Launch(launcher: tasks == nil ? "a PMI launcher" : "srun", size: size)
        }
        if integer("PMIX_RANK") != nil {
            return Launch(launcher: tasks == nil ? "a PMIx launcher" : "srun", size: tasks)
        }
        if let tasks, tasks > 1, integer("SLURM_PROCID") != nil { return Launch(launcher: "srun", size: tasks) }
        return nil
    }
}

/// The group this process belongs to: all ranks when mpirun or srun launched it, else this process alone, and then
/// without touching MPI.
///
/// - Throws: `CommunicationError` when MPI does not start, or when it does not see the ranks that the launcher
///   started (each rank would then train alone and write over the others' files).
public func openCommunicator() throws -> any Communicator {
    guard let launch = Launch.detect(in: ProcessInfo.processInfo.environment) else { return SingleProcess() }
    let communicator = try MPICommunicator()
    if let size = launch.size, size != communicator.size {
        throw CommunicationError(
            call: "MPI_Init_thread",
            message: "\(launch.launcher) started \(size) ranks but MPI joined \(communicator.size): "
                + "launch with the mpirun of \(MPICommunicator.mpiVersion.prefix { $0 != "," }), "
                + "or with srun --mpi=pmix",
            rank: communicator.rank, host: communicator.host)
    }
    return communicator
}
