import Diffusion
import NeuralNetwork
import Testing

/// A diffusion of which only the first timesteps are trained and sampled.
@Suite struct HorizonTests {
    private func configuration(_ sampling: TimestepSampling = .uniform) -> DiffusionConfiguration {
        var configuration = DiffusionConfiguration()
        (configuration.schedule, configuration.timesteps, configuration.horizon) = (.linear, 100, 30)
        (configuration.timestepSampling, configuration.samplingSteps) = (sampling, 6)
        return configuration
    }

    @Test(arguments: [TimestepSampling.uniform, .logNormal, .logistic])
    func onlyTimestepsBelowItAreDrawn(_ sampling: TimestepSampling) {
        let process = ForwardProcess(configuration(sampling))
        let draws = process.draws(for: ModelConfiguration())[0].values(seed: 2, at: (0..<3000).map { (0, $0) })
        #expect(Set(draws.map { Int($0) }) == Set(0..<30) || sampling != .uniform)
        #expect(draws.allSatisfy { 0..<30 ~= Int($0) } && Set(draws).count > 20)
        // The noise at a timestep is that of the whole diffusion.
        #expect(process.schedule == NoiseSchedule(kind: .linear, timesteps: 100))
    }

    @Test func samplersVisitTimesBelowIt() {
        var configuration = configuration()
        #expect(Sampler(configuration).times == [4, 9, 14, 19, 24, 29])
        #expect(Sampler(configuration).alphaBarAtStart == NoiseSchedule(kind: .linear, timesteps: 100).alphaBars[29])
        configuration.respacing = "ddim15"
        #expect(Sampler(configuration).times == Array(stride(from: 0, to: 30, by: 2)))
        (configuration.respacing, configuration.horizon) = (Respacing.none, 0)
        #expect(configuration.reach == 100 && Sampler(configuration).times.last == 99)
    }
}
