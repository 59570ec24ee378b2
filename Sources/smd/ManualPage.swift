import Configuration
import Files

/// The page of a command for `man`, in the macros of man(7), made of the text of its help.
struct ManualPage {
    /// "smd-dataset-info": the file is called so, with ".1".
    let name: String
    /// All of it.
    let text: String

    /// In every page, so that it can be told from a file of others.
    static let mark = ".\\\" Written by smd man."

    /// The pages of `tree` and of all below it; `above` are the words that lead there.
    static func all(_ tree: CommandTree, above: [String] = []) -> [ManualPage] {
        let words = above + [tree.commandName]
        return [ManualPage(tree, words)] + tree.shownSubcommands.flatMap { all($0, above: words) }
    }

    private init(_ tree: CommandTree, _ words: [String]) {
        name = words.joined(separator: "-")
        let (paragraphs, examples) = Self.parts(of: tree.discussion ?? "")
        let positional = tree.shownArguments.filter { $0.kind == .positional }
        let options = tree.shownArguments.filter { $0.kind != .positional }
        let subcommands = tree.shownSubcommands
        let sections: [(title: String, lines: [String])] = [
            ("NAME", [Self.escaped(name, isLiteral: true) + " \\- " + Self.escaped(tree.abstract ?? "")]),
            ("SYNOPSIS", [Self.synopsis(tree, words)]),
            ("DESCRIPTION", paragraphs),
            ("COMMANDS", subcommands.flatMap { Self.entry(Self.bold($0.commandName), $0.abstract ?? "") }),
            ("ARGUMENTS", positional.flatMap { Self.entry(Self.italic($0.valueName ?? ""), Self.meaning($0)) }),
            ("OPTIONS", options.flatMap { Self.entry(Self.heading($0), Self.meaning($0)) }),
            ("EXAMPLES", examples.isEmpty ? [] : [".nf"] + examples + [".fi"]),
            ("EXIT STATUS", [Self.escaped(ExitStatus.meanings)]),
            ("SEE ALSO", [Self.seeAlso(above: words.dropLast(), subcommands.map { words + [$0.commandName] })]),
        ]
        let title = Self.escaped(name.uppercased(), isLiteral: true)
        let head = [Self.mark, ".TH \"\(title)\" 1 \"\" \"smd \(Release.version)\" \"smd\""]
        let body = sections.filter { !$0.lines.joined().isEmpty }.flatMap { [".SH \($0.title)"] + $0.lines }
        text = (head + body).joined(separator: "\n") + "\n"
    }

    /// A discussion in paragraphs, and the lines of its examples. Lines with a margin stay lines.
    private static func parts(of discussion: String) -> (paragraphs: [String], examples: [String]) {
        var (paragraphs, examples): ([String], [String]) = ([], [])
        for block in discussion.split(separator: "\n\n") {
            let lines = block.split(separator: "\n").map(String.init)
            if lines.first == "EXAMPLES" {
                examples += lines.dropFirst().map { escaped(String($0.drop { $0 == " " }), isLiteral: true) }
            } else if lines.contains(where: { $0.hasPrefix("  ") }) {
                paragraphs += [".PP", ".nf"] + lines.map { escaped($0, isLiteral: true) } + [".fi"]
            } else if lines.first?.hasBytes(prefix: ExitStatus.help) != true {
                paragraphs += (paragraphs.isEmpty ? [] : [".PP"]) + lines.map { escaped($0) }
            }
        }
        return (paragraphs, examples)
    }

    private static func synopsis(_ tree: CommandTree, _ words: [String]) -> String {
        if !tree.shownSubcommands.isEmpty { return bold(words.joined(separator: " ")) + " " + italic("command") }
        let parts = tree.shownArguments.filter { $0.kind == .positional || !$0.isOptional }.map { argument in
            let dots = argument.isRepeating ? " ..." : ""
            let value = argument.kind == .positional ? italic(argument.valueName ?? "") : heading(argument)
            return argument.isOptional ? "[" + value + dots + "]" : value + dots
        }
        return ([bold(words.joined(separator: " ")), "[" + italic("options") + "]"] + parts).joined(separator: " ")
    }

    /// An option as it is written: short names first.
    private static func heading(_ argument: CommandTree.Argument) -> String {
        let names = (argument.names ?? []).map(\.text).sorted { $0.utf8.count < $1.utf8.count }
        let value = argument.kind == .option ? " " + italic(argument.valueName ?? "value") : ""
        return names.map(bold).joined(separator: ", ") + value
    }

    private static func meaning(_ argument: CommandTree.Argument) -> String {
        var parts = [argument.abstract ?? "", argument.discussion ?? ""]
        if let values = argument.allValues { parts.append("(values: \(values.joined(separator: ", ")))") }
        if let value = argument.defaultValue, !value.isEmpty { parts.append("(default: \(value))") }
        return parts.filter { !$0.isEmpty }.joined(separator: " ")
    }

    private static func entry(_ heading: String, _ text: String) -> [String] { [".TP", heading, escaped(text)] }

    private static func seeAlso(above: some Collection<String>, _ below: [[String]]) -> String {
        let pages = (above.isEmpty ? [] : [Array(above)]) + below
        return pages.map { bold($0.joined(separator: "-")) + "(1)" }.joined(separator: ", ")
    }

    private static func bold(_ text: String) -> String { "\\fB" + escaped(text, isLiteral: true) + "\\fR" }
    private static func italic(_ text: String) -> String { "\\fI" + escaped(text, isLiteral: true) + "\\fR" }

    /// Text in which nothing means anything to roff. In literal text, which people copy, "-" is the minus of a command
    /// line and not a hyphen, and quotes are straight.
    private static func escaped(_ text: String, isLiteral: Bool = false) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\e"
            case "\n": result += " "
            case "-" where isLiteral: result += "\\-"
            case "'" where isLiteral: result += "\\(aq"
            case "`" where isLiteral: result += "\\(ga"
            case "^" where isLiteral: result += "\\(ha"
            case "~" where isLiteral: result += "\\(ti"
            default: result.unicodeScalars.append(scalar)
            }
        }
        // A line that begins so would be a request.
        return result.hasPrefix(".") || result.hasPrefix("'") ? "\\&" + result : result
    }
}
