import Foundation

/// Calls `body` with the path of a new, empty file system in memory that holds `bytes`; with nil, and a line that says
/// so, where mounting is not allowed (it needs root, and in a container the right to mount).
public func withSmallDisk<T>(bytes: Int, _ body: (String?) throws -> T) throws -> T {
    try withTemporaryDirectory { folder in
        let mounted = try run(["mount", "-t", "tmpfs", "-o", "size=\(bytes)", "smd-test", folder], timeout: 20)
        guard mounted.status == 0 else {
            print("no small disk here: \(mounted.errors.trimmingCharacters(in: .newlines))")
            return try body(nil)
        }
        defer { _ = try? run(["umount", "-l", folder], timeout: 20) }
        return try body(folder)
    }
}
