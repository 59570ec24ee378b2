import Foundation

/// Calls `body` with the path of a new, empty file system in memory that holds `bytes`. For tests that need
/// `Ability.mounting`.
public func withSmallDisk<T>(bytes: Int, _ body: (String) throws -> T) throws -> T {
    try withTemporaryDirectory { folder in
        let mounted = try run(["mount", "-t", "tmpfs", "-o", "size=\(bytes)", "smd-test", folder], timeout: 20)
        guard mounted.status == 0 else {
            throw SubprocessError(description: "no small disk here: \(mounted.errors)")
        }
        defer { _ = try? run(["umount", "-l", folder], timeout: 20) }
        return try body(folder)
    }
}
