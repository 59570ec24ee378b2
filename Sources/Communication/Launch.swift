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
    /// Number of this rank, if the launcher says.
    public let rank: Int?

    /// Describes a launch by `launcher` of `size` ranks, of which this is number `rank`.
    public init(launcher: String, size: Int?, rank: Int? = nil) {
        self.launcher = launcher
        self.size = size
        self.rank = rank
    }

    /// The launch that `environment` tells of, or nil when no launcher started this process.
    ///
    /// A Slurm batch script is no launch, though Slurm sets `SLURM_PROCID` there: only its steps (`srun`) are, and
    /// only those of several tasks.
    public static func detect(in environment: [String: String]) -> Launch? {
        func integer(_ name: String) -> Int? { environment[name].flatMap { Int($0) } }
        // mpirun first: inside a Slurm step its own numbers are the true ones.
        if let size = integer("OMPI_COMM_WORLD_SIZE") {
            return Launch(
                launcher: "mpirun", size: size, rank: integer("OMPI_COMM_WORLD_RANK") ?? integer("PMIX_RANK"))
        }
        let step = environment["SLURM_STEP_ID"] ?? environment["SLURM_STEPID"]
        let tasks = step == nil ? nil : integer("SLURM_STEP_NUM_TASKS") ?? integer("SLURM_NTASKS")
        if let size = integer("PMI_SIZE"), let rank = integer("PMI_RANK") {
            return Launch(launcher: tasks == nil ? "a PMI launcher" : "srun", size: size, rank: rank)
        }
        if let rank = integer("PMIX_RANK") {
            return Launch(launcher: tasks == nil ? "a PMIx launcher" : "srun", size: tasks, rank: rank)
        }
        if let size = integer("MV2_COMM_WORLD_SIZE") {
            return Launch(launcher: "the mpirun of MVAPICH", size: size, rank: integer("MV2_COMM_WORLD_RANK"))
        }
        if let tasks, tasks > 1, let rank = integer("SLURM_PROCID") {
            return Launch(launcher: "srun", size: tasks, rank: rank)
        }
        return nil
    }

    /// Why MPI cannot join the ranks of this launch, where `environment` shows it; nil otherwise. MPI itself would write
    /// a page from every rank.
    func obstacle(in environment: [String: String]) -> String? {
        guard let size, size > 1, !Self.hasPMIx(environment) else { return nil }
        switch launcher {
        case "mpirun":
            return "mpirun started \(size) ranks, but its variables did not all reach this one (PMIX_NAMESPACE, "
                + "PMIX_RANK, PMIX_SERVER_URI…): let a container, sudo or env pass the whole environment on"
        case "srun" where environment["PMI_RANK"] == nil && environment["PMI_FD"] == nil:
            return "srun started \(size) ranks without PMIx: launch with srun --mpi=pmix"
        default: return nil
        }
    }

    /// What is likely to be wrong if MPI does not start; nil when nothing is. PMI without the x is a matter of how Open
    /// MPI was built.
    public static func doubt(in environment: [String: String]) -> String? {
        guard let launch = detect(in: environment), launch.launcher == "srun", launch.rank == 0, !hasPMIx(environment)
        else { return nil }
        return "srun started the ranks with PMI, not PMIx: if MPI does not start, launch with srun --mpi=pmix"
    }

    /// Whether there is all that a rank needs to find the server of its launcher.
    private static func hasPMIx(_ environment: [String: String]) -> Bool {
        environment["PMIX_NAMESPACE"] != nil && environment["PMIX_RANK"] != nil
            && environment.keys.contains { $0.hasPrefix("PMIX_SERVER_URI") }
    }
}

/// The group this process belongs to: all ranks when mpirun or srun launched it, else this process alone, and then
/// without touching MPI.
///
/// - Throws: `CommunicationError` when MPI does not start, or when it does not see the ranks that the launcher
///   started (each rank would then train alone and write over the others' files).
public func openCommunicator() throws -> any Communicator {
    let environment = ProcessInfo.processInfo.environment
    func failure(_ message: String, rank: Int?) -> CommunicationError {
        CommunicationError(call: "joining the other ranks", message: message, rank: rank)
    }
    guard let launch = Launch.detect(in: environment) else {
        if let launcher = LauncherAbove.find(environment) { throw failure(launcher.problem, rank: nil) }
        return SingleProcess()
    }
    if let obstacle = launch.obstacle(in: environment) { throw failure(obstacle, rank: launch.rank) }
    let communicator = try MPICommunicator()
    // A launcher that says how many ranks there are, but for what took its variables away.
    if launch.size == nil, communicator.size == 1, let launcher = LauncherAbove.find(environment) {
        throw failure(launcher.problem, rank: launch.rank)
    }
    // Where the launcher does not say how many there are, a rank that is beyond those that joined shows it.
    let started = launch.size ?? max(communicator.size, (launch.rank ?? 0) + 1)
    if started != communicator.size {
        throw failure(
            "\(launch.launcher) started \(launch.size == nil ? "at least " : "")\(started) ranks but MPI joined "
                + "\(communicator.size): launch with the mpirun of "
                + "\(MPICommunicator.mpiVersion.prefix { $0 != "," }), or with srun --mpi=pmix",
            rank: launch.rank ?? communicator.rank)
    }
    return communicator
}
