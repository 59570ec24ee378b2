import ArgumentParser
import Communication
import DataSets
import Files
import Reports
import Sampling

/// What `encode` and `decode` share.
struct FirstStageOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Checkpoint, or run, of method: autoencoder; its average is taken.", valueName: "checkpoint"),
        completion: .file(extensions: ["h5"]))
    var firstStage: String

    @OptionGroup var output: DatasetOutputOptions
}

/// `smd dataset encode`
struct DatasetEncodeCommand: RankCommand {
    static let configuration = CommandConfiguration(
        commandName: "encode",
        abstract: "Latents of images: what latent diffusion is trained on.",
        discussion: """
            Each image becomes a Gaussian: /mean and /deviation (float32, N×h×w×Z), from which training draws anew each time. \
            The file keeps the labels, the SHA-256 of the first stage, and scaling_factor, one over the deviation of all \
            latents, by which they are multiplied in training. Ranks of mpirun share the work; what is stopped or killed \
            goes on with --resume; the file is the same on any number of ranks.

            EXAMPLES
              smd dataset encode fashion-mnist.h5 --first-stage runs/autoencoder --output latents.h5
              mpirun -n 8 smd dataset encode photos.h5 --first-stage ae.h5 --mirror --output photos-latents.h5
            """)

    @Argument(help: "Data set of images.", completion: .file(extensions: ["h5", "json"]))
    var file: String

    @Flag(help: "Encode every image mirrored left to right, too: a latent cannot be mirrored in training.")
    var mirror = false

    @OptionGroup var options: FirstStageOptions

    func run() throws {
        let arguments = ["encode", file, "--first-stage", options.firstStage] + (mirror ? ["--mirror"] : [])
        try options.output.work(arguments, source: file, "encoding") { communicator, preparation, _ in
            let path = try triedCheckpoint(options.firstStage, communicator)
            let (stage, images) = try communicator.together("opening first stage and data set") {
                () throws -> (FirstStage, DataSet) in
                if communicator.rank == 0 { try FileTrial.run(.dataset, file) }
                let (stage, images) = (try FirstStage(checkpoint: path), try DataSet(path: file))
                guard images.sample.with(conditions: 0) == stage.imageShape else {
                    throw CommandFailure(
                        .badInput,
                        "\(file) holds \(images.sample.words), the first stage takes \(stage.imageShape.words)")
                }
                return (stage, images)
            }
            let made = try preparation.latents(
                of: images, to: stage.latentShape, firstStage: stage.digest, mirrored: mirror, encode: stage.gaussians)
            return made.map { "\(grouped($0.count)) \(stage.latentShape.words), scale \(fourDigits($0.scale))" } ?? ""
        }
    }
}

/// `smd dataset decode`
struct DatasetDecodeCommand: RankCommand {
    static let configuration = CommandConfiguration(
        commandName: "decode",
        abstract: "Images of latents.",
        discussion: """
            Of each latent the image of its mean, with the first stage that the latents were encoded with; another one is \
            refused. Ranks of mpirun share the work; what is stopped or killed goes on with --resume.

            EXAMPLES
              smd dataset decode latents.h5 --first-stage runs/autoencoder --output images.h5
              smd sample runs/ldm --latents --count 1000 --output drawn.h5
              smd dataset decode drawn.h5 --first-stage ae.h5 --output images.h5
            """)

    @Argument(help: "Data set of latents.", completion: .file(extensions: ["h5", "json"]))
    var file: String

    @OptionGroup var options: FirstStageOptions

    func run() throws {
        let arguments = ["decode", file, "--first-stage", options.firstStage]
        try options.output.work(arguments, source: file, "decoding") { communicator, preparation, _ in
            let (images, latents) = try communicator.together("opening first stage and data set") {
                () throws -> (LatentImages, DataSet) in
                if communicator.rank == 0 { try FileTrial.run(.dataset, file) }
                let latents = try DataSet(path: file)
                guard let facts = latents.latents else {
                    throw CommandFailure(.badInput, "\(file) holds \(latents.sample.words), no latents")
                }
                return (try LatentImages(facts, at: options.firstStage), latents)
            }
            let count = try preparation.images(of: latents, to: images.shape) { try pixels(images(unscaled: $0)) }
            return count.map { "\(grouped($0)) \(images.shape.words)" } ?? ""
        }
    }
}
