import Foundation
import TestSupport
import Testing

/// The manual pages that `smd man` writes.
@Suite struct ManualTests {
    private static func has(_ tool: String) -> Bool { (try? run(["which", tool], timeout: 20))?.status == 0 }

    private func withPages(_ body: (_ folder: String, _ pages: [String]) throws -> Void) throws {
        try withTemporaryDirectory { folder in
            let result = try smd(["man", "--output", folder])
            let pages = try FileManager.default.contentsOfDirectory(atPath: folder + "/man1").sorted()
            #expect(result.status == 0 && result.output == "\(folder)/man1: \(pages.count) manual pages\n", "\(result)")
            try body(folder, pages)
        }
    }

    @Test func everyCommandHasAPage() throws {
        try withPages { folder, pages in
            #expect(
                pages.count > 50 && Set(pages).isSuperset(of: ["smd.1", "smd-train.1", "smd-dataset-prepare-images.1"]))
            #expect(!pages.contains { $0.contains("try-file") || $0.contains("help") })
            for page in pages {
                let text = try String(contentsOfFile: folder + "/man1/" + page, encoding: .utf8)
                let sections = text.split(separator: "\n").filter { $0.hasPrefix(".SH ") }.map { $0.dropFirst(4) }
                let wanted: Set<Substring> = ["NAME", "SYNOPSIS", "OPTIONS", "EXIT STATUS"]
                #expect(wanted.isSubset(of: sections), "\(page): \(sections)")
                // "smd dataset prepare" shows those of its commands.
                #expect(sections.contains("EXAMPLES") || page == "smd-dataset-prepare.1", "\(page)")
                #expect(!hasControlCharacters(text), "\(page)")
            }
            let train = try String(contentsOfFile: folder + "/man1/smd-train.1", encoding: .utf8)
            #expect(
                train.contains(
                    "\\fB\\-o\\fR, \\fB\\-\\-output\\fR \\fIrun\\fR\nFolder of the run; made if it is missing."))
            #expect(train.contains("\nsmd train launch/presets/fashion.yaml \\-\\-output runs/fashion\n"))
            #expect(train.contains("\\fBsmd\\fR(1)"))
        }
    }

    @Test func theSameBytesAndNoFileOfOthers() throws {
        try withPages { folder, pages in
            func bytes() throws -> [Data] {
                try pages.map { try Data(contentsOf: URL(fileURLWithPath: folder + "/man1/" + $0)) }
            }
            let first = try bytes()
            #expect(try smd(["man", "-o", folder]).status == 0)
            #expect(try bytes() == first)
            try "mine".write(toFile: folder + "/man1/smd-plan.1", atomically: true, encoding: .utf8)
            let refused = try smd(["man", "-o", folder])
            #expect(refused.status == 73 && refused.errors.contains("smd-plan.1: exists already"), "\(refused)")
            #expect(try smd(["man", "-fo", folder]).status == 0)
            #expect(try bytes() == first)
        }
    }

    @Test(.enabled(if: has("groff"), "skipped: there is no groff")) func groffHasNoComplaint() throws {
        try withPages { folder, pages in
            let all = pages.map { folder + "/man1/" + $0 }
            let result = try run(["groff", "-k", "-man", "-ww", "-Tutf8"] + all, timeout: 60)
            #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
            #expect(result.output.contains("N×H×W×C"))
        }
    }

    @Test(.enabled(if: has("mandoc"), "skipped: there is no mandoc")) func mandocHasNoComplaint() throws {
        try withPages { folder, pages in
            let all = pages.map { folder + "/man1/" + $0 }
            let result = try run(["mandoc", "-Tlint", "-W", "warning"] + all, timeout: 60)
            // The same build writes the same pages, on any day.
            let complaints = result.output.split(separator: "\n").filter { !$0.contains("missing date, using") }
            #expect(complaints.isEmpty && !result.output.isEmpty, "\(complaints)")
        }
    }

    /// Where `man` itself is a stand-in, as in many containers, it says so.
    @Test(.enabled(if: has("groff") && has("man"), "skipped: there is no man")) func manFindsThem() throws {
        try withPages { folder, _ in
            let shown = try run(
                ["man", "smd-metrics-show"], environment: ["MANPATH": folder, "MANPAGER": "cat", "LC_ALL": "C.UTF-8"],
                timeout: 60)
            let isStandIn = shown.output.contains("minimized") || shown.errors.contains("minimized")
            #expect(isStandIn || shown.output.contains("smd metrics show runs/fashion --around 1200"), "\(shown)")
        }
    }
}
