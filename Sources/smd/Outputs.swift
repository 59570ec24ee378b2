import Files
import Foundation
import HDF5

/// Refuses, before the work, a file that cannot be written after it.
///
/// - Parameters:
///   - bytes: how large it will be, about.
///   - inputs: files that the command reads, or writes too: none of them may be written over.
/// - Throws: `CommandFailure`.
func requireWritable(_ path: String, overwrite: Bool, bytes: Int = 0, inputs: [String] = []) throws {
    guard !path.isEmpty else { throw CommandFailure(.usage, "the name of the file to write is empty") }
    for input in inputs where isSameFile(path, input) {
        throw CommandFailure(
            .cannotCreateOutput, "\(path): is \(input), which this command needs itself; give another name")
    }
    if let problem = OutputFile.problem(path, overwrite: overwrite, bytes: bytes) {
        throw CommandFailure(.cannotCreateOutput, "\(path): \(problem)")
    }
}

/// The same for a picture, which is PNG whatever its name says.
func requirePicture(_ path: String, overwrite: Bool, inputs: [String] = []) throws {
    guard path.lowercased().hasBytes(suffix: ".png") else {
        throw CommandFailure(
            .usage, "\(path): pictures are written as PNG; give a name that ends in .png")
    }
    try requireWritable(path, overwrite: overwrite, inputs: inputs)
}

/// Whether two names lead to one file, which need not be there yet.
func isSameFile(_ first: String, _ second: String) -> Bool {
    if first.hasSameBytes(as: second) { return true }
    if let one = fileIdentity(first), let other = fileIdentity(second) { return one == other }
    guard Path.name(of: first).hasSameBytes(as: Path.name(of: second)), let one = fileIdentity(Path.folder(of: first))
    else { return false }
    return one == fileIdentity(Path.folder(of: second))
}

private func fileIdentity(_ path: String) -> FileFacts.Identity? { try? FileFacts(BytePath(path)).identity }

/// Writes a file whole or not at all, over one that is there: whether that may be was asked before the work.
///
/// - Throws: `HDF5Error` where the folder cannot be written or the disk is full.
func writeOutput(_ bytes: [UInt8], to path: String) throws {
    try bytes.withUnsafeBytes { try DurableFile.write($0, to: path) }
}
