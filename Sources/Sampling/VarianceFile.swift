import Diffusion
import Foundation
import HDF5
import Storage

/// The variance of the estimates of a checkpoint's network, as measured, in a file of JSON beside the checkpoint.
public struct VarianceFile: Codable, Equatable, Sendable {
    /// SHA-256 of the checkpoint that was measured, as its prefix has it.
    public var checkpointSHA256: String
    /// `ema` or `raw`.
    public var weights: String
    /// Path of the data set, as it was given.
    public var data: String
    /// Samples at each timestep.
    public var count: Int
    public var seed: UInt64
    public var timesteps: [Int]
    /// Mean of (x_0 − x̂_0)² over samples and elements, at each timestep.
    public var x0Variance: [Double]

    enum CodingKeys: String, CodingKey {
        case checkpointSHA256 = "checkpoint_sha256"
        case weights, data, count, seed, timesteps
        case x0Variance = "x0_variance"
    }

    public init(
        of job: SamplingJob, data: String, count: Int, seed: UInt64, _ measured: X0Variance
    ) {
        checkpointSHA256 = job.digest
        weights = job.weights.rawValue
        (self.data, self.count, self.seed) = (data, count, seed)
        (timesteps, x0Variance) = (measured.timesteps, measured.values)
    }

    /// Writes the file beside the checkpoint at `path`, in place of an older one, and returns its name.
    public func write(besideCheckpoint path: String) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let file = CheckpointFolder.variancePath(of: path)
        let text = [UInt8](try encoder.encode(self)) + [UInt8(ascii: "\n")]
        try text.withUnsafeBytes { try DurableFile.write($0, to: file) }
        return file
    }

    /// What was measured of the checkpoint of `job`.
    ///
    /// - Throws: ``RunError`` where there is no such file, or it is of another checkpoint or other weights.
    static func read(of job: SamplingJob) throws -> X0Variance {
        let path = CheckpointFolder.variancePath(of: job.path)
        let way = "measure it: smd evaluate variance \(job.path) --data FILE"
        guard let bytes = FileManager.default.contents(atPath: path) else {
            throw RunError("diffusion.variance is optimal, but there is no \(path) with the variance; \(way)")
        }
        guard let file = try? JSONDecoder().decode(VarianceFile.self, from: bytes),
            file.timesteps.count == file.x0Variance.count, !file.timesteps.isEmpty,
            zip(file.timesteps, file.timesteps.dropFirst()).allSatisfy({ $0 < $1 }),
            file.x0Variance.allSatisfy({ $0.isFinite && $0 >= 0 })
        else { throw RunError("\(path) does not hold what smd evaluate variance writes; \(way)") }
        guard file.checkpointSHA256 == job.digest else {
            throw RunError("\(path) was measured of another checkpoint than \(job.path); \(way)")
        }
        guard file.weights == job.weights.rawValue else {
            throw RunError(
                "\(path) was measured with the weights \(file.weights), not \(job.weights.rawValue); \(way) "
                    + "--weights \(job.weights.rawValue)")
        }
        return X0Variance(timesteps: file.timesteps, values: file.x0Variance)
    }
}

/// Measures the mean squared error of a network's estimates of x_0, of samples that ranks share.
public struct VarianceMeasurement {
    private let generator: SampleGenerator
    private let process: ForwardProcess
    private let clips: Bool
    private let seed: UInt64
    /// The class of each place, where the network is told it.
    private let labels: [Int32]?
    /// The timesteps that are measured.
    public let timesteps: [Int]

    /// - Parameters:
    ///   - clips: whether estimates are clamped to [−1, 1], as in sampling.
    ///   - labels: the class of each place, where the network is told it.
    public init(
        _ generator: SampleGenerator, _ process: ForwardProcess, clips: Bool, seed: UInt64, labels: [Int32]?
    ) {
        (self.generator, self.process, self.clips, self.seed, self.labels) = (generator, process, clips, seed, labels)
        timesteps = X0Variance.timesteps(of: process.schedule.timesteps)
    }

    /// The mean of (x_0 − x̂_0)² over the elements of each of the clean samples `x0 [places, H, W, C]`, at each timestep:
    /// `[places, timesteps]`. Numbers belong to a sample's place, not to a batch.
    ///
    /// - Parameter progress: called after each evaluation of the network with how many there were.
    /// - Throws: ``RunError`` where an estimate is not finite.
    public func errors(
        x0: [Float], places: [Int], progress: (Int) throws -> Void
    ) throws -> [Float] {
        let size = generator.sampleSize
        let noise = Draw("noise", .evaluation, .normal, elements: size)
        var errors = [Float](repeating: 0, count: places.count * timesteps.count)
        var done = 0
        for start in stride(from: 0, to: places.count, by: generator.batch) {
            let part = start..<min(start + generator.batch, places.count)
            let clean = Array(x0[part.lowerBound * size..<part.upperBound * size])
            for (number, t) in timesteps.enumerated() {
                let ts = part.map { _ in t }
                let epsilon = noise.values(seed: seed, at: part.map { (number, places[$0]) })
                let xt = process.noised(x0: clean, noise: epsilon, timesteps: ts).xt
                let own = part.map { places[$0] }
                let estimates = try generator.estimates(
                    xt: xt, timesteps: ts, places: own, draw: number, seed: seed, process,
                    labels: labels.map { labels in own.map { Float(labels[$0]) } })
                for (slot, sample) in part.enumerated() {
                    var sum = 0.0
                    for i in slot * size..<(slot + 1) * size {
                        let estimate = clips ? min(1, max(-1, estimates[i])) : estimates[i]
                        sum += Double((clean[i] - estimate) * (clean[i] - estimate))
                    }
                    guard sum.isFinite else {
                        throw RunError(
                            "the network's estimate of x0 at t = \(t) is not finite: the checkpoint is of no use")
                    }
                    errors[sample * timesteps.count + number] = Float(sum / Double(size))
                }
                done += 1
                try progress(done)
            }
        }
        return errors
    }

    /// The means over samples of `errors [samples, timesteps]`, in the order of the samples.
    public func mean(_ errors: [Float]) -> X0Variance {
        var sums = [Double](repeating: 0, count: timesteps.count)
        for (index, error) in errors.enumerated() { sums[index % timesteps.count] += Double(error) }
        let samples = Double(errors.count / timesteps.count)
        return X0Variance(timesteps: timesteps, values: sums.map { $0 / samples })
    }
}
