import CPUBackend

/// The arenas that the graph of a step reads and adds to, and the states of the networks in them.
package struct NetworkArenas {
    package let parameters: CPUMemory
    package let gradients: CPUMemory
    /// In the order of the step's networks.
    package let states: [ModelState]

    /// Makes the arenas, without values.
    ///
    /// - Parameters:
    ///   - shards: how so many elements of a network are divided among ranks; nil where each holds all of them.
    ///   - own: the shard of so many that is here; nil takes that of this rank, or everything.
    /// - Throws: when memory cannot be had.
    package init(
        _ step: StepPlan, shards: (_ count: Int) -> OptimizerShards?, own: (_ count: Int) -> Range<Int>? = { _ in nil }
    ) throws {
        let parameters = try CPUMemory(count: step.plan.layout.count)
        let gradients = try CPUMemory(count: step.plan.layout.count)
        (self.parameters, self.gradients) = (parameters, gradients)
        states = try step.networks.map { network in
            try ModelState(
                network.layout, network: network.name, widths: step.configuration.ema.widths,
                shards: shards(network.layout.count), own: own(network.layout.count),
                in: (CPUMemory(network.range, of: parameters), CPUMemory(network.range, of: gradients)))
        }
    }
}
