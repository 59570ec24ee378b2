import Foundation

/// Something that moves a flat arena of parameters along gradients and keeps a moving average of it.
protocol ArenaOptimizer {
    var parameters: [Float] { get }
    /// The average; `phase` is the number of steps before the first update of it, 0 ..< emaEvery.
    func average(phase: Int) -> [Float]
    mutating func update(_ gradients: [Float], norm: Double) throws
}

/// Adam, clipping and the average in double precision, as their papers write them: an independent check of the product's.
struct ReferenceOptimizer: ArenaOptimizer {
    let settings: CaseOptimizer
    private var theta: [Double]
    private var m: [Double]
    private var v: [Double]
    private var averages: [[Double]]
    private var step = 0

    init(_ settings: CaseOptimizer, parameters: [Float]) {
        self.settings = settings
        theta = parameters.map(Double.init)
        m = theta.map { _ in 0 }
        v = m
        averages = settings.emaPhases.map { [theta] _ in theta }
    }

    var parameters: [Float] { theta.map { Float($0) } }

    func average(phase: Int) -> [Float] {
        guard let index = settings.emaPhases.firstIndex(of: phase) else { preconditionFailure("no phase \(phase)") }
        return averages[index].map { Float($0) }
    }

    mutating func update(_ gradients: [Float], norm: Double) {
        step += 1
        let s = settings
        let scale = s.clipScale(norm: norm)
        let (decay1, decay2) = (1 - pow(s.beta1, Double(step)), 1 - pow(s.beta2, Double(step)))
        for i in theta.indices {
            var g = scale * Double(gradients[i])
            if s.kind == "adam" {
                g += s.weightDecay * theta[i]
            } else {
                theta[i] -= s.learningRate * s.weightDecay * theta[i]
            }
            m[i] = s.beta1 * m[i] + (1 - s.beta1) * g
            v[i] = s.beta2 * v[i] + (1 - s.beta2) * g * g
            theta[i] -= s.learningRate * (m[i] / decay1) / ((v[i] / decay2).squareRoot() + s.epsilon)
        }
        for (index, phase) in s.emaPhases.enumerated() where s.averages(after: step, phase: phase) {
            for i in theta.indices { averages[index][i] += (1 - s.emaDecay) * (theta[i] - averages[index][i]) }
        }
    }
}

extension CaseOptimizer {
    /// Factor on the gradient that brings its norm down to the limit.
    func clipScale(norm: Double) -> Double {
        guard let clipNorm, clipNorm > 0 else { return 1 }
        return min(1, clipNorm / (norm + 1e-6))
    }

    /// Where an average every k steps may start: with the k-th step, or with the first.
    var emaPhases: [Int] { emaEvery == 1 ? [0] : [emaEvery - 1, 0] }

    /// Whether the average is updated after `step`, counted from 1.
    func averages(after step: Int, phase: Int) -> Bool { (step - 1) % emaEvery == phase }
}
