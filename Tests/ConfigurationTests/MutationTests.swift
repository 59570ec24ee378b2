import Configuration
import Foundation
import TestSupport
import Testing

/// Damaged documents: whatever bytes change, there is a configuration or one line, never a crash.
@Suite struct ConfigurationMutationTests {
    @Test func damagedPresets() throws {
        let path = repositoryFolder + "/launch/presets/fashion.yaml"
        let original = try String(contentsOfFile: path, encoding: .utf8)
        let bytes = Array(original.utf8)
        // Characters that mean something in YAML, so that damage goes deeper than a misspelt key.
        let pieces = [
            "\n", " ", ":", "- ", "? ", "[", "]", "{", "}", "&a ", "*a", "!!int ", "|\n", ">", "'", "\"", "%", "@",
            "#", "---\n", "...\n", "<<: ", "~", "\t", "\u{FEFF}", "\u{85}", "0x", "1e999", ".nan", "\\", ",",
        ]
        var state: UInt64 = 1
        func random(below bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        var accepted = 0
        // FUZZ=20000 digs deeper.
        let count = Int(ProcessInfo.processInfo.environment["FUZZ"] ?? "") ?? 200
        for _ in 0..<count {
            var damaged = bytes
            for _ in 0...random(below: 4) {
                let place = random(below: damaged.count)
                switch random(below: 3) {
                case 0: damaged.insert(contentsOf: Array(pieces[random(below: pieces.count)].utf8), at: place)
                case 1: damaged.remove(at: place)
                default: damaged[place] = UInt8(1 + random(below: 127))
                }
            }
            do {
                let found = try RunConfiguration.load(text: String(decoding: damaged, as: UTF8.self), name: "damaged")
                try found.validate(ranks: 2)
                #expect(try RunConfiguration(json: found.resolvedJSON()) == found)
                accepted += 1
            } catch {
                #expect(error is ConfigurationError)
                #expect(!"\(error)".contains { $0.isNewline })
            }
        }
        #expect(accepted > 0 && accepted < count)
    }
}
