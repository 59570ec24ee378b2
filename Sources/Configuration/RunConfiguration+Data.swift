import Files
import Foundation

/// Where the samples lie while a run reads them. It changes no result.
public enum SampleCache: String, Codable, CaseIterable, Sendable {
    /// In the memory of each rank up to 2 GiB, else streamed.
    case auto
    /// In the file: each is read when it is wanted.
    case none
    /// In the memory of each rank.
    case rank
    /// Once in the memory of each host, shared by its ranks.
    case node
    /// In the file: those wanted next are read on a thread of their own, in chunks, of which some are kept.
    case stream
}

/// What the order of an epoch mixes.
public enum Shuffle: String, Codable, CaseIterable, Sendable {
    /// All samples with all others: every order is equally likely.
    case samples
    /// Chunks of consecutive samples, about 128 KiB each, and the samples of those that come next: a file is read chunk by
    /// chunk, each once an epoch.
    case chunks
}

/// What of an image a run trains on.
public enum Crop: String, Codable, CaseIterable, Sendable {
    /// All of it.
    case none
    /// A window of the network's size, another one each time.
    case random
}

extension RunConfiguration {
    /// `data` from the root: a relative path is one from the current directory.
    public var absoluteData: String { data.isEmpty ? "" : Self.absolute(data) }

    private static func absolute(_ path: String) -> String {
        if Path.isAbsolute(path) { return path }
        let short = path.hasBytes(prefix: "./") ? String(decoding: path.utf8.dropFirst(2), as: UTF8.self) : path
        return Path.join(FileManager.default.currentDirectoryPath, short)
    }

    /// This configuration as a checkpoint keeps it: it means the same in any folder.
    public var stored: RunConfiguration {
        var stored = self
        stored.data = absoluteData
        if method == .dds, let path = target.path { stored.target.file = Self.absolute(path) }
        return stored
    }

    /// Refuses a data set that is not there.
    ///
    /// - Throws: `ConfigurationError` with the path that was looked for, and what a relative one is relative to.
    public func requireData() throws {
        guard method != .dds else {
            throw ConfigurationError("method is dds, which draws from a density and has no data")
        }
        guard access(data, F_OK) != 0, errno == ENOENT || errno == ENOTDIR else { return }
        let why =
            Path.isAbsolute(data)
            ? "" : " (data is \(data), and relative paths are from the folder that the job is started in)"
        throw ConfigurationError(
            "there is no data set \(absoluteData)\(why): make it (smd dataset prepare --help), or name one: "
                + "--set data=FILE")
    }
}

/// `path` with `~` at its beginning written out as the home folder, which a shell does only where it sees a word begin
/// so: not in a file, nor behind `--set data=`.
///
/// - Throws: `ConfigurationError` for the home of somebody else, and where there is no home.
func expandingHome(_ path: String) throws -> String {
    guard path.utf8.first == UInt8(ascii: "~") else { return path }
    let rest = String(decoding: path.utf8.dropFirst(), as: UTF8.self)
    guard rest.isEmpty || Path.isAbsolute(rest) else {
        throw ConfigurationError(
            "~ is your own home folder and needs a / behind it; write other folders out, or ./\(path) for a file of that "
                + "name")
    }
    guard let home = ProcessInfo.processInfo.environment["HOME"], Path.isAbsolute(home) else {
        throw ConfigurationError("~ is your home folder, but the variable HOME does not name one: write the path out")
    }
    return rest.isEmpty ? home : Path.join(home, String(decoding: rest.utf8.dropFirst(), as: UTF8.self))
}
