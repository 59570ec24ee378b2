import CPUBackend
import TensorGraph

/// Where the time of a step goes.
public struct StepProfile: Encodable, Sendable {
    /// By kind of operation and by sizes, most expensive first. The shares add up to 1.
    public var operations: [OperationRow]
    /// By kind alone, most expensive first. The shares add up to 1.
    public var kinds: [OperationRow]
    /// Steps that these are the medians of.
    public var repetitions: Int
}

extension StepBenchmark {
    /// Times every operation of `repetitions` whole steps; each row is the median over them.
    public func profile(repetitions: Int) throws -> StepProfile {
        precondition(repetitions > 0, "no repetition of the profile")
        let plan = executor.plan
        var labels = plan.nodes.map(plan.label)
        var costs = plan.nodes.map(plan.cost)
        let parameters = state.layout.count * MemoryLayout<Float>.stride
        // What a step does besides: Adam reads gradients, parameters and moments and writes all but the gradients.
        for (name, bytes) in [("clear gradients", parameters), ("optimizer", 7 * parameters), ("reload weights", 0)] {
            labels.append(OperationLabel(operation: name, shape: ""))
            costs.append(OperationCost(operations: 0, bytes: bytes))
        }
        var times = [[Double]](repeating: [], count: labels.count)
        var machine = [self.machine()]
        for _ in 0..<repetitions {
            for (place, seconds) in try timedStep().enumerated() { times[place].append(seconds) }
            machine.append(self.machine())
        }
        let rates = MachineRates.median(machine)
        let counts = plan.nodes.map { _ in microBatches } + [1, 1, 1]
        func rows(_ key: (OperationLabel) -> OperationLabel) -> [OperationRow] {
            var groups: [OperationLabel: (count: Int, times: [Double], cost: OperationCost)] = [:]
            for (place, label) in labels.enumerated() {
                var group = groups[key(label)] ?? (0, [Double](repeating: 0, count: repetitions), OperationCost())
                group.count += counts[place]
                for repetition in 0..<repetitions { group.times[repetition] += times[place][repetition] }
                for _ in 0..<counts[place] { group.cost += costs[place] }
                groups[key(label)] = group
            }
            let all = groups.values.reduce(0) { $0 + median($1.times) }
            return groups.map { label, group in
                OperationRow(
                    operation: label.operation, shape: label.shape, count: group.count, seconds: median(group.times),
                    share: median(group.times) / all, cost: group.cost, machine: rates)
            }
            .sorted { $0.seconds > $1.seconds }
        }
        return StepProfile(
            operations: rows { $0 },
            kinds: rows { OperationLabel(operation: String($0.operation.prefix { $0 != "+" }), shape: "") },
            repetitions: repetitions)
    }

    /// One step: seconds of every node of the plan over all micro-batches, then of clearing, update and reload. No
    /// moment between its begin and its end is left out.
    private func timedStep() throws -> [Double] {
        let clock = ContinuousClock()
        let nodes = executor.plan.nodes.count
        var seconds = [Double](repeating: 0, count: nodes + 3)
        var since = clock.now
        func lap(_ place: Int) {
            let now = clock.now
            seconds[place] += (now - since).seconds
            since = now
        }
        clearGradients()
        lap(nodes)
        for _ in 0..<microBatches { try executor.run(after: lap) }
        try update()
        lap(nodes + 1)
        try reloadWeights()
        lap(nodes + 2)
        return seconds
    }
}
