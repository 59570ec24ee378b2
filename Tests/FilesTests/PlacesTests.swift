import Foundation
import TestSupport
import Testing

/// docs/architecture.md says what is to be edited for an addition of each kind. What was added so before is spelled out in
/// those places and nowhere else; who spells it out in one more makes this red.
@Suite struct PlacesTests {
    /// A row of the table: a kind of addition, its places (a file and what is declared there), and an earlier one.
    private struct Row: CustomTestStringConvertible {
        let kind: String
        let count: Int
        let places: [(file: String, declaration: String)]
        /// How the earlier addition is spelt.
        let words: [String]
        /// Files that only use it.
        let uses: [String]
        var testDescription: String { kind }

        init?(_ line: Substring) {
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            guard cells.count == 4, let count = Int(cells[1]) else { return nil }
            (kind, self.count) = (cells[0], count)
            places = cells[2].split(separator: ";").map { place in
                let quoted = Row.quoted(place)
                return (Row.path(quoted.first ?? ""), quoted.dropFirst().first ?? "")
            }
            let example = cells[3].components(separatedBy: "used in")
            words = Row.quoted(Substring(example[0]))
            uses = example.dropFirst().flatMap { Row.quoted(Substring($0)) }.map(Row.path)
        }

        private static func quoted(_ text: Substring) -> [String] { text.matches(of: /`([^`]+)`/).map { String($0.1) } }

        /// Paths are those in Sources unless they say otherwise.
        private static func path(_ path: String) -> String { path.hasPrefix("Tests/") ? path : "Sources/" + path }
    }

    private static func text(_ path: String) throws -> String {
        try String(contentsOfFile: repositoryFolder + "/" + path, encoding: .utf8)
    }

    private static let rows: [Row] = {
        let page = (try? text("docs/architecture.md")) ?? ""
        let section = page.components(separatedBy: "\n## To add something\n").dropFirst().first ?? ""
        return section.components(separatedBy: "\n## ")[0].split(separator: "\n").compactMap { Row($0) }
    }()

    /// What is to be read of each file that can spell an addition out: its code, without comments.
    private static let sources: [String: String] = {
        var sources: [String: String] = [:]
        for folder in ["Sources", "Tests/OperationTests", "Tests/ReferenceBackend"] {
            let found = FileManager.default.subpaths(atPath: repositoryFolder + "/" + folder) ?? []
            for name in found where [".swift", ".c", ".h"].contains(where: name.hasSuffix) {
                let lines = ((try? text("\(folder)/\(name)")) ?? "").split(separator: "\n")
                let code = lines.map { $0[..<($0.firstRange(of: "//")?.lowerBound ?? $0.endIndex)] }
                sources["\(folder)/\(name)"] = code.joined(separator: "\n")
            }
        }
        return sources
    }()

    /// The most places that an addition of each kind may take.
    @Test func countsAreLow() {
        let most = [
            "operation with gradient": 11, "configuration key": 3, "checkpoint group": 1, "network": 2, "sampler": 2,
            "sampler with a setting": 4, "loss": 2, "metrics column": 1,
            "features of images": 2, "figure of points": 2, "distribution of points": 3, "density without data": 3,
            "source of images": 3,
        ]
        #expect(Set(Self.rows.map(\.kind)) == Set(most.keys) && Self.rows.count == most.count)
        for row in Self.rows {
            #expect(row.count == row.places.count && row.count <= most[row.kind] ?? 0, "\(row.kind)")
        }
        #expect(Self.sources.count > 200)
    }

    /// Each place is there, and what was added before is there and nowhere else.
    @Test(arguments: rows) private func earlierAdditionsAreWhereTheTableSays(_ row: Row) throws {
        for (file, declaration) in row.places {
            let source = try #require(Self.sources[file], "there is no \(file)")
            let declared = try Regex("\\b(case|func|struct|enum|let|var|extension|void)\\b.*\\b\(declaration)\\b")
                .wordBoundaryKind(.simple)
            #expect(source.contains(declared), "\(file) does not declare \(declaration)")
        }
        var found: Set<String> = []
        for word in row.words {
            let begin = word.hasPrefix(".") ? "\\" : "\\b"
            let spelt = try Regex("\(begin)\(word)\\b").wordBoundaryKind(.simple)
            let files = Self.sources.filter { $0.value.contains(spelt) }.map(\.key)
            #expect(!files.isEmpty, "nothing is called \(word)")
            found.formUnion(files)
        }
        #expect(found == Set(row.places.map(\.file) + row.uses))
    }
}
