import Files
import Foundation

/// The configurations that come with the program, in `launch/presets`.
public enum Preset {
    /// The path of a configuration: the preset of that name (`fashion`), looked for in `launch/presets` of the current
    /// directory and of the checkout this program was built in, else the file of that path. A folder is neither.
    ///
    /// - Throws: `ConfigurationError` where a file is called as a preset is, and where there is neither, with the names
    ///   of the presets.
    public static func path(_ nameOrPath: String) throws -> String {
        let kind = kind(of: nameOrPath)
        guard let preset = file(of: nameOrPath) else {
            if kind != nil { return nameOrPath }  // a folder is refused where it is read
            let known = names.isEmpty ? "" : "; the presets are \(names.joined(separator: ", "))"
            throw ConfigurationError("there is no configuration \(oneLine(nameOrPath, limit: 200))\(known)")
        }
        guard kind == nil || kind == .folder else {
            throw ConfigurationError(
                "\(nameOrPath) is a preset, and also a file here: write \(shellWord("./" + nameOrPath)) for the file, or "
                    + "\(shellWord(preset)) for the preset")
        }
        return preset
    }

    /// Names of the presets in reach, sorted.
    public static var names: [String] {
        let files = folders.flatMap { folder in
            ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).filter {
                kind(of: Path.join(folder, $0)) == .file
            }
        }
        return Set(files.filter { $0.hasBytes(suffix: suffix) }.map { String($0.dropLast(suffix.count)) }).sorted()
    }

    private static let suffix = ".yaml"

    /// The file of the preset of a name; nil where there is none, and for what can only be a path.
    private static func file(of name: String) -> String? {
        guard !name.isEmpty, !name.utf8.contains(UInt8(ascii: "/")) else { return nil }
        return folders.map { Path.join($0, name + suffix) }.first { kind(of: $0) == .file }
    }

    private enum Kind { case file, folder, other }

    /// What stands at a path, links followed; nil where there is nothing.
    private static func kind(of path: String) -> Kind? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        switch status.st_mode & S_IFMT {
        case S_IFREG: return .file
        case S_IFDIR: return .folder
        default: return .other
        }
    }

    /// Folders that may hold presets, nearest first: a build lies some levels inside its checkout.
    private static var folders: [String] {
        var result = ["launch/presets"]
        var parent = (Bundle.main.executableURL ?? URL(fileURLWithPath: "/")).resolvingSymlinksInPath()
        for _ in 0..<5 {
            parent.deleteLastPathComponent()
            result.append(parent.appendingPathComponent("launch/presets").path)
        }
        return result
    }
}
