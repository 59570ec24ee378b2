import Foundation

/// Something that not every machine, or not every user, gives, and that some tests need. Each is tried once a process.
///
///     @Test(.enabled(if: Ability.mounting.isGiven, "\(Ability.mounting)"))
///
/// A test without it shows as skipped, with the reason; launch/test counts them.
public struct Ability: CustomStringConvertible, Sendable {
    /// Why it is not given; nil when it is.
    public let obstacle: String?

    /// Whether tests that need it run.
    public var isGiven: Bool { obstacle == nil }

    /// The reason for a skipped test.
    public var description: String { obstacle ?? "given" }

    /// Tries `attempts` one after the other; the first that fails is why `what` cannot be done.
    private init(_ what: String, _ attempts: [String]...) {
        obstacle =
            attempts.lazy.compactMap { command -> String? in
                do {
                    let result = try run(command, timeout: 60)
                    if result.status == 0 { return nil }
                    let line = result.errors.split(separator: "\n").first ?? "\(command[0]) ended with \(result.status)"
                    return "\(what): \(line)"
                } catch {
                    return "\(what): \(error)"
                }
            }.first
    }

    private init(obstacle: String?) { self.obstacle = obstacle }

    /// Time for tests that start jobs of several ranks, kill them, or wait: not with `launch/test --quick`.
    public static let time = Ability(
        obstacle: ProcessInfo.processInfo.environment["SMD_QUICK"] == nil ? nil : "left out by --quick")

    /// Mounting file systems: needs root, and in a container the right to mount.
    public static let mounting = Ability(
        "no file system can be mounted",
        ["unshare", "--mount", "mount", "-t", "tmpfs", "smd-test", "/tmp"])

    /// Making network namespaces, each with a host name of its own, and mounting in them.
    public static let namespaces = Ability(
        "no network namespaces can be made",
        ["bash", "-c", "ip netns add smd-try-$$ && ip netns del smd-try-$$"],
        ["unshare", "--uts", "hostname", "smd-try"])

    /// Letting system calls of other processes fail.
    public static let tracing = Ability(
        "no processes can be traced (strace; in a container: --cap-add SYS_PTRACE)",
        ["strace", "-qq", "-o", "/dev/null", "true"])

    /// A Slurm of one node (Tests/Slurm/one-node).
    public static let slurm = Ability(
        "no Slurm can be started (packages slurm-wlm and munge, as root)",
        ["bash", "-c", "((EUID == 0)) || { echo 'not root' >&2; exit 1; }"],
        [
            "bash", "-c",
            "PATH=$PATH:/usr/sbin; for tool in munged slurmctld slurmd srun; do command -v $tool "
                + "|| { echo \"$tool is not installed\" >&2; exit 1; }; done",
        ])

    /// Looking over shell scripts.
    public static let shellCheck = Ability("scripts cannot be looked over", ["shellcheck", "--version"])

    /// Making a locale whose numbers have a comma (`withCommaLocale`).
    public static let commaLocale = Ability(
        "no locale with a decimal comma can be made",
        [
            "bash", "-c",
            "folder=$(mktemp -d); trap 'rm -rf \"$folder\"' EXIT; "
                + "localedef -i de_DE -f UTF-8 \"$folder/de_DE.UTF-8\" && [[ -d $folder/de_DE.UTF-8 ]]",
        ])
}

/// Calls `body` with the variables of an environment in which numbers have a decimal comma.
public func withCommaLocale<T>(_ body: ([String: String]) throws -> T) throws -> T {
    try withTemporaryDirectory { folder in
        let made = try run(["localedef", "-i", "de_DE", "-f", "UTF-8", folder + "/de_DE.UTF-8"], timeout: 60)
        let environment = ["LOCPATH": folder, "LC_ALL": "de_DE.UTF-8"]
        let half = try run(["bash", "-c", "printf %.1f 0,5"], environment: environment, timeout: 20)
        guard made.status == 0, half.output == "0,5" else {
            throw SubprocessError(description: "no decimal comma: \(made.errors)\(half)")
        }
        return try body(environment)
    }
}
