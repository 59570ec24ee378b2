import ArgumentParser
import Foundation

/// A command with all below it, as the argument parser tells of it.
struct CommandTree: Decodable {
    /// What a command line may have behind the name.
    struct Argument: Decodable {
        /// What it is written as.
        enum Kind: String, Decodable { case positional, option, flag }

        struct Name: Decodable {
            let kind: String
            let name: String
            /// With its dashes.
            var text: String { (kind == "long" ? "--" : "-") + name }
        }

        let kind: Kind
        let shouldDisplay: Bool
        let isOptional: Bool
        let isRepeating: Bool
        let names: [Name]?
        let valueName: String?
        let defaultValue: String?
        let allValues: [String]?
        let abstract: String?
        let discussion: String?
    }

    let commandName: String
    let abstract: String?
    let discussion: String?
    let shouldDisplay: Bool
    let subcommands: [CommandTree]?
    let arguments: [Argument]?

    /// What people see of `smd`, without the command `help`.
    static func whole() throws -> CommandTree {
        struct Tool: Decodable { let command: CommandTree }
        return try JSONDecoder().decode(Tool.self, from: Data(SMD._dumpHelp().utf8)).command
    }

    var shownSubcommands: [CommandTree] { (subcommands ?? []).filter { $0.shouldDisplay && $0.commandName != "help" } }
    var shownArguments: [Argument] { (arguments ?? []).filter(\.shouldDisplay) }
}
