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
                ("smd tr", ["train"]), ("smd checkpoint ve", ["verify"]), ("smd train cifar --dry", ["--dry-run"]),
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

    @Test(.enabled(if: has("zsh"), "skipped: there is no zsh")) func zshCompletes() throws {
        try withScript("zsh") { folder, script in
            let program = #"""
                fpath=("${1:h}/functions" $fpath)
                autoload -Uz compinit; compinit -D -u
                # What would be shown is written down instead.
                compadd() { builtin compadd -O found "$@"; print -rl -- $found >>offers }
                comptest() { _main_complete; compstate[insert]= ; compstate[list]= }
                zle -C comptest complete-word comptest
                vared-once() { BUFFER=$LINE_TO_COMPLETE; CURSOR=$#BUFFER; zle comptest; zle .accept-line }
                zle -N zle-line-init vared-once
                LINE_TO_COMPLETE=$2 line=''; vared line
                """#
            try FileManager.default.createDirectory(atPath: folder + "/functions", withIntermediateDirectories: true)
            try FileManager.default.copyItem(atPath: script, toPath: folder + "/functions/_smd")
            let path = URL(fileURLWithPath: product("smd")).deletingLastPathComponent().path
            for (line, offer) in [
                ("smd tra", "train"), ("smd train --set batch_s", "batch_size="),
                ("smd metrics show run --columns gr", "gradient_norm"),
            ] {
                try? FileManager.default.removeItem(atPath: folder + "/offers")
                _ = try run(
                    [
                        "env", "--chdir", folder, "script", "-qec",
                        "zsh -f -c '\(program.replacing("'", with: "'\\''"))' zsh \(script) '\(line)'", "/dev/null",
                    ], environment: ["PATH": path + ":" + (ProcessInfo.processInfo.environment["PATH"] ?? "")],
                    timeout: 60)
                let offers = (try? String(contentsOfFile: folder + "/offers", encoding: .utf8)) ?? ""
                #expect(offers.split(separator: "\n").contains(Substring(offer)), "\(line): \(offers)")
            }
        }
    }

    @Test(.enabled(if: has("fish"), "skipped: there is no fish")) func fishCompletes() throws {
        try withScript("fish") { folder, script in
            let path = URL(fileURLWithPath: product("smd")).deletingLastPathComponent().path
            for (line, offer) in [
                ("smd tra", "train"), ("smd train --set batch_s", "batch_size="),
                ("smd metrics show run --columns gr", "gradient_norm"),
            ] {
                let result = try run(
                    [
                        "env", "--chdir", folder, "fish", "-N", "-c", "source $argv[1]; complete -C $argv[2]", script,
                        line,
                    ],
                    environment: ["PATH": path + ":" + (ProcessInfo.processInfo.environment["PATH"] ?? "")],
                    timeout: 60)
                let offers = result.output.split(separator: "\n").map { $0.split(separator: "\t").first ?? "" }
                #expect(offers.contains(Substring(offer)), "\(line): \(result)")
            }
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
