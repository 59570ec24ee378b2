import Diffusion
import Foundation
import NeuralNetwork
import Testing

/// Images that samples are drawn from, noised beside them.
@Suite struct ConditionTests {
    private func configuration(speed: Double, timesteps: Int = 1000) -> DiffusionConfiguration {
        var configuration = DiffusionConfiguration()
        (configuration.conditionSpeed, configuration.timesteps, configuration.schedule) = (speed, timesteps, .linear)
        (configuration.sampler, configuration.samplingSteps) = (.ancestral, timesteps)
        configuration.clipDenoised = false
        return configuration
    }

    /// y_t = √ᾱ^y y + √(1−ᾱ^y) ε with 1 − ᾱ^y = κ² (1 − ᾱ), and the objective's target of that.
    @Test(arguments: Objective.allCases) func noising(objective: Objective) {
        var configuration = configuration(speed: 0.4, timesteps: 50)
        configuration.objective = objective
        let process = ForwardProcess(configuration)
        let (y, noise, t): ([Float], [Float], [Int]) = ([0.1, 0.2, 0.3, 0.4], [1, -1, 0.5, 2], [7, 49])
        let (yt, target) = process.noisedConditions(y, noise: noise, timesteps: t)
        for i in 0..<4 {
            let a = 1 - 0.16 * (1 - process.schedule.alphaBars[t[i / 2]])
            let (x, e) = (Double(y[i]), Double(noise[i]))
            #expect(abs(Double(yt[i]) - (a.squareRoot() * x + (1 - a).squareRoot() * e)) < 1e-6)
            let wanted =
                switch objective {
                case .noise: e
                case .x0: x
                case .v: a.squareRoot() * e - (1 - a).squareRoot() * x
                }
            #expect(abs(Double(target[i]) - wanted) < 1e-6)
        }
        configuration.conditionSpeed = 0
        #expect(ForwardProcess(configuration).noisedConditions(y, noise: noise, timesteps: t).yt == y)
        configuration.conditionSpeed = 1
        let equal = ForwardProcess(configuration)
        #expect(abs(equal.conditionAlphaBar(30) - equal.schedule.alphaBars[30]) < 1e-15)
    }

    /// x and y are standard normal with correlation 0.9, so that x given y has the mean 0.9 y and the variance 0.19. With the
    /// exact denoiser of both, samples are a linear function of y and of all draws: one chain with y = 1 and no draws has
    /// the mean, and one for each draw, alone and of size 1, has its share of the variance. Wanted is what the recursion of
    /// the joint Gaussian gives (three decimals of double precision): the faster y is noised, the less is known of
    /// it, and κ = 1 is far off.
    @Test(arguments: [
        (0.0, 0.900, 0.187), (0.1, 0.898, 0.188), (0.3, 0.880, 0.196), (0.5, 0.841, 0.212), (1.0, 0.626, 0.308),
    ])
    func whatSamplesKnowOfTheCondition(speed: Double, mean: Double, variance: Double) throws {
        let configuration = configuration(speed: speed)
        let process = ForwardProcess(configuration)
        let steps = 1000
        let count = 2 + 2 * steps
        /// Nothing but in the chain of one draw.
        func alone(_ chain: Int) -> [Float] { (0..<count).map { $0 == chain ? 1 : 0 } }
        var evaluation = 0
        let samples = try Sampler(configuration).sample(
            from: alone(1), usesEta: false, selfCondition: false,
            predict: { xt, t, _, _ in
                defer { evaluation += 1 }
                let yt = process.noisedConditions(
                    alone(0), noise: alone(2 + evaluation), timesteps: [Int](repeating: t, count: count)
                ).yt
                let (a, b) = (process.schedule.alphaBars[t], process.conditionAlphaBar(t))
                let together = 0.9 * (a * b).squareRoot()
                let known = 1 - together * together
                let ofX = (a.squareRoot() - 0.9 * b.squareRoot() * together) / known
                let ofY = (0.9 * b.squareRoot() - a.squareRoot() * together) / known
                let target = process.objective.target(alphaBar: a)
                return zip(xt, yt).map { x, y in
                    let x0 = ofX * Double(x) + ofY * Double(y)
                    let noise = (Double(x) - a.squareRoot() * x0) / (1 - a).squareRoot()
                    return Float(target.x0 * x0 + target.noise * noise)
                }
            }, draw: { number, _ in alone(2 + steps + number) })
        #expect(evaluation == steps)
        let spread = samples.dropFirst().reduce(0) { $0 + Double($1) * Double($1) }
        #expect(abs(Double(samples[0]) / mean - 1) < 0.01, "\(samples[0])")
        #expect(abs(spread / variance - 1) < 0.01, "\(spread)")
    }

    @Test func whatDoesNotGoTogether() {
        var (model, diffusion) = (ModelConfiguration(), DiffusionConfiguration())
        #expect(diffusion.conditionFault(model) == nil && model.fault == nil)
        diffusion.conditionSpeed = 0.1
        #expect(diffusion.conditionFault(model)?.contains("set model.condition_channels") == true)
        model.conditionScore = true
        #expect(model.fault?.contains("set model.condition_channels") == true)
        model.conditionChannels = 3
        #expect(diffusion.conditionFault(model) == nil && model.fault == nil && model.outputChannels == 6)
        diffusion.loss = .energyScore
        #expect(diffusion.conditionFault(model)?.contains("set diffusion.loss=squared_error") == true)
        (diffusion.loss, diffusion.conditionSpeed) = (.squaredError, 0)
        #expect(diffusion.conditionFault(model)?.contains("adds no noise") == true)
        model.augment = 0.1
        model.selfCondition = false
        #expect(model.fault?.contains("model.augment=0") == true)
        (model.augment, model.size) = (0, 1)
        (model.unet.dimMults, model.identifier.dimMults) = ([1], [1])
        #expect(model.fault?.contains("points have no conditions") == true)
    }
}
