import Communication
import Configuration
import Diffusion
import Evaluation
import Files
import Foundation
import Reports
import Sampling
import Mixtures

/// The timesteps that `smd evaluate oracle` looks at, and the chain that they are part of.
struct VisitedTimes {
    /// The truth over the chain.
    let oracle: MixtureOracle
    /// Timesteps of the chain, ascending.
    let chain: [Int]
    /// Places in the chain of those looked at, ascending.
    let indices: [Int]

    /// Looked at where there are more.
    private static let most = (all: 20, some: 10)

    /// - Parameter times: the timesteps wanted, separated by commas.
    init(_ configuration: RunConfiguration, _ mixture: GaussianMixture, steps: Int?, times: String?) throws {
        let model = configuration.model
        guard model.isPoints, model.channels == mixture.dimension else {
            let found = model.isPoints ? "points of \(model.channels) coordinates" : "images"
            throw CommandFailure(
                .badInput, "the checkpoint's network is for \(found), the data's mixture has \(mixture.dimension)")
        }
        var diffusion = configuration.diffusion
        guard diffusion.offsetNoise == 0 else {
            throw CommandFailure(
                .badInput,
                "the checkpoint was trained with diffusion.offset_noise \(diffusion.offsetNoise): its x_t have another law than the oracle's"
            )
        }
        diffusion.samplingSteps = steps ?? diffusion.timesteps
        try diffusion.validate()
        chain = Chain(diffusion).times
        let schedule = NoiseSchedule(diffusion)
        oracle = MixtureOracle(mixture, schedule.respaced(to: chain))
        let last = chain.count - 1
        guard let times else {
            let some = Self.most.some - 1
            indices = chain.count <= Self.most.all ? Array(chain.indices) : (0...some).map { $0 * last / some }
            return
        }
        let wanted = Set(times.split(separator: ",").compactMap { Int($0) }).sorted()
        let chain = self.chain
        let found = wanted.compactMap { chain.firstIndex(of: $0) }
        guard found.count == wanted.count else {
            let shown =
                chain.prefix(20).map(String.init).joined(separator: ", ") + (last >= 20 ? ", …, \(chain[last])" : "")
            throw CommandFailure(.usage, "--times \(times): the timesteps are \(shown)")
        }
        indices = found
    }
}

/// Draws a network's estimates of x_0 at true x_t, and compares them with the truth.
struct OracleEvaluation {
    private let visited: VisitedTimes
    private let generator: SampleGenerator
    private let process: ForwardProcess
    private let draws: Int
    private let seed: UInt64

    init(
        _ visited: VisitedTimes, _ generator: SampleGenerator, _ process: ForwardProcess, draws: Int, seed: UInt64
    ) {
        (self.visited, self.generator, self.process) = (visited, generator, process)
        (self.draws, self.seed) = (draws, seed)
    }

    /// The records of the points `mine` of `count`, time by time; and of point 0 at each time true draws and the network's,
    /// each `[draws][2]`, where it is among them.
    func run(
        _ mine: Range<Int>, of count: Int, progress: (Int, Int) throws -> Void
    ) throws -> (records: [StepRecord], shown: [[[Float]]]) {
        let batches = stride(from: mine.lowerBound, to: mine.upperBound, by: generator.batch).map {
            $0..<min($0 + generator.batch, mine.upperBound)
        }
        let all = visited.indices.count * batches.count * draws
        var (records, shown, done): ([StepRecord], [[[Float]]], Int) = ([], [], 0)
        for t in visited.indices {
            let judge = StepJudge(visited.oracle, t, seed: seed)
            for batch in batches {
                // As float32, which the network sees.
                let points = visited.oracle.noisySamples(t, batch, seed: seed).map { $0.map(Float.init) }
                let places = batch.map { t * count + $0 }
                let estimates = try (0..<draws).map { draw in
                    defer { done += 1 }
                    try progress(done, all)
                    return try generator.estimates(
                        xt: points.flatMap { $0 }, timesteps: batch.map { _ in visited.chain[t] }, places: places,
                        draw: draw, seed: seed, process)
                }
                for (slot, place) in places.enumerated() {
                    let size = points[slot].count
                    let x0 = estimates.map { $0[slot * size..<(slot + 1) * size].map(Double.init) }
                    let xt = points[slot].map(Double.init)
                    guard x0.allSatisfy({ $0.allSatisfy(\.isFinite) }) else {
                        throw CommandFailure(
                            .badInput,
                            "the network's output at timestep \(visited.chain[t]) is not finite: its weights are of no use"
                        )
                    }
                    records.append(try judge.record(xt, draws: x0, number: place))
                    if place == t * count { shown.append(self.shown(xt, t, x0)) }
                }
            }
        }
        return (records, shown)
    }

