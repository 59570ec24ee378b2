import ArgumentParser
import Synchronization

/// Set once, when the command line has been read.
private let quietness = Atomic(false)

/// Whether progress and notes are left out.
var isQuiet: Bool { quietness.load(ordering: .relaxed) }

/// Whether a command says how far it is.
struct QuietOption: ParsableArguments {
    @Flag(name: .shortAndLong, help: "No progress and no notes on standard error; warnings and errors stay.")
    var quiet = false

    /// Called when all arguments are read: what a command says on the way comes from everywhere in it.
    func validate() { if quiet { quietness.store(true, ordering: .relaxed) } }
}

/// Whether a comparison, whose exit status is its result, says anything.
struct SilenceOption: ParsableArguments {
    @Flag(name: .shortAndLong, help: "Write nothing but warnings and errors: the status tells.")
    var quiet = false

    /// As that of ``QuietOption``.
    func validate() { if quiet { quietness.store(true, ordering: .relaxed) } }
}

/// Whether the output has colours.
struct ColorOption: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Colours: auto (in a terminal, unless NO_COLOR is set or TERM is dumb), always or never.",
            valueName: "when"))
    var color = ColorChoice.auto
}

extension ColorChoice: ExpressibleByArgument {}
