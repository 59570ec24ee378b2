import Foundation

/// The folder of the package: the one that holds Package.swift.
public let repositoryFolder: String = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

/// The folder of the reference cases.
public let goldenFolder = repositoryFolder + "/Tests/Fixtures/golden"

/// Path of an executable of this package, for instance "smd", built beside the running tests.
public func product(_ name: String) -> String {
    // The test runner is itself in the build products' folder, whatever the configuration and the scratch path.
    let runner = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    let path = URL(fileURLWithPath: runner).deletingLastPathComponent().appendingPathComponent(name).path
    precondition(
        FileManager.default.isExecutableFile(atPath: path), "no executable \(path): build the whole package first")
    return path
}

/// Calls `body` with the path of a new empty folder, which is removed afterwards with all that is in it.
public func withTemporaryDirectory<T>(_ body: (String) throws -> T) rethrows -> T {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("smd-test-\(UUID().uuidString)")
    do {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    } catch {
        preconditionFailure("cannot create \(folder.path): \(error)")
    }
    defer { try? FileManager.default.removeItem(at: folder) }
    return try body(folder.path)
}
