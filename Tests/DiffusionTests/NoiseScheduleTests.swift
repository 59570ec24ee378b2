import Diffusion
import Foundation
import HDF5
import TestSupport
import Testing

@Suite struct NoiseScheduleTests {
    /// β of every kind and length in the reference file, to 1e-12 of the largest.
    @Test(arguments: ScheduleKind.allCases.filter { $0 != .sqrtLinear && $0 != .logSNR }, [10, 100, 1000])
    func betasAreThoseOfTheReference(kind: ScheduleKind, timesteps: Int) throws {
        let file = try HDF5File.open(goldenFolder + "/schedules.h5")
        let expected = try file.root.dataset("\(kind.rawValue)/T\(timesteps)/betas").read(as: Double.self)
        let betas = NoiseSchedule(kind: kind, timesteps: timesteps).betas
        #expect(betas.count == timesteps && expected.count == timesteps)
        let largest = expected.map(abs).max() ?? 0
        for (a, b) in zip(betas, expected) { #expect(abs(a - b) <= 1e-12 * largest) }
        try file.close()
    }

    /// The tables against their definitions, in other forms of the same algebra.
    @Test(arguments: ScheduleKind.allCases) func tablesFollowTheirDefinitions(kind: ScheduleKind) {
        var configuration = DiffusionConfiguration()
        (configuration.schedule, configuration.timesteps) = (kind, 200)
        let s = NoiseSchedule(configuration)
        #expect(s.alphaBarsBefore[0] == 1)
        #expect(s.posteriorVariance[0] == 0)
        #expect(s.posteriorLogVariance[0] == -46.051701859880914)  // ln 10⁻²⁰
        for t in 1..<200 {
            let (alpha, beta) = (1 - s.betas[t], s.betas[t])
            #expect(abs(s.alphaBars[t] / s.alphaBarsBefore[t] - alpha) < 1e-12)
            #expect(s.alphaBarsBefore[t] == s.alphaBars[t - 1])
            // Precision of q(x_{t−1} | x_t, x_0): α/β + 1/(1 − ᾱ').
            let precision = alpha / beta + 1 / (1 - s.alphaBars[t - 1])
            #expect(abs(s.posteriorVariance[t] * precision - 1) < 1e-10)
            #expect(abs(s.posteriorMeanXt[t] * precision / (alpha.squareRoot() / beta) - 1) < 1e-10)
            let x0 = s.alphaBars[t - 1].squareRoot() / (1 - s.alphaBars[t - 1])
            #expect(abs(s.posteriorMeanX0[t] * precision / x0 - 1) < 1e-10)
        }
    }

    /// The ends and the middle of latent-diffusion's CelebA-HQ schedule, computed by hand: √β in equal steps.
    @Test func rootsInEqualSteps() {
        var configuration = DiffusionConfiguration()
        (configuration.schedule, configuration.timesteps) = (.sqrtLinear, 1001)
        let betas = NoiseSchedule(configuration).betas
        #expect(abs(betas[0] - 0.0015) < 1e-15 && abs(betas[1000] - 0.0195) < 1e-15)
        // ((√0.0015 + √0.0195)/2)² = (0.021 + 2 √0.00002925)/4
        #expect(abs(betas[500] - 0.007954163456597992) < 1e-15)
        configuration.betaEnd = 0.0155
        #expect(abs(NoiseSchedule(configuration).betas[1000] - 0.0155) < 1e-15)
    }

    /// λ in equal steps between the ends asked for, and ᾱ its logistic function.
    @Test func logarithmsOfSignalToNoiseInEqualSteps() {
        var configuration = DiffusionConfiguration()
        (configuration.schedule, configuration.timesteps) = (.logSNR, 24)
        let schedule = NoiseSchedule(configuration)
        for (t, logSNR) in schedule.logSNRs.enumerated() { #expect(abs(logSNR - (13 - Double(t))) < 1e-8) }
        #expect(abs(schedule.alphaBars[13] - 0.5) < 1e-15 && abs(schedule.betas[0] * (1 + exp(13)) - 1) < 1e-14)
        (configuration.logSNRMax, configuration.logSNRMin, configuration.timesteps) = (2, -2, 1)
        #expect(abs(NoiseSchedule(configuration).logSNRs[0] - 2) < 1e-14)
    }

    @Test func allTimesGiveTheScheduleItself() {
        let schedule = NoiseSchedule(kind: .sigmoid, timesteps: 30)
        #expect(schedule.respaced(to: Array(0..<30)) == schedule)
    }

    @Test func respacingKeepsTheMarginals() {
        let schedule = NoiseSchedule(kind: .cosine, timesteps: 30)
        let times = [0, 4, 11, 29]
        let coarse = schedule.respaced(to: times)
        #expect(coarse.alphaBars == times.map { schedule.alphaBars[$0] })
        var product = 1.0
        for (i, beta) in coarse.betas.enumerated() {
            product *= 1 - beta
            #expect(abs(product - schedule.alphaBars[times[i]]) < 1e-14)
        }
    }

    @Test func betasStayWithinTheirLimits() {
        for kind in [ScheduleKind.cosine, .sigmoid] {
            for timesteps in [1, 2, 7, 1000] {
                let betas = NoiseSchedule(kind: kind, timesteps: timesteps).betas
                #expect(betas.allSatisfy { 0 <= $0 && $0 <= 0.999 })
                #expect(betas.last == 0.999)
            }
        }
    }
}
