extension ConfigurationKey {
    /// The keys by their names.
    static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

    /// Dotted names of the groups of keys.
    static let sections = Set(
        all.flatMap { key in key.name.indices.filter { key.name[$0] == "." }.map { String(key.name[..<$0]) } })

    /// Names of keys and of groups.
    private static let allNames = all.map(\.name) + sections

    /// The key or group most likely meant by `unknown`, if one is near.
    static func nearest(to unknown: String) -> String? {
        let wanted = lastComponent(unknown)
        let section = unknown.dropLast(wanted.count)
        func distance(_ candidate: String) -> Int {
            let name = lastComponent(candidate)
            let moved = candidate.dropLast(name.count) == section ? 0 : 1
            let initials = String(name.split(separator: "_").compactMap(\.first))
            let isPart = min(name.count, wanted.count) >= 4 && (name.contains(wanted) || wanted.contains(name))
            if initials.count > 1 && initials == wanted { return 1 + moved }
            return min(editDistance(unknown, candidate), editDistance(wanted, name) + moved, isPart ? 2 + moved : .max)
        }
        let ranked = allNames.map { (distance($0), $0) }.sorted { $0 < $1 }
        guard let (best, key) = ranked.first, best <= max(1, min(wanted.count / 2, 4)) else { return nil }
        return key
    }

    /// The names directly inside a group, sorted; "" is the top level.
    static func names(inside section: String) -> [String] {
        let prefix = joined(section, "")
        return allNames.filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
            .filter { !$0.contains(".") }.sorted()
    }
}

/// `section.name`, or `name` at the top level.
func joined(_ section: String, _ name: String) -> String {
    section.isEmpty ? name : section + "." + name
}

private func lastComponent(_ key: String) -> String {
    String(key.split(separator: ".", omittingEmptySubsequences: false).last ?? "")
}

/// Insertions, deletions, replacements and swaps of neighbours between two words (optimal string alignment).
func editDistance(_ first: String, _ second: String) -> Int {
    let a = Array(first.prefix(100))
    let b = Array(second.prefix(100))
    var rows = [Array(0...b.count)]
    for i in a.indices {
        var row = [i + 1]
        for j in b.indices {
            var best = min(rows[i][j] + (a[i] == b[j] ? 0 : 1), rows[i][j + 1] + 1, row[j] + 1)
            if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { best = min(best, rows[i - 1][j - 1] + 1) }
            row.append(best)
        }
        rows.append(row)
    }
    return rows[a.count][b.count]
}
