import ArgumentParser
import Communication
import Configuration
import Files
import Foundation
import DataSets

/// `smd dataset prepare`
struct DatasetPrepareCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prepare",
        abstract: "Make a data set from images, points or a known distribution.",
        discussion: """
            The same input gives the same file, byte for byte. An existing file is never touched without --overwrite, \
            and a file appears under its name only when it is whole. Images are made samples on all cores, and on all ranks \
            of mpirun; what is stopped or killed goes on with --resume.
            """,
        subcommands: [
            PrepareImages.self, PrepareIDX.self, PrepareCIFAR.self, PrepareNumPy.self, PrepareHDF5.self,
            PrepareLMDB.self, PreparePoints.self, PrepareLatents.self, PrepareFashionMNIST.self,
            PrepareGaussianGrid.self,
            PrepareGaussianRing.self, PrepareCheckerboard.self,
        ])
}

/// A data set to write.
struct DataSetFileOptions: ParsableArguments {
    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("The data set to write: FILE.h5, or FILE.json with --shard-size.", valueName: "file"),
        completion: .file(extensions: ["h5", "json"]))
    var output: String

    @Option(help: ArgumentHelp("Most samples of a file; more files are made, and a manifest that lists them."))
    var shardSize: Int?

    @Flag(name: [.customShort("f"), .long], help: "Replace files that exist.")
    var overwrite = false

    @OptionGroup var quietness: QuietOption

    func validate() throws {
        if let shardSize, shardSize < 1 {
            throw ValidationError("--shard-size must be at least 1, not \(shardSize)")
        }
        if (shardSize != nil) != output.hasBytes(suffix: ".json") {
            throw ValidationError(
                shardSize != nil
                    ? "with --shard-size the output is a manifest: give it a name that ends in .json"
                    : "a name that ends in .json is for a manifest: give --shard-size too, or a name that ends in .h5")
        }
    }

    /// What makes `output`; `arguments`, which begin with the command's name after `program`, make the same data set again
    /// and are stored in it.
    func preparation(
        _ arguments: [String], of program: [String] = ["smd", "dataset"], to output: String? = nil, source: String,
        progress: @escaping (Int, Int) throws -> Void
    ) -> Preparation {
        let sharding = shardSize.map { ["--shard-size", "\($0)"] } ?? []
        let command = (program + arguments + sharding).map(shellWord).joined(separator: " ")
        return Preparation(
            output: output ?? self.output,
            provenance: Provenance(source: source, command: command, tool: "smd \(Release.version)"),
            shardSize: shardSize, overwrite: overwrite, progress: progress)
    }
}

/// What all `prepare` commands share.
struct DatasetOutputOptions: ParsableArguments {
    @OptionGroup var file: DataSetFileOptions

    @Flag(help: "Go on with what a preparation that was stopped or killed has done.")
    var resume = false

    var output: String { file.output }

    /// `arguments` make the same data set again; they are stored in it.
    func preparation(
        _ arguments: [String], of program: [String] = ["smd", "dataset"], source: String,
        progress: @escaping (Int, Int) throws -> Void
    ) -> Preparation {
        var preparation = file.preparation(arguments, of: program, source: source, progress: progress)
        preparation.resume = resume
        return preparation
    }

    /// Runs `body` with the preparation on every rank of the job, and on rank 0 says what became of it.
    ///
    /// - Parameter body: returns what is said on standard output, after the name of the file.
    func prepare(
        _ arguments: [String], source: String, _ body: (Preparation, (PreparationNote) -> Void) throws -> String
    ) throws {
        try work(["prepare"] + arguments, source: source, "reading") { _, preparation, progress in
            try body(preparation) { note in
                switch note {
                case .skipped(let line): progress.warn("skipped \(line)")
                case .warning(let line): progress.warn(line)
                }
            }
        }
    }

    /// The same for a command of any name, with which `arguments` begin after `program`.
    ///
    /// - Parameter body: nil where it has said itself what there is to say.
    func work(
        _ arguments: [String], of program: [String] = ["smd", "dataset"], source: String, _ what: String,
        _ body: (any Communicator, Preparation, WorkProgress) throws -> String?
    ) throws {
        try onAllRanks { communicator in
            let progress = WorkProgress(what, unit: "images")
            Watchdog.enter(.data)
            var preparation = preparation(arguments, of: program, source: source) { done, total in
                Watchdog.beat()
                try communicator.rank == 0 ? progress.update(done, total) : progress.stopIfAsked(done, total)
            }
            preparation.team.rank = communicator.rank
            preparation.team.size = communicator.size
            if communicator.size > 1 {
                preparation.team.together = { try communicator.together("preparing \(output)", $0) }
            }
            let words = try body(communicator, preparation, progress)
            progress.finish()
            if communicator.rank == 0, let words { try printOut(printable("\(output): \(words)")) }
        }
    }
}
