import Diffusion
import Foundation
import NeuralNetwork
import Philox
import Testing

/// A forward process that moves towards the mean of a class.
@Suite struct ShiftTests {
    private static let kinds: [ShiftKind] = [.prior, .data, .quadratic]

    private func configuration(_ kind: ShiftKind, _ objective: Objective, timesteps: Int) -> DiffusionConfiguration {
        var configuration = DiffusionConfiguration()
        (configuration.shift, configuration.objective, configuration.timesteps) = (kind, objective, timesteps)
        (configuration.sampler, configuration.samplingSteps) = (.ancestral, timesteps)
        (configuration.schedule, configuration.clipDenoised) = (.cosine, false)
        return configuration
    }

    /// k_t as the published code has it.
    private func k(_ kind: ShiftKind, _ a: Double) -> Double {
        switch kind {
        case .none: 0
        case .prior: 1 - a.squareRoot()
        case .data: -a.squareRoot()
        case .quadratic: a.squareRoot() * (1 - a.squareRoot())
        }
    }

    /// What a network is trained on: x_t = √ᾱ x_0 + k u + √(1−ᾱ) ε, and g for the noise.
    @Test(arguments: kinds) func training(kind: ShiftKind) {
        let configuration = configuration(kind, .noise, timesteps: 50)
        let shift = Shift(configuration, means: [0.5, -1, 2, 0.25], classes: 2)
        let process = ForwardProcess(configuration)
        let (x0, noise, t): ([Float], [Float], [Int]) = ([0.1, 0.2, 0.3, 0.4], [1, -1, 0.5, 2], [7, 49])
        let g = shift.shifted(noise: noise, timesteps: t, labels: [1, 0])
        let (xt, target) = process.noised(x0: x0, noise: g, timesteps: t)
        #expect(target == g)
        for (i, u) in [2, 0.25, 0.5, -1].enumerated() {
            let a = process.schedule.alphaBars[t[i / 2]]
            let wanted = a.squareRoot() * Double(x0[i]) + k(kind, a) * u + (1 - a).squareRoot() * Double(noise[i])
            #expect(abs(Double(xt[i]) - wanted) < 1e-6)
        }
    }

    /// The sampler in y is the published recursion in x: x' = μ(x_t, ĝ − k u/√(1−ᾱ)) + (k' − k/√α) u, for any network.
    @Test(arguments: kinds, Objective.allCases) func samplingIsThePublishedRecursion(
        kind: ShiftKind, objective: Objective
    ) throws {
        let configuration = configuration(kind, objective, timesteps: 12)
        let u = 0.7
        let shift = Shift(configuration, means: [Float(u)], classes: 1)
        let schedule = ForwardProcess(configuration).schedule
        /// Some function of x_t and t, as the output of a network.
        func network(_ x: Double, _ t: Int) -> Double { 0.5 * sin(x) + 0.02 * Double(t) }
        let start = 0.9
        let y = try Sampler(configuration).sample(
            from: [Float(start)], usesEta: false, selfCondition: false,
            predict: { y, t, _, _ in
                let x = shift.shifted(y: y, timesteps: [t], labels: [0])
                return shift.unshifted(output: [Float(network(Double(x[0]), t))], timesteps: [t], labels: [0])
            }, draw: { _, _ in [0] })
        var x = start + k(kind, schedule.alphaBars[11]) * u
        for t in (0..<12).reversed() {
            let (a, before) = (schedule.alphaBars[t], t > 0 ? schedule.alphaBars[t - 1] : 1)
            let (alpha, kBefore) = (a / before, t > 0 ? k(kind, before) : 0)
            let x0 = objective.x0(alphaBar: a)
            let estimate = x0.xt * x + x0.output * network(x, t)
            let g = (x - a.squareRoot() * estimate) / (1 - a).squareRoot()
            let epsilon = g - k(kind, a) * u / (1 - a).squareRoot()
            let mean = (x - (1 - alpha) / (1 - a).squareRoot() * epsilon) / alpha.squareRoot()
            x = mean + (kBefore - k(kind, a) / alpha.squareRoot()) * u
        }
        #expect(abs(Double(y[0]) - x) < 1e-4 * max(1, abs(x)), "\(y[0]), \(x)")
    }

