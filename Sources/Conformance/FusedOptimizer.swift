import CPUBackend

/// The product's own optimiser: clip, Adam and average as the trainer runs them, float32 in one pass over flat arenas.
struct FusedOptimizer: ArenaOptimizer {
    private let settings: CaseOptimizer
    private let backend: CPUBackend
    private let theta: CPUMemory
    private let gradients: CPUMemory
    private let m: CPUMemory
    private let v: CPUMemory
    private let averages: [CPUMemory]
    private var step = 0

    init(_ settings: CaseOptimizer, parameters: [Float], on backend: CPUBackend) throws {
        precondition(
            settings.weightDecay == 0 || settings.kind == "adamw", "the product decays weights, not gradients")
        func memory(_ values: [Float]? = nil) throws -> CPUMemory {
            let memory = try CPUMemory(count: parameters.count)
            if let values { memory.write(values, at: 0) }
            return memory
        }
        self.settings = settings
        self.backend = backend
        theta = try memory(parameters)
        (gradients, m, v) = (try memory(), try memory(), try memory())
        averages = try settings.emaPhases.map { _ in try memory(parameters) }
    }

    var parameters: [Float] { theta.read(0..<theta.count) }

    func average(phase: Int) -> [Float] {
        guard let index = settings.emaPhases.firstIndex(of: phase) else { preconditionFailure("no phase \(phase)") }
        return averages[index].read(0..<theta.count)
    }

    mutating func update(_ gradients: [Float], norm: Double) {
        step += 1
        let s = settings
        self.gradients.write(gradients, at: 0)
        backend.adamStep(
            parameters: theta, gradients: self.gradients, firstMoment: m, secondMoment: v,
            learningRate: s.learningRate, beta1: s.beta1, beta2: s.beta2, epsilon: s.epsilon, step: step,
            gradientScale: s.clipScale(norm: norm), weightDecay: s.weightDecay)
        for (average, phase) in zip(averages, s.emaPhases) where s.averages(after: step, phase: phase) {
            backend.emaUpdate(average, parameters: theta, decay: s.emaDecay)
        }
    }
}
