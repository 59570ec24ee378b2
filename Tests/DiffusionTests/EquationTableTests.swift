import Foundation
import TestSupport
import Testing

/// docs/equations.md says where each equation lives: every file it names must be there, with the type it names.
@Suite struct EquationTableTests {
    @Test func everyPlaceExists() throws {
        let text = try String(contentsOfFile: repositoryFolder + "/docs/equations.md", encoding: .utf8)
        let rows = text.split(separator: "\n").filter { $0.hasPrefix("|") && $0.contains("`Sources/") }
        #expect(rows.count > 20)
        for row in rows {
            let words = row.split(separator: "`").map(String.init)
            for (index, path) in words.enumerated() where path.hasPrefix("Sources/") {
                let source = try String(contentsOfFile: "\(repositoryFolder)/\(path)", encoding: .utf8)
                // The type, or the member after its dot, that follows the file's name.
                guard index + 2 < words.count, words[index + 1] == ", " else { continue }
                for name in words[index + 2].split(separator: ".") {
                    let declared = try Regex(
                        "\\b(case|func|struct|enum|class|let|var|extension|protocol) .*\\b\(name)\\b")
                    #expect(source.contains(declared), "\(path) does not declare \(name)")
                }
            }
        }
    }
}
