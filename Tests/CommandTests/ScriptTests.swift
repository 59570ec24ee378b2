import Foundation
import TestSupport
import Testing

/// The shell scripts of this repository.
@Suite struct ScriptTests {
    /// Every file whose first line names a shell, by its path below the repository.
    private func scripts() throws -> [String] {
        let folders = ["launch", "launch/slurm", "Tests/Slurm", ".ci"]
        return try folders.flatMap { folder in
            try FileManager.default.contentsOfDirectory(atPath: repositoryFolder + "/" + folder).sorted()
                .map { folder + "/" + $0 }
        }.filter { path in
            let text = FileManager.default.contents(atPath: repositoryFolder + "/" + path) ?? Data()
            return text.starts(with: Data("#!".utf8)) && text.prefix { $0 != 10 }.suffix(2) == Data("sh".utf8)
        }
    }

    @Test func allAreFound() throws {
        let found = Set(try scripts())
        let known = ["run", "test", "setup", "torture", "two-hosts", "quickstart", "fuzz", "slurm/train.sbatch"]
        #expect(found.isSuperset(of: known.map { "launch/" + $0 } + [".ci/run", "Tests/Slurm/one-node"]), "\(found)")
    }

    @Test(.enabled(if: Ability.shellCheck.isGiven, "\(Ability.shellCheck)"))
    func shellCheckFindsNothing() throws {
        let paths = try scripts().map { repositoryFolder + "/" + $0 }
        let result = try run(["shellcheck", "--external-sources"] + paths, timeout: 300)
        #expect(result.status == 0, "\(result.output)\(result.errors)")
    }

    /// What a script repeats of its arguments may hold anything; a terminal gets it quoted.
    @Test func messagesArePrintable() throws {
        let evil = "-\u{1b}[31m\u{9b}x\u{202e}\n"
        for command in [
            ["run", evil], ["run", "-n", evil], ["run", "-n", "1", "--hostfile", evil, "c.yaml"],
            ["run", "-n", "1", "--pause", evil], ["test", evil], ["setup", evil], ["quickstart", evil], ["fuzz", evil],
            ["torture", evil], ["torture", "x" + evil], ["torture", "saves=" + evil], ["two-hosts", evil],
            ["two-hosts", "-n", evil],
        ] {
            let result = try run([repositoryFolder + "/launch/" + command[0]] + command.dropFirst(), timeout: 60)
            #expect(result.status == 64, "\(command): \(result)")
            #expect(result.errors.split(separator: "\n").count == 1, "\(command): \(result.errors)")
            #expect(
                result.errors.unicodeScalars.allSatisfy { $0 == "\n" || (" "..."~").contains($0) }, "\(result.errors)")
        }
    }

    /// What a tool prints for a script to read, and what users and tests find in messages, is the same everywhere.
    @Test func noneDependsOnTheLocale() throws {
        for path in try scripts() where path != ".ci/run" {
            let text = try String(contentsOfFile: repositoryFolder + "/" + path, encoding: .utf8)
            #expect(text.contains("\nexport LC_ALL=C "), "\(path)")
        }
    }

    /// Neither does smd itself.
    @Test(.enabled(if: Ability.commaLocale.isGiven, "\(Ability.commaLocale)"))
    func numbersHaveNoCommas() throws {
        try withCommaLocale { environment in
            let commands = [
                ["train", "fashion", "--output", "x", "--dry-run"],
                ["conformance", goldenFolder + "/smd-x0-cosine-vector2.h5"],
            ]
            for command in commands {
                let usual = try run([product("smd")] + command, environment: ["LC_ALL": "C"], timeout: 120)
                let other = try run([product("smd")] + command, environment: environment, timeout: 120)
                #expect(usual.status == 0 && other.output == usual.output && other.errors == usual.errors)
            }
        }
    }
}
