import Configuration
import Files
import Foundation
import Testing
import smd

@Suite struct ExitStatusTests {
    @Test func statuses() {
        #expect(ExitStatus.allCases.map(\.rawValue) == [0, 1, 64, 65, 73, 75])
        for status in ExitStatus.allCases { #expect(ExitStatus.help.contains("\(status.rawValue) ")) }
        #expect(ExitStatus(ConfigurationError("x")) == .badInput)
        #expect(ExitStatus(CommandFailure(.tryAgain, "x")) == .tryAgain)
        #expect(ExitStatus(CocoaError(.fileWriteNoPermission)) == .cannotCreateOutput)
        #expect(ExitStatus(CancellationError()) == .failure)
    }

    @Test func whatWritesOutputFailsAsOutput() {
        let error = #expect(throws: CommandFailure.self) {
            try creatingOutput { throw ConfigurationError("disk\nfull") }
        }
        #expect(error?.exitStatus == .cannotCreateOutput)
        #expect(error?.description == "disk full")
    }

    @Test func errorsAreOneLine() {
        #expect(describeOnOneLine(CommandFailure(.failure, "a\nb\u{1B}[31mc\u{202E}d")) == "a b [31mc d")
        // Foundation's errors read as sentences, not as dumps.
        #expect(!describeOnOneLine(CocoaError(.fileNoSuchFile)).contains("Code="))
    }
}
