import ArgumentParser
import Communication
import Configuration
import DataSets
import Evaluation
import Files
import HDF5
import LinearAlgebra
import Reports
import Mixtures

/// What kind of prior is fitted.
enum FittedPrior: String, CaseIterable, ExpressibleByArgument {
    case gaussian, mixture
}

/// `smd prior`: what sampling begins with in place of N(0, I).
struct PriorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prior",
        abstract: "Fit what sampling begins with where it begins early.",
        discussion: """
            EXAMPLES
              smd prior fit --data fashion-mnist.h5 --kind gaussian --output prior.h5
            """,
        subcommands: [Fit.self])

    /// `smd prior fit`.
    struct Fit: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Fit a Gaussian or a mixture of Gaussians to clean data.",
            discussion: """
                Noised data of a mixture are one again, so that a prior is fitted once and serves any horizon: "smd evaluate \
                gap" says which, "smd sample --prior" begins there. A Gaussian has the data's mean and covariance. A mixture \
                is fitted by expectation and maximisation; many components with few samples copy the data. The same data, \
                options and seed give the same file. docs/family.md says more.

                EXAMPLES
                  smd prior fit --data fashion-mnist.h5 --kind gaussian --output prior.h5
                  smd prior fit --data grid.h5 --kind mixture --components 49 --output prior.h5
                  smd prior fit --data fashion-mnist.h5 --kind gaussian --rank 100 --output prior.h5 --json
                """)

        @Option(
            help: ArgumentHelp("The data, which sampling should resemble.", valueName: "data"),
            completion: .file(extensions: ["h5", "json"]))
        var data: String

        @Option(help: "gaussian or mixture.")
        var kind = FittedPrior.gaussian

        @Option(help: "Gaussians of a mixture; default: 10.")
        var components: Int?

        @Option(
            help: "Directions of each Gaussian with a variance of their own; the others share one. Default: all.")
        var rank: Int?

        @Option(name: [.customShort("n"), .long], help: "Samples, chosen by the seed; default: all.")
        var count: Int?

        @Option(help: "Beginnings of the fit of a mixture, of which the likeliest end is taken.")
        var tries = 4

        @Option(help: "Most iterations of each.")
        var iterations = 200

        @Option(help: "Added to variances along each axis, as a share of their mean.")
        var widening = 1e-6

        @Option(
            name: .shortAndLong, help: ArgumentHelp("The file to write.", valueName: "prior.h5"),
            completion: .file(extensions: ["h5"]))
        var output: String

        @Option(help: "Seed of the choice of samples and of the beginnings.")
        var seed: UInt64 = 0

        @Flag(name: [.customShort("f"), .long], help: "Replace the file if it exists.")
        var overwrite = false

        @Flag(help: "Write JSON.")
        var json = false

        @OptionGroup var quietness: QuietOption

        func validate() throws {
            if kind == .gaussian, components ?? 1 != 1 {
                throw ValidationError("--components is \(components ?? 0), and a gaussian is one; give --kind mixture")
            }
            guard (1...4096).contains(components ?? 1) else {
                throw ValidationError("--components is \(components ?? 0); it must be in 1 ... 4096")
            }
            if let rank, rank < 0 { throw ValidationError("--rank is \(rank); it must be 0 or more") }
            if let count, count < 2 { throw ValidationError("--count is \(count); it must be 2 or more") }
            guard (1...1000).contains(tries) else {
                throw ValidationError("--tries is \(tries); it must be in 1 ... 1000")
            }
            guard (1...100_000).contains(iterations) else {
                throw ValidationError("--iterations is \(iterations); it must be in 1 ... 100000")
            }
            guard widening >= 0, widening <= 1 else {
                throw ValidationError("--widening is \(widening); it must be in 0 ... 1")
            }
        }

        func run() throws {
            try requireWritable(output, overwrite: overwrite, inputs: [data])
            try FileTrial.run(.dataset, data)
            let set = try DataSet(path: data)
            let count = kind == .mixture ? components ?? 10 : 1
            let bytes = PriorFile.bytes(components: count, dimension: set.elementsPerSample)
            guard set.elementsPerSample <= 4096, bytes < 1 << 31 else {
                throw CommandFailure(
                    .badInput,
                    "\(count) covariances of \(set.elementsPerSample) numbers are too large; a prior is for at most 4096 "
                        + "numbers a sample and 2 GiB: fewer --components, or smaller images")
            }
            try requireWritable(output, overwrite: overwrite, bytes: bytes, inputs: [data])
            let samples = try smd.samples(of: set, count: self.count ?? set.count, seed: seed)
            var mixture = try fitted(samples, count)
            if let rank { mixture = mixture.reduced(toRank: rank) }
            guard mixture.hasDensity else {
                throw CommandFailure(
                    .badInput,
                    "\(data): the samples lie in a plane, where a Gaussian has no density; give --widening 1e-6")
            }
            let file = PriorFile(mixture)
            let likelihood = mixture.logDensities(rows: samples).reduce(0, +) / Double(samples.rows)
            try creatingOutput {
                try file.write(
                    to: output, replacing: overwrite,
                    attributes: [
                        "data": .string(data), "data_sha256": .string(set.fingerprint), "kind": .string(kind.rawValue),
                        "count": .integer(samples.rows), "seed": .string("\(seed)"),
                        "version": .string(Release.version),
                    ])
            }
            if json {
                return try printJSON(Report(self, file, samples.rows, -likelihood))
            }
            try printOut(
                "\(output): \(count == 1 ? "a Gaussian" : "\(count) Gaussians") of \(mixture.dimension) numbers, "
                    + "\(grouped(samples.rows)) samples, −ln p \(fourDigits(-likelihood)) nats")
        }

        private func fitted(_ samples: Matrix, _ count: Int) throws -> GaussianMixture {
            if kind == .gaussian {
                return try GaussianMixture(
                    matching: samples, widening: widening, EvaluationWork(SingleProcess()))
            }
            var settings = PriorFit.Settings(components: count)
            (settings.tries, settings.iterations, settings.seed) = (tries, iterations, seed)
            settings.widening = widening
            let progress = WorkProgress("fitting", unit: "iterations")
            let fit = try PriorFit(samples, settings, progress: progress.update)
            progress.finish()
            return fit.mixture
        }
    }

    /// What `--json` writes.
    private struct Report: Encodable {
        let output: String
        let data: String
        let kind: String
        let components: Int
        let dimension: Int
        let count: Int
        let nats: Double
        let sha256: String

        init(_ command: Fit, _ file: PriorFile, _ count: Int, _ nats: Double) {
            (output, data, kind) = (command.output, command.data, command.kind.rawValue)
            (components, dimension) = (file.mixture.components, file.mixture.dimension)
            (self.count, self.nats, sha256) = (count, nats, file.digest)
        }
    }
}
