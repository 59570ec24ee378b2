import CPUBackend
import Files
import TensorGraph

/// Where the time of a step, or of sampling, goes.
public struct OperationProfile: Encodable, Sendable {
    /// By kind of operation and by sizes, most expensive first. The shares add up to 1.
    public var operations: [OperationRow]
    /// By kind alone, most expensive first. The shares add up to 1.
    public var kinds: [OperationRow]
    /// Repetitions that these are the medians of.
    public var repetitions: Int
}

/// Times of the operations of a plan, and of what is done beside them, gathered over some repetitions.
///
/// A repetition is timed in laps: a lap ends where the next begins, so that no moment is left out.
struct LapTimes {
    private let nodes: Int
    private let labels: [OperationLabel]
    private let costs: [OperationCost]
    private let counts: [Int]
    private var seconds: [[Double]] = []
    private var machine: [MachineRates] = []
    private let clock = ContinuousClock()
    private var since: ContinuousClock.Instant

    /// - Parameters:
    ///   - plan: its nodes are places 0 ..< count, each run `runs` times in a repetition.
    ///   - others: what follows them, once in a repetition, with the bytes it moves (0 if that is not known).
    init(_ plan: ExecutionPlan, runs: Int, others: [(name: String, bytes: Int)]) {
        nodes = plan.nodes.count
        labels = plan.nodes.map(plan.label) + others.map { OperationLabel(operation: $0.name, shape: "") }
        costs = plan.nodes.map(plan.cost) + others.map { OperationCost(operations: 0, bytes: $0.bytes) }
        counts = plan.nodes.map { _ in runs } + others.map { _ in 1 }
        since = clock.now
    }

    /// Starts a repetition.
    mutating func begin(_ rates: MachineRates) {
        machine.append(rates)
        seconds.append([Double](repeating: 0, count: labels.count))
        since = clock.now
    }

    /// Gives the time since the last lap to a node of the plan.
    mutating func lap(node: Int) {
        let now = clock.now
        seconds[seconds.count - 1][node] += (now - since).seconds
        since = now
    }

    /// Gives the time since the last lap to other work.
    mutating func lap(other index: Int) { lap(node: nodes + index) }

    /// Medians over the repetitions so far.
    func profile() -> OperationProfile {
        precondition(!seconds.isEmpty, "no repetition of the profile")
        return OperationProfile(
            operations: rows { $0 },
            kinds: rows { OperationLabel(operation: String($0.operation.prefix { $0 != "+" }), shape: "") },
            repetitions: seconds.count)
    }

    private func rows(_ key: (OperationLabel) -> OperationLabel) -> [OperationRow] {
        let rates = MachineRates.median(machine)
        let places = Dictionary(grouping: labels.indices) { key(labels[$0]) }
        let medians = places.mapValues { places in
            median(seconds.map { laps in places.reduce(0) { $0 + laps[$1] } })
        }
        let all = medians.values.reduce(0, +)
        return places.map { label, places in
            var cost = OperationCost()
            for place in places { cost += costs[place] * counts[place] }
            let time = medians[label] ?? 0
            return OperationRow(
                operation: label.operation, shape: label.shape, count: places.reduce(0) { $0 + counts[$1] },
                seconds: time, share: time / all, cost: cost, machine: rates)
        }
        .sorted { ($1.seconds, $0.operation, $0.shape) < ($0.seconds, $1.operation, $1.shape) }
    }
}
