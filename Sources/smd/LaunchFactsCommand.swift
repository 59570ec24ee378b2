import ArgumentParser
import Files
import Foundation

/// A command that may run on several ranks; launch/run starts no others.
protocol RankCommand: ParsableCommand {
    /// Whether it has --threads.
    static var takesThreads: Bool { get }
    /// What launch/run must know of these arguments.
    var launchFacts: LaunchFacts { get }
}

extension RankCommand {
    static var takesThreads: Bool { false }
    var launchFacts: LaunchFacts { LaunchFacts() }
}

/// What launch/run must know of a job.
struct LaunchFacts {
    /// The folder of the run that a lost job goes on with when it is started again; empty where it would begin anew.
    var run = ""
    /// Where to start, as --resume says it.
    var resume = "none"
    /// Threads of a rank; nil where the command does not say.
    var threads: Int?
    /// Seconds that the job may take in all its starts; nil without a limit.
    var seconds: Double?
}

/// `smd launch-facts`: what launch/run asks. Not for people. The script reads none of a command's arguments itself: an
/// option that two programs read is read in two ways some day.
///
/// Standard input holds the arguments of smd, each with a zero byte after it, which no argument can hold. Written are, in
/// the same form, the fields of ``LaunchFacts``, the number of words before its arguments, and all words of the command
/// line: without the name of a command it is that of `smd train`.
struct LaunchFactsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "launch-facts", abstract: "Tell launch/run what arguments mean.", shouldDisplay: false)

    @Option(help: "Threads of a rank where the arguments do not say.")
    var threads: Int

    func run() throws {
        var words =
            try FileHandle.standardInput.readToEnd()?.split(separator: 0, omittingEmptySubsequences: false)
            .dropLast().map { try argumentText($0) } ?? []
        if !SMD.configuration.subcommands.contains(where: { $0._commandName == words.first }) {
            words.insert(TrainCommand._commandName, at: 0)
        }
        let path = SMD.commands(named: words)
        guard let kind = path.last as? any RankCommand.Type else { throw refusal(path) }
        // Before the arguments, so that those of a person have the last word.
        let more = kind.takesThreads ? ["--threads", "\(threads)"] : []
        words.insert(contentsOf: more, at: path.count)
        var parsed = try SMD.parsed(words)
        guard let command = parsed as? any RankCommand else { return try parsed.run() }  // --help
        let facts = command.launchFacts
        let count = path.count + more.count
        let numbers = ["\(facts.threads ?? threads)", facts.seconds.map { "\(Int($0))" } ?? "", "\(count)"]
        let answer = ([facts.run, facts.resume] + numbers + words).map { $0 + "\0" }.joined()
        if let reason = StandardStreams.write(answer, to: STDOUT_FILENO) {
            throw CommandFailure(.cannotCreateOutput, "cannot write to standard output: \(reason)")
        }
    }

    private func refusal(_ path: [any ParsableCommand.Type]) -> CommandFailure {
        let name = (["smd"] + path.map { $0._commandName }).joined(separator: " ")
        let all = Self.rankCommands(below: SMD.self)
        let alone = all.filter { $0.count == 1 }.map { $0[0] }
        let groups = all.filter { $0.count > 1 }.map { $0.dropLast().joined(separator: " ") }
        let distinct = groups.indices.filter { groups.firstIndex(of: groups[$0]) == $0 }.map { groups[$0] }
        return CommandFailure(
            .usage,
            "\(name) runs in one process: start it without launch/run, which is for \(alone.joined(separator: ", ")), and "
                + "commands below \(distinct.joined(separator: ", "))")
    }

    /// The words that name each command that may run on several ranks.
    private static func rankCommands(below group: any ParsableCommand.Type, _ words: [String] = []) -> [[String]] {
        group.configuration.subcommands.flatMap { command in
            let name = words + [command._commandName]
            return (command is any RankCommand.Type ? [name] : []) + rankCommands(below: command, name)
        }
    }
}
