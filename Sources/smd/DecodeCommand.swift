import ArgumentParser
import Communication
import DataSets
import Files
import Sampling

/// `smd decode`: samples of codes.
struct DecodeCommand: RankCommand {
    static let configuration = CommandConfiguration(
        commandName: "decode",
        abstract: "Samples of codes, with the network that made the codes or another.",
        discussion: """
            The sampler is that of the codes. With the network that made them the samples come back, byte for byte; with \
            another, of samples of the same size, each becomes one of its own that resembles it (CycleDiffusion), and so it \
            does with the same network and another class, --label. The latent of a network that was trained apart means \
            something else, or has another size: draw η anew, --eta fresh. Ranks of mpirun share the work; what is stopped or \
            killed goes on with --resume; the file is the same on any number of ranks.

            EXAMPLES
              smd decode runs/cats codes.h5 --output same.h5
              smd decode runs/dogs codes.h5 --eta fresh --output dogs.h5
              smd decode runs/fashion codes.h5 --label boot --guidance 3 --output boots.h5
            """)

    @Argument(
        help: ArgumentHelp("The checkpoint, or the folder of a run, whose newest is taken.", valueName: "checkpoint"),
        completion: .file(extensions: ["h5"]))
    var checkpoint: String

    @Argument(help: "Data set of codes.", completion: .file(extensions: ["h5", "json"]))
    var codes: String

    @Option(help: "η of each evaluation: stored (that of the code) or fresh.")
    var eta = EtaSource.stored

    @OptionGroup var guidance: GuidanceOptions

    @OptionGroup var compute: ComputeOptions

    @OptionGroup var output: DatasetOutputOptions

    func validate() throws {
        if guidance.classifier != nil { throw ValidationError("--classifier: codes know no classifier") }
    }

    func run() throws {
        let arguments = ["decode", checkpoint, codes, "--eta", eta.rawValue] + guidance.arguments + compute.arguments
        try output.work(arguments, of: ["smd"], source: codes, "decoding") { communicator, preparation, progress in
            let path = try triedCheckpoint(checkpoint, communicator)
            let (job, set, facts) = try communicator.together("opening checkpoint and codes") {
                () throws -> (SamplingJob, DataSet, CodeFacts) in
                if communicator.rank == 0 {
                    try FileTrial.run(.dataset, codes)
                    try requireWritable(output.output, overwrite: output.file.overwrite, inputs: [codes, path])
                }
                let set = try DataSet(path: codes)
                return (try SamplingJob(path, compute.weights), set, try CodeFacts(of: set))
            }
            let classes = try communicator.together("reading the classes") {
                try guidance.classes(job, classifier: nil).of(set, guidance.label, told: facts.label)
            }
            let runs = try JobPrecision.agree(compute.precision ?? job.configuration.precision, communicator)
            let (coder, taken) = try communicator.together("preparing the network") {
                var (coder, taken) = try SampleCoder.decoder(
                    job, facts, guidance, eta, batch: min(compute.batch, set.count), runs)
                (coder.classes, coder.seed) = (classes.chosen, compute.seed)
                return (coder, taken)
            }
            if communicator.rank == 0 {
                if let notice = runs.notice { progress.warn(notice) }
                progress.note(
                    "decoding \(grouped(set.count)) \(facts.sampleShape.words), \(coder.layout.evaluations) network "
                        + "evaluations each" + (taken.residual ? ", to the bit" : ""))
            }
            let count = try preparation.samples(
                of: set, to: facts.sampleShape, by: job.digest, block: coder.batch
            ) { range in
                try coder.samples(range, codes: set.samples(range), taken) { try progress.beat() }
            }
            return count.map { "\(grouped($0)) \(facts.sampleShape.words)" }
        }
    }
}