    private func shown(_ xt: [Double], _ t: Int, _ estimates: [[Double]]) -> [[Float]] {
        let (law, size) = (visited.oracle.posterior(t), xt.count)
        let places = MixtureDraws(seed: seed, .evaluation, dimension: size)
        // Rounds of their own: those of x_t end at the last time.
        let truth = (0..<draws).flatMap { law.draw(xt, places, round: visited.chain.count + t, $0) }
        return [truth, estimates.flatMap { $0 }].map { PointSet($0, dimension: size).plane }
    }
}

/// What `smd evaluate oracle` says.
struct OracleReport: Encodable {
    struct Value: Encodable {
        let value: Double
        let error: Double?

        init(_ estimate: Estimate) { (value, error) = (estimate.value, estimate.error) }
    }

    /// A timestep.
    struct Row: Encodable {
        let timestep: Int
        let alphaBar: Double
        let trueDeviation: Double
        let componentEntropy: Value
        let stepInformation: Value?
        let varianceShare: Value
        let meanError: Value
        let divergence: Value?
        let gaussianDivergence: Value
    }

    /// Draws behind the information of a step, which need no network.
    private static let informationDraws = 4096

    let checkpoint: String
    let data: String
    let weights: String
    let count: Int
    let draws: Int
    let seed: UInt64
    let rows: [Row]

    /// - Parameter bytes: the records of each rank, time by time, as doubles.
    init(_ command: EvaluateOracleCommand, _ visited: VisitedTimes, joining bytes: [[UInt8]], _ dimension: Int) {
        (checkpoint, data, weights) = (command.checkpoint, command.data, command.weights.rawValue)
        (count, draws, seed) = (command.count, command.draws, command.seed)
        let ranks = bytes.map { part in part.withUnsafeBytes { Array($0.bindMemory(to: Double.self)) } }
        rows = visited.indices.enumerated().map { place, t in
            let records = ranks.flatMap { numbers in
                let each = numbers.count / StepRecord.size / visited.indices.count
                return (0..<each).map { i in
                    let first = (place * each + i) * StepRecord.size
                    return StepRecord(numbers: numbers[first..<first + StepRecord.size])
                }
            }
            let summary = StepSummary(records, dimension: dimension)
            Watchdog.beat()
            let information = visited.oracle.stepInformation(t, count: Self.informationDraws, seed: command.seed)
            return Row(
                timestep: visited.chain[t], alphaBar: visited.oracle.schedule.alphaBars[t],
                trueDeviation: summary.deviation, componentEntropy: Value(summary.componentEntropy),
                stepInformation: information.map(Value.init), varianceShare: Value(summary.varianceShare),
                meanError: Value(summary.meanError), divergence: summary.divergence.map(Value.init),
                gaussianDivergence: Value(summary.gaussianDivergence))
        }
    }

    /// A table, noisiest step first, as a sampler goes.
    var text: String {
        func cell(_ value: Value?) -> String { value.map { Estimate($0.value, error: $0.error).withError } ?? "—" }
        let head = [
            "t", "sd of x0", "H(mode|x_t)", "I(step)", "variance", "mean error", "KL of the step", "best Gaussian",
        ]
        let lines = rows.reversed().map { row in
            [
                "\(row.timestep)", fourDigits(row.trueDeviation), cell(row.componentEntropy), cell(row.stepInformation),
                cell(row.varianceShare), cell(row.meanError), cell(row.divergence), cell(row.gaussianDivergence),
            ]
        }
        return [
            "\(grouped(count)) points x_t a timestep, \(draws) draws of x_0 each; entropies and divergences in nats",
            aligned([head] + lines),
            "variance: of the draws / true (1 is right, 0 a single Gaussian); mean error: / true variance (0 is right)",
        ].joined(separator: "\n")
    }
}
