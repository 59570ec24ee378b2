import Configuration
import Foundation
import TestSupport
import Testing

/// The tables of `docs/configuration.md` are those of the keys. `UPDATE_DOCS=1` writes them.
@Suite struct DocumentationTests {
    private let path = repositoryFolder + "/docs/configuration.md"

    private func row(_ key: ConfigurationKey) -> String {
        var value = key.text(in: RunConfiguration())
        if value.hasSuffix(".0") { value.removeLast(2) }
        let cells = [
            "`\(key.name)`", value.isEmpty ? "none" : value, key.unit, key.rule.rawValue, key.meaning,
        ]
        return "| " + cells.joined(separator: " | ").replacing("|  |", with: "| |") + " |"
    }

    /// The lines of the page with its tables as they should be, and the sections that had one.
    private func right(_ page: String) throws -> (page: String, sections: [String]) {
        var lines: [Substring] = []
        var sections: [String] = []
        var isInside = false
        for line in page.split(separator: "\n", omittingEmptySubsequences: false) {
            if line == "<!-- end of keys -->" { isInside = false }
            if !isInside { lines.append(line) }
            guard let section = line.wholeMatch(of: /<!-- keys: (\w+) -->/)?.1 else { continue }
            isInside = true
            sections.append(String(section))
            lines += ["", "| Key | Default | Unit | On resume | Meaning |", "|---|---|---|---|---|"]
            lines += keys(of: String(section)).map { Substring(row($0)) } + [""]
        }
        #expect(!isInside, "the table of \(sections.last ?? "") has no end")
        return (lines.joined(separator: "\n"), sections)
    }

    private func keys(of section: String) -> [ConfigurationKey] {
        ConfigurationKey.all.filter { key in
            let parts = key.name.split(separator: ".")
            return section == "run" ? parts.count == 1 : parts.count > 1 && parts[0] == section
        }
    }

    @Test func thePageIsThatOfTheTable() throws {
        let page = try String(contentsOfFile: path, encoding: .utf8)
        let (right, sections) = try right(page)
        if ProcessInfo.processInfo.environment["UPDATE_DOCS"] != nil {
            try right.write(toFile: path, atomically: true, encoding: .utf8)
        } else {
            let isRight = page == right
            #expect(
                isRight,
                "docs/configuration.md is not what the keys say: UPDATE_DOCS=1 swift test --filter DocumentationTests")
        }
        // Each key stands there once.
        #expect(sections.flatMap(keys).map(\.name).sorted() == ConfigurationKey.all.map(\.name).sorted())
    }

    /// A cell is one line that can be read, and says every word that a choice accepts.
    @Test func meanings() throws {
        let page = try String(contentsOfFile: path, encoding: .utf8)
        let titles = page.split(separator: "\n").filter { $0.hasPrefix("## ") }.map {
            $0.dropFirst(3).lowercased().replacing(" ", with: "-")
        }
        for key in ConfigurationKey.all {
            #expect((1...160).contains(key.meaning.count) && !key.meaning.contains("|"), "\(key.name)")
            for word in key.choices ?? [] { #expect(key.meaning.contains("`\(word)`"), "\(key.name): \(word)") }
            for link in key.meaning.matches(of: /\(#([a-z-]+)\)/) {
                #expect(titles.contains(String(link.1)), "\(key.name)")
            }
        }
    }

    /// The default that is written is the default.
    @Test func defaults() throws {
        let page = try String(contentsOfFile: path, encoding: .utf8)
        let rows = page.matches(of: /\| `([a-z0-9_.]+)` \| ([^|]+) \|/)
        #expect(rows.count == ConfigurationKey.all.count && rows.count > 40)
        for row in rows where row.1 != "data" {
            let found = try RunConfiguration.load(text: "{}", name: "page", overrides: ["\(row.1)=\(row.2)"])
            #expect(found == RunConfiguration(), "the default of \(row.1) is not \(row.2)")
        }
    }
}
