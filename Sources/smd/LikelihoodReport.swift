import Configuration
import Evaluation
import Files
import Foundation
import HDF5
import Plots
import Reports

/// What `smd evaluate nll` says.
struct LikelihoodReport: Encodable {
    struct Level: Encodable {
        let timestep: Int
        let logsnr: Double
        let error: FigureJSON
        let spread: Double

        init(_ level: DenoisingLikelihood.Level) {
            (timestep, logsnr, spread) = (level.timestep, level.logSNR, level.spread)
            error = FigureJSON("squared error of the estimate of the noise", level.error)
        }
    }

    let version = Release.version
    let checkpoint: String
    let data: String
    let isDiscrete: Bool
    let count: Int
    let dimension: Int
    let draws: Int
    let seed: UInt64
    let nats: FigureJSON
    let bitsPerDimension: FigureJSON
    let chainNats: FigureJSON
    let chainBitsPerDimension: FigureJSON
    let prior: Double
    let reconstruction: Double
    /// λ of the noisiest level, and of those where the integral ends, of one half of the samples and of the other.
    let logsnrRange: [Double]
    let levels: [Level]
    private let places: [Int]
    private let bits: Estimate
    private let chainBits: Estimate
    private let values: (nats: Estimate, chain: Estimate)

    private enum CodingKeys: String, CodingKey {
        case version, checkpoint, data, isDiscrete, count, dimension, draws, seed, nats, bitsPerDimension
        case chainNats, chainBitsPerDimension, prior, reconstruction, logsnrRange, levels
    }

    init(
        _ command: EvaluateNLLCommand, _ judged: JudgedDenoiser, _ set: LikelihoodSamples, _ result: DenoisingLikelihood
    ) {
        (checkpoint, data, isDiscrete, seed) = (judged.path, command.data, command.discrete, command.seed)
        (places, count) = (set.samples.places, set.samples.places.count)
        (dimension, draws) = (result.dimension, result.draws)
        (bits, chainBits) = (result.bitsPerDimension(result.nats), result.bitsPerDimension(result.chain))
        values = (result.nats, result.chain)
        nats = FigureJSON("−ln p, upper bound", result.nats)
        bitsPerDimension = FigureJSON("the same, bits a dimension", bits)
        chainNats = FigureJSON("−ln p of ancestral sampling over the levels, upper bound", result.chain)
        chainBitsPerDimension = FigureJSON("the same, bits a dimension", chainBits)
        (prior, reconstruction) = (result.prior, result.reconstruction)
        let last = result.levels.count - 1
        logsnrRange = [result.levels[last].logSNR] + result.ends.map { result.levels[$0].logSNR }.sorted()
        levels = result.levels.map(Level.init)
    }

    var text: String {
        let kind = isDiscrete ? "probabilities of 256 values" : "densities"
        let head = "\(grouped(count)) samples of \(data), \(kind), \(levels.count) levels, \(draws) draws each"
        let rows = [
            ["", "nats", "bits/dim"], ["mean denoiser", values.nats.text, bits.text],
            ["chain of draws", values.chain.text, chainBits.text],
        ]
        let range = logsnrRange.map { String(format: "%.2f", $0) }
        return """
            \(head)

            \(aligned(rows))

            upper bounds of −ln p(x); λ from \(range[0]) to \(range[2]); of the first \(fourDigits(prior)) nats are the \
            prior's, \(fourDigits(reconstruction)) those beyond the last level
            """
    }

    /// Writes `/nats [N]` and `/index [N]`, the place of each sample in the data set.
    func write(_ nats: [Double], to path: String, replacing: Bool) throws {
        let file = try HDF5File.createInMemory(userBlockBytes: 0, expectedBytes: nats.count * 16 + 1 << 14)
        try file.root.write(nats, shape: [nats.count], to: "nats")
        try file.root.write(places.map { Int64($0) }, shape: [nats.count], to: "index")
        for (name, value) in [("checkpoint", checkpoint), ("data", data)] {
            try file.root.setAttribute(name, .string(value))
        }
        try file.root.setAttribute("discrete", .boolean(isDiscrete))
        let image = try file.finishedImage()
        try image.withUnsafeMutableBytes {
            try DurableFile.write(UnsafeRawBufferPointer($0), to: path, replacing: replacing)
        }
        try image.close()
    }

    /// The errors over λ, and those of the best denoiser of N(0, I), both an element.
    func figure(_ result: DenoisingLikelihood) -> Plots.Figure {
        let levels = result.levels.reversed()
        let x = levels.map(\.logSNR)
        let errors = levels.map { $0.error.value / Double(dimension) }
        let curves = [
            Curve(name: "error of the noise", color: 0, x: x, y: errors),
            Curve(name: "of N(0, I)", color: 1, x: x, y: x.map { 1 / (1 + exp(-$0)) }),
        ]
        return Plots.Figure(
            panels: [Panel(title: "squared error an element", unit: "over λ", curves: curves, hasLegend: true)],
            legend: [], label: "squared error of the noise over the logarithm of signal to noise")
    }
}
