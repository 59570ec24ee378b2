import ArgumentParser
import Files
import Foundation

/// A shell that can complete command lines of smd, its script, and the place where it looks for that.
enum CompletingShell: String, CaseIterable, ExpressibleByArgument {
    case bash, zsh, fish

    /// That of the user, by `SHELL`; nil where it is another.
    static var ofUser: CompletingShell? {
        ProcessInfo.processInfo.environment["SHELL"].flatMap { CompletingShell(rawValue: Path.name(of: $0)) }
    }

    /// In every script, so that it can be told from a file of others.
    static let mark = "# Written by smd completion."

    /// The whole script.
    var script: String {
        let mark = "\(Self.mark) Made anew by: smd completion install --shell \(rawValue)"
        switch self {
        case .bash: return Self.wholeWords(SMD.completionScript(for: .bash)) + "\n" + mark + "\n"
        // Its first line is "#compdef smd".
        case .zsh: return Self.openKeys(SMD.completionScript(for: .zsh)) + "\n" + mark + "\n"
        case .fish: return SMD.completionScript(for: .fish) + "\n" + mark + "\n"
        }
    }

    /// Where the shell, or the package bash-completion, looks for completions that a user has added.
    func path(_ environment: [String: String]) throws -> String {
        func folder(_ name: String, _ otherwise: String) throws -> String {
            if let folder = environment[name], folder.hasPrefix("/") { return folder }
            guard let home = environment["HOME"], home.hasPrefix("/") else {
                throw CommandFailure(
                    .usage, "HOME is not set, under which completions belong: use smd completion print")
            }
            return Path.join(home, otherwise)
        }
        switch self {
        case .bash:
            if let own = environment["BASH_COMPLETION_USER_DIR"], own.hasPrefix("/") { return own + "/completions/smd" }
            return try folder("XDG_DATA_HOME", ".local/share") + "/bash-completion/completions/smd"
        case .zsh: return try folder("XDG_DATA_HOME", ".local/share") + "/zsh/site-functions/_smd"
        case .fish: return try folder("XDG_CONFIG_HOME", ".config") + "/fish/completions/smd.fish"
        }
    }

    /// The line of a start file that loads the script at `path`, and that file; nil where nothing is needed.
    func startLine(_ path: String) -> (line: String, file: String)? {
        switch self {
        case .bash:
            let loader = "/usr/share/bash-completion/bash_completion"
            return FileManager.default.fileExists(atPath: loader) ? nil : ("source \(shellWord(path))", "~/.bashrc")
        case .zsh:
            let folder = shellWord(Path.folder(of: path))
            return ("fpath=(\(folder) $fpath); autoload -Uz compinit; compinit", "~/.zshrc")
        case .fish: return nil
        }
    }

    /// The script of zsh without a space behind a key, which wants a value next to it.
    private static func openKeys(_ script: String) -> String {
        let beginning = "__smd_complete() {\n"
        precondition(script.contains(beginning), "the script of zsh has no function \(beginning)")
        return script.replacing(
            beginning,
            with: beginning + """
                    local -ar keys=("${(M)@:#[^:]#=}")
                    if [[ "${#keys[@]}" -gt 0 ]]; then
                        compadd -S '' -a keys
                        set -- "${@:#[^:]#=}"
                        [[ "${#}" -gt 0 ]] || return 0
                    fi

                """)
    }

    /// `script` with `key=value` in one piece: bash parts words at "=" (`COMP_WORDBREAKS`), and completes only what
    /// follows.
    private static func wholeWords(_ script: String) -> String {
        let last = "complete -o filenames -F _smd smd"
        precondition(script.contains(last), "the script of bash has no line \(last)")
        return script.replacing(
            last,
            with: #"""
                # Puts words together that bash has parted at "=" and the like, and takes what stands already off the answers.
                _smd_whole_words() {
                    local -a words=()
                    local -i piece at=0
                    local rest="${COMP_LINE}" before begun='' given='' cur="${2}"
                    for ((piece = 0; piece < ${#COMP_WORDS[@]}; piece++)); do
                        local word="${COMP_WORDS[piece]}"
                        before="${rest%%"${word}"*}"
                        rest="${rest#"${before}${word}"}"
                        if [[ -n "${word}" && -z "${before}" && "${#words[@]}" -gt 0 ]]; then
                            begun="${words[-1]}"
                            words[-1]+="${word}"
                        else
                            begun=''
                            words+=("${word}")
                        fi
                        if ((piece == COMP_CWORD)); then
                            at=$((${#words[@]} - 1))
                            given="${begun}"
                            [[ -n "${begun}" && -z "${2}" ]] && given+="${word}"
                            cur="${given}${2}"
                        fi
                    done
                    local -a COMP_WORDS=("${words[@]}")
                    local -i COMP_CWORD="${at}"
                    _smd "${1}" "${cur}" "${words[at > 0 ? at - 1 : 0]}"
                    # A key wants a value next to it, and "=" no backslash.
                    if [[ "${#COMPREPLY[@]}" -gt 0 && "${COMPREPLY[*]}" == *=* ]]; then
                        compopt +o filenames 2>/dev/null
                        [[ "${COMPREPLY[0]}" == *= ]] && compopt -o nospace 2>/dev/null
                    fi
                    COMPREPLY=("${COMPREPLY[@]#"${given}"}")
                }
                complete -o filenames -F _smd_whole_words smd
                """#)
    }
}
