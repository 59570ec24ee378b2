import Foundation
import Storage
import TestSupport
import Testing

/// What the TAB key offers, asked of real shells.
@Suite struct CompletionTests {
    /// Whether a shell is installed, which a machine for training needs not have.
    private static func has(_ shell: String) -> Bool { (try? run(["which", shell], timeout: 20))?.status == 0 }

    /// Calls `body` with the folder of a run, "run", with metrics, and the script of a shell.
    private func withScript(_ shell: String, _ body: (_ folder: String, _ script: String) throws -> Void) throws {
        try withTemporaryDirectory { folder in
            let script = folder + "/script"
            let printed = try smd(["completion", "print", "--shell", shell])
            #expect(printed.status == 0 && printed.errors.isEmpty, "\(printed)")
            try printed.output.write(toFile: script, atomically: true, encoding: .utf8)
            try writeMetrics(in: folder)
            try body(folder, script)
        }
    }

    /// A run's metrics under "run": columns loss, gradient_norm, and one whose name would be run where it is expanded.
    private func writeMetrics(in folder: String) throws {
        try FileManager.default.createDirectory(atPath: folder + "/run", withIntermediateDirectories: true)
        let columns = ["loss", "gradient_norm", "$(touch${IFS}hacked)"]
        let writer = try MetricsWriter(path: folder + "/run/metrics.h5", columns: columns, continueAfterStep: nil)
        writer.append(step: 1, values: [1, 2, 3])
        try writer.close()
    }

