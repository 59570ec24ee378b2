import Foundation

/// How hard the tests of reliability try: a short version in `launch/test`, a long one in `launch/torture`, which sets
/// SMD_TORTURE_NAME (a count or seconds) and SMD_TORTURE_SEED.
public enum Torture {
    /// How often, or how many seconds, the test `name` tries: the value of SMD_TORTURE_NAME, else `short`.
    public static func amount(_ name: String, short: Int) -> Int {
        let variable = "SMD_TORTURE_" + name.uppercased()
        guard let text = ProcessInfo.processInfo.environment[variable] else { return short }
        guard let amount = Int(text), amount > 0 else { preconditionFailure("\(variable) is '\(text)', not a count") }
        return amount
    }

    /// Whether the long version of the test `name` was asked for.
    public static func isLong(_ name: String) -> Bool {
        ProcessInfo.processInfo.environment["SMD_TORTURE_" + name.uppercased()] != nil
    }

    /// Seed of the test's random choices; to be printed with a failure, so that it can be repeated.
    public static var seed: UInt64 {
        ProcessInfo.processInfo.environment["SMD_TORTURE_SEED"].flatMap(UInt64.init) ?? 1
    }
}
