import Foundation

/// The configurations that come with the program, in `launch/presets`.
public enum Preset {
    /// The path of a configuration: `nameOrPath` itself where such a file exists, else the preset of that name
    /// (`fashion`), looked for in `launch/presets` of the current directory and of the checkout this program was
    /// built in.
    ///
    /// - Throws: `ConfigurationError` with the names there are.
    public static func path(_ nameOrPath: String) throws -> String {
        if FileManager.default.fileExists(atPath: nameOrPath) { return nameOrPath }
        if !nameOrPath.contains("/") {
            let file = nameOrPath.hasSuffix(".yaml") ? nameOrPath : nameOrPath + ".yaml"
            for folder in folders {
                let path = folder + "/" + file
                if FileManager.default.fileExists(atPath: path) { return path }
            }
        }
        let known = names.isEmpty ? "" : "; the presets are \(names.joined(separator: ", "))"
        throw ConfigurationError("there is no configuration \(oneLine(nameOrPath, limit: 200))\(known)")
    }

    /// Names of the presets in reach, sorted.
    public static var names: [String] {
        let files = folders.flatMap { (try? FileManager.default.contentsOfDirectory(atPath: $0)) ?? [] }
        return Set(files.filter { $0.hasSuffix(".yaml") }.map { String($0.dropLast(".yaml".count)) }).sorted()
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