    /// What bash offers where the cursor is at the end of `line`, in `folder`.
    private func bash(_ line: String, _ folder: String, _ script: String) throws -> [String] {
        // As readline does: words are parted at spaces and at the characters of COMP_WORDBREAKS, which are words, too.
        let program = #"""
            source "$1"
            smd() { "$2" "${@:3}"; }
            COMP_LINE=$3 COMP_POINT=${#3} COMP_TYPE=9 COMP_KEY=9
            COMP_WORDS=()
            rest=$3
            while [[ $rest =~ ^[[:space:]]*([^[:space:]=:]+|[=:]+)(.*)$ ]]; do
                COMP_WORDS+=("${BASH_REMATCH[1]}") rest=${BASH_REMATCH[2]}
            done
            [[ $3 == *' ' ]] && COMP_WORDS+=('')
            COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            current=${COMP_WORDS[COMP_CWORD]}
            [[ $current == [=:]* ]] && current=''
            COMP_WORDS[0]=$2
            COMP_LINE=$2${COMP_LINE#smd} COMP_POINT=${#COMP_LINE}
            "$(complete -p smd | sed 's/.*-F \([^ ]*\) .*/\1/')" "$2" "$current" "${COMP_WORDS[COMP_CWORD - 1]}"
            ((${#COMPREPLY[@]} == 0)) || printf '%s\n' "${COMPREPLY[@]}"
            """#
        let result = try run(
            ["env", "--chdir", folder, "bash", "--norc", "-c", program, "bash", script, product("smd"), line],
            timeout: 60)
        #expect(result.status == 0 && result.errors.isEmpty, "\(line): \(result)")
        return result.output.split(separator: "\n").map(String.init)
    }

    @Test func bashCompletes() throws {
        try withScript("bash") { folder, script in
            #expect(try run(["bash", "-n", script], timeout: 20).status == 0)
            for (line, offers) in [
                ("smd trai", ["train"]), ("smd tr", ["train", "translate"]), ("smd checkpoint ve", ["verify"]),
                ("smd train cifar --dry", ["--dry-run"]),
                ("smd train cifar --set batch_s", ["batch_size="]),
                ("smd train cifar --set model.smd=", ["true", "false"]),
                ("smd train cifar --set model.smd=t", ["true"]),
                ("smd train cifar --set precision=bf16-", ["bf16-emulated"]),
                ("smd train cifar --set steps=", ["30000"]), ("smd plan --set model.dim_m", ["model.dim_mults="]),
                ("smd sample x.h5 --set diffusion.sam", ["diffusion.sampler=", "diffusion.sampling_steps="]),
                ("smd sample x.h5 --set model.", []), ("smd train cif", ["cifar"]), ("smd train ./ru", ["./run/"]),
                ("smd train --color n", ["never"]), ("smd metrics show run --columns gr", ["gradient_norm"]),
                ("smd metrics show run --columns loss,", ["loss,gradient_norm"]),
                ("smd metrics plot run/metrics.h5 --columns ", ["loss", "gradient_norm"]),
                ("smd metrics show nothing --columns ", []), ("smd completion install --shell z", ["zsh"]),
            ] {
                let found = try bash(line, folder, script)
                // The default of a number of steps is the table's to say.
                if offers == ["30000"] {
                    #expect(found.count == 1 && Int(found[0]) != nil, "\(found)")
                } else {
                    #expect(found.sorted() == offers.sorted(), "\(line)")
                }
            }
            #expect(try bash("smd train cifar --set ", folder, script).count > 60)
            #expect(!FileManager.default.fileExists(atPath: folder + "/hacked"))
        }
    }

    /// Types lines into a shell in a terminal, TAB where there is one, and returns the command lines of smd that came of it.
    private func typed(_ shell: [String], setUp: String, _ lines: [String], _ folder: String) throws -> [Substring] {
        // Stands for smd: it completes, and only notes what it is called with.
        let program = """
            #!/bin/bash
            [[ $1 == ---completion ]] && exec '\(product("smd"))' "$@"
            echo "$*" >>'\(folder)/calls'
            """
        let bin = folder + "/bin"
        try FileManager.default.createDirectory(atPath: bin, withIntermediateDirectories: true)
        try program.write(toFile: bin + "/smd", atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: bin + "/smd")
        let path = bin + ":" + (ProcessInfo.processInfo.environment["PATH"] ?? "")
        // A shell that is still starting drops what is typed.
        let script =
            #"{ for line; do sleep 3; printf '%b\n' "$line"; done; sleep 1; } | TERM=xterm script -qec "$0" /dev/null"#
        _ = try run(
            ["env", "--chdir", folder, "bash", "-c", script, shell.joined(separator: " "), setUp] + lines + ["exit"],
            environment: ["PATH": path, "HOME": folder], timeout: 100)
        let calls = (try? String(contentsOfFile: folder + "/calls", encoding: .utf8)) ?? ""
        return calls.split(separator: "\n")
    }

    /// Keys of a person, and what comes of them: no backslash, no space behind a key, a whole value.
    private static let typing = [
        (#"smd trai\tcifar --set batch_siz\t12"#, "train cifar --set batch_size=12"),
        (#"smd sample x.h5 --set diffusion.clip_d\tfa\t"#, "sample x.h5 --set diffusion.clip_denoised=false"),
        (#"smd metrics show run --columns gradi\t"#, "metrics show run --columns gradient_norm"),
    ]

    private func expectTyping(_ shell: [String], setUp: String, _ folder: String) throws {
        let calls = try typed(shell, setUp: setUp, Self.typing.map(\.0), folder)
        #expect(calls.map { $0.trimmingCharacters(in: .whitespaces) } == Self.typing.map(\.1), "\(shell[0])")
    }

    @Test(.enabled(if: Ability.time.isGiven, "\(Ability.time)")) func keysInBash() throws {
        try withScript("bash") { folder, script in
            try expectTyping(["bash", "--norc", "--noprofile"], setUp: "source ./script", folder)
        }
    }

    @Test(.enabled(if: Ability.time.isGiven && has("zsh"), "skipped: there is no zsh, or no time"))
    func keysInZsh() throws {
        try withScript("zsh") { folder, script in
            let functions = folder + "/functions"
            try FileManager.default.createDirectory(atPath: functions, withIntermediateDirectories: true)
            try FileManager.default.copyItem(atPath: script, toPath: functions + "/_smd")
            let setUp = "fpath=(\(functions) $fpath); autoload -Uz compinit; compinit -D -u"
            try expectTyping(["zsh", "-f"], setUp: setUp, folder)
        }
    }

    @Test(.enabled(if: Ability.time.isGiven && has("fish"), "skipped: there is no fish, or no time"))
    func keysInFish() throws {
        try withScript("fish") { folder, script in
            try expectTyping(["fish", "-N"], setUp: "source ./script", folder)
        }
    }

    @Test(arguments: [
        ("bash", "data/bash-completion/completions/smd"), ("zsh", "data/zsh/site-functions/_smd"),
        ("fish", "config/fish/completions/smd.fish"),
    ])
    func installedOnce(shell: String, place: String) throws {
        try withTemporaryDirectory { folder in
            let settings = [
                "HOME": folder, "XDG_DATA_HOME": folder + "/data", "XDG_CONFIG_HOME": folder + "/config",
                "BASH_COMPLETION_USER_DIR": "", "SHELL": "/usr/bin/" + shell,
            ]
            let file = folder + "/" + place
            let first = try smd(["completion", "install"], environment: settings)
            #expect(
                first.status == 0 && first.output.hasPrefix("\(file): completions of smd for \(shell)\n"), "\(first)")
            let script = try smd(["completion", "print", "--shell", shell]).output
            #expect(try String(contentsOfFile: file, encoding: .utf8) == script)
            let again = try smd(["completion", "install"], environment: settings)
            #expect(again.status == 0 && again.output.hasPrefix("\(file): is up to date\n"), "\(again)")
            // One of an older smd is replaced, one of others is not.
            try (script + "# old\n").write(toFile: file, atomically: true, encoding: .utf8)
            #expect(try smd(["completion", "install"], environment: settings).status == 0)
            #expect(try String(contentsOfFile: file, encoding: .utf8) == script)
            try "complete -F mine smd\n".write(toFile: file, atomically: true, encoding: .utf8)
            let refused = try smd(["completion", "install"], environment: settings)
            #expect(refused.status == 73 && refused.errors.contains("exists already"), "\(refused)")
            #expect(try smd(["completion", "install", "-f"], environment: settings).status == 0)
            #expect(try String(contentsOfFile: file, encoding: .utf8) == script)
        }
    }

    @Test func unknownShellsAreNamed() throws {
        let other = try smd(["completion", "install"], environment: ["SHELL": "/bin/tcsh"])
        #expect(other.status == 64 && other.errors.contains("(SHELL is \"/bin/tcsh\") is none of bash, zsh and fish"))
        let homeless = try smd(
            ["completion", "install", "--shell", "fish"], environment: ["HOME": "", "XDG_CONFIG_HOME": ""])
        #expect(homeless.status == 64 && homeless.errors.contains("HOME is not set"), "\(homeless)")
    }
}