    /// Classes N(m, s²) with the exact denoiser: their samples are N(m, s²), whatever the shift.
    @Test(arguments: kinds) func samplesOfAClass(kind: ShiftKind) throws {
        let configuration = configuration(kind, .v, timesteps: 300)
        let (means, s): ([Double], Double) = ([1.5, -0.5], 0.3)
        let shift = Shift(configuration, means: means.map { Float($0) }, classes: 2)
        let schedule = ForwardProcess(configuration).schedule
        let count = 8000
        let labels = (0..<count).map { Float($0 % 2) }
        let stream = RandomStream(seed: 3, purpose: .sampling)
        let samples = try Sampler(configuration).sample(
            from: stream.normals(count: count, epoch: 0, position: 0), usesEta: false, selfCondition: false,
            predict: { y, t, _, _ in
                let timesteps = [Int](repeating: t, count: count)
                let (a, target) = (schedule.alphaBars[t], Objective.v.target(alphaBar: schedule.alphaBars[t]))
                let output = zip(shift.shifted(y: y, timesteps: timesteps, labels: labels), labels).map { x, label in
                    // What a network learns that sees x_t of one class.
                    let m = means[Int(label)]
                    let clean = Double(x) - k(kind, a) * m
                    let x0 = m + a.squareRoot() * s * s / (a * s * s + 1 - a) * (clean - a.squareRoot() * m)
                    let g = (Double(x) - a.squareRoot() * x0) / (1 - a).squareRoot()
                    return Float(target.x0 * x0 + target.noise * g)
                }
                return shift.unshifted(output: output, timesteps: timesteps, labels: labels)
            }, draw: { number, _ in stream.normals(count: count, epoch: 1, position: number) })
        for (label, m) in means.enumerated() {
            let own = stride(from: label, to: count, by: 2).map { Double(samples[$0]) }
            let mean = own.reduce(0, +) / Double(own.count)
            let variance = own.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(own.count - 1)
            // Five deviations of a mean and of a deviation of so many, and what β̃ lacks.
            #expect(abs(mean - m) < 5 * s / Double(own.count).squareRoot(), "\(mean)")
            #expect(abs(variance.squareRoot() / s - 1) < 5 / (2 * Double(own.count)).squareRoot() + 0.02)
        }
    }

    /// A table is a shift by the same numbers: its graph's inputs are the factors of training and sampling, in the column of
    /// the class.
    @Test(arguments: kinds, Objective.allCases) func aTableHasTheFactorsOfAShift(kind: ShiftKind, objective: Objective)
        throws
    {
        var configuration = configuration(kind, objective, timesteps: 50)
        (configuration.shiftBy, configuration.shiftClasses) = (.classTable, 3)
        var model = ModelConfiguration()
        (model.size, model.channels) = (1, 2)
        let table = try #require(ShiftTable(model, configuration))
        #expect(table.parameter.shape == [2, 3] && table.classes == 3)
        let means = table.means([1, 2, 3, 4, 5, 6])
        #expect(means == [1, 4, 2, 5, 3, 6])
        let shift = Shift(configuration, means: means, classes: 3)
        let (t, labels): ([Int], [Float]) = ([7, 49], [2, 0])
        let inputs = table.inputs(timesteps: t, labels: labels)
        let zeros = [Float](repeating: 0, count: 4)
        for (name, wanted) in [
            ("shift_of_y", shift.shifted(y: zeros, timesteps: t, labels: labels)),
            ("shift_of_output", shift.unshifted(output: zeros, timesteps: t, labels: labels)),
        ] {
            let factors = try #require(inputs[name])
            var found: [Float] = []
            for n in 0..<2 {
                for i in 0..<2 { found.append((0..<3).reduce(0) { $0 + factors[n * 3 + $1] * means[$1 * 2 + i] }) }
            }
            #expect(found == wanted, "\(name)")
        }
        configuration.shiftBy = .classMean
        #expect(ShiftTable(model, configuration) == nil)
    }

    /// What means nothing is refused, with what to set.
    @Test func faultsOfWhatIsMovedTowards() {
        var base = DiffusionConfiguration()
        base.shift = .quadratic
        func fault(_ change: (inout DiffusionConfiguration, inout ModelConfiguration) -> Void) -> String {
            var (diffusion, model) = (base, ModelConfiguration())
            change(&diffusion, &model)
            return diffusion.shiftFault(model) ?? ""
        }
        #expect(fault { _, _ in }.isEmpty)
        #expect(fault { d, _ in d.shiftBy = .file }.contains("set it to a data set"))
        #expect(fault { d, _ in d.shiftFile = "a.h5" }.contains("set diffusion.shift_by=file"))
        #expect(fault { d, _ in d.shiftClasses = 3 }.contains("set diffusion.shift_classes=0"))
        #expect(fault { d, _ in d.shiftBy = .classTable }.contains("as many as the data's labels have"))
        func table(_ change: (inout DiffusionConfiguration, inout ModelConfiguration) -> Void) -> String {
            fault { d, m in
                (d.shiftBy, d.shiftClasses) = (.classTable, 3)
                change(&d, &m)
            }
        }
        #expect(table { _, _ in }.isEmpty)
        #expect(table { d, _ in d.shift = .none }.contains("diffusion.shift=quadratic"))
        #expect(table { d, _ in d.loss = .energyScore }.contains("set diffusion.loss=squared_error"))
        #expect(table { _, m in m.selfCondition = true }.contains("set model.self_condition=false"))
        #expect(table { _, m in m.classes = 4 }.contains("model.classes 4: set both alike"))
        #expect(table { _, m in m.classes = 3 }.isEmpty)
    }

    @Test func whatANetworkMustBeTold() {
        var model = ModelConfiguration()
        #expect(ShiftKind.data.fault(model)?.contains("set model.classes") == true)
        #expect(ShiftKind.prior.fault(model) == nil && ShiftKind.none.fault(model) == nil)
        model.classes = 10
        #expect(ShiftKind.data.fault(model) == nil)
    }
}
