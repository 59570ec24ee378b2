import Communication
import Configuration

/// One rank's part of a training step: its threads, what each works with, and the state that they move. The trainer runs
/// it, and so does the benchmark.
package final class Replica {
    package let step: StepPlan
    package let team: ThreadTeam
    /// One a thread; the first adds gradients to the arena of the states.
    package let workers: [Worker]
    /// Those of the step's networks.
    package let states: [ModelState]
    private let reduction: GradientReduction
    private let communicator: any Communicator

    /// Makes the state, without values, and prepares the step on `threads` threads.
    ///
    /// - Parameter microBatches: makes a source of micro-batches for one thread.
    /// - Throws: when memory cannot be had or an operation cannot be prepared.
    package init(
        _ step: StepPlan, threads: Int, communicator: any Communicator, microBatches: @escaping () -> MicroBatches
    ) throws {
        self.step = step
        self.communicator = communicator
        let team = ThreadTeam(size: threads)
        let sharded = step.configuration.optimizer.sharded
        let arenas = try NetworkArenas(
            step, shards: { OptimizerShards(count: $0, sharded: sharded, among: communicator) })
        workers = try team.map { thread in
            try Worker(
                step, parameters: arenas.parameters, gradients: thread == 0 ? arenas.gradients : nil, microBatches())
        }
        (self.team, states) = (team, arenas.states)
        reduction = try GradientReduction(
            step.plan, workers.map(\.sums), exact: step.batch.isExact, communicator: communicator)
    }

    /// That of the first network.
    package var state: ModelState { states[0] }

    /// Leaves the sum of the gradients of this rank's micro-batches in the arena of the states, or on the way to the sum
    /// over ranks. Ranks, and threads in them, have consecutive micro-batches. The first of all is where a probe measures:
    /// what it finds does not depend on the number of ranks.
    ///
    /// - Parameters:
    ///   - position: of the step's first sample in the stream.
    ///   - number: of steps done before this one.
    package func computeGradients(from position: Int, step number: Int, probing: Bool) throws {
        reduction.begin()
        try team.run(whileWaiting: reduction.whileWaiting) { [self] thread in
            let own = ownMicroBatches(thread)
            let worker = workers[thread]
            try worker.computeGradients(
                starts(own, from: position), step: number, probing: probing && own.first == 0,
                run: { last in
                    guard last else { return try worker.executor.run() }
                    try worker.executor.run { try reduction.after(node: $0, thread: thread) }
                })
        }
        try team.run { [reduction] _ in reduction.finishThread() }
    }

    /// The micro-batches of a step, counted over all ranks, that `thread` computes.
    package func ownMicroBatches(_ thread: Int) -> Range<Int> {
        step.batch.microBatches(rank: communicator.rank, thread: thread, of: team.size)
    }

    /// Where micro-batches of the step that begins at `position` begin in the stream.
    package func starts(_ microBatches: Range<Int>, from position: Int) -> [Int] {
        microBatches.map { position + $0 * step.batch.microBatchSize }
    }

    /// Waits for the sums over ranks. Collective.
    package func finishGradients() throws { try reduction.finish() }

    /// L2 norm of each network's gradient, before clipping.
    package func gradientNorms() throws -> [Double] {
        try states.map { try $0.gradientNorm(on: workers[0].backend, over: team) }
    }

    /// Moves the states by one update, number `number` from 1; of a sharded one what is this rank's own. Opponents of the
    /// first network have a learning rate of their own, and may be updated in some of the steps only.
    package func update(_ number: Int, gradientNorms: [Double]) throws {
        let configuration = step.configuration
        let rate = learningRate(step: number, configuration)
        let adversary = configuration.diffusion.adversary
        for (state, norm) in zip(states, gradientNorms) {
            let isFirst = state.network == nil
            let every = isFirst ? 1 : adversary.every
            guard (number - 1).isMultiple(of: every) else { continue }
            try state.update(
                step: (number - 1) / every + 1, gradientNorm: norm,
                UpdateSettings(
                    learningRate: isFirst ? rate : rate * adversary.learningRate / configuration.learningRate,
                    optimizer: configuration.optimizer, average: configuration.ema, batch: configuration.batchSize),
                on: workers[0].backend, over: team)
        }
    }

    /// Brings the parameters of sharded states, of which each rank updated its own, to all ranks. Collective.
    package func gatherParameters() throws {
        for state in states { try state.shards?.gather(parameters: state.parameters) }
    }

    /// Rebuilds on every thread what is derived from the parameters.
    package func parametersChanged() throws {
        try team.run { [workers] thread in try workers[thread].parametersChanged() }
    }

    /// The losses of this rank's micro-batches among zeros for those of others: the sum over ranks is exact.
    package var ownLosses: [Double] { amongAll(workers.flatMap(\.losses)) }

    /// The t and the loss of each of this rank's samples among zeros for those of others; empty where t is uniform.
    package var ownTimestepLosses: [Double] { amongAll(workers.flatMap(\.timestepLosses)) }

    /// The sums over each of this rank's micro-batches of the parts of the losses, one after the other, among zeros for those
    /// of others.
    package var ownParts: [Double] { amongAll(workers.flatMap(\.parts)) }

    /// ln Σ w of the paths of this rank's micro-batches, likewise; empty where there are none.
    package var ownPathSums: [Double] { amongAll(workers.flatMap(\.pathSums)) }

    private func amongAll(_ own: [Double]) -> [Double] {
        var all = [Double](repeating: 0, count: own.count * communicator.size)
        all.replaceSubrange(communicator.rank * own.count..<(communicator.rank + 1) * own.count, with: own)
        return all
    }
}
