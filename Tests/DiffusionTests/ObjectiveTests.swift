import Diffusion
import Foundation
import Testing

@Suite struct ObjectiveTests {
    /// x_0 and ε → x_t and target → x_0 and ε again.
    @Test(arguments: Objective.allCases, [0.999, 0.5, 0.01])
    func estimatesUndoTargets(objective: Objective, alphaBar: Double) {
        for (x0, noise) in [(0.3, -1.2), (-1.0, 0.4), (0.0, 2.0)] {
            let xt = alphaBar.squareRoot() * x0 + (1 - alphaBar).squareRoot() * noise
            let ofTarget = objective.target(alphaBar: alphaBar)
            let target = ofTarget.x0 * x0 + ofTarget.noise * noise
            let ofX0 = objective.x0(alphaBar: alphaBar)
            let recovered = ofX0.xt * xt + ofX0.output * target
            #expect(abs(recovered - x0) < 1e-6)
            let ofNoise = Objective.noise(alphaBar: alphaBar)
            #expect(abs(ofNoise.xt * xt + ofNoise.x0 * recovered - noise) < 1e-6)
        }
    }

    @Test func targetsAreThoseOfThePapers() {
        #expect(Objective.noise.target(alphaBar: 0.36) == (0, 1))
        #expect(Objective.x0.target(alphaBar: 0.36) == (1, 0))
        #expect(Objective.v.target(alphaBar: 0.36) == (-0.8, 0.6))
    }

    /// An error in x_0 costs the same whatever is estimated: weight × (∂target/∂x_0 at fixed x_t)² = c.
    @Test(arguments: [0.9999, 0.7, 0.1, 0.001], [nil, 5.0])
    func weightsMeasureTheErrorOfX0(alphaBar: Double, limit: Double?) {
        let snr = alphaBar / (1 - alphaBar)
        let c = limit.map { min(snr, $0) } ?? snr
        for objective in Objective.allCases {
            let outputPerX0 = 1 / objective.x0(alphaBar: alphaBar).output
            let cost = objective.weight(signalToNoise: snr, clippedAt: limit) * outputPerX0 * outputPerX0
            #expect(abs(cost / c - 1) < 1e-9)
        }
    }

    @Test func withoutALimitTheNoiseWeighsOne() {
        #expect(Objective.noise.weight(signalToNoise: 12, clippedAt: nil) == 1)
        #expect(Objective.noise.weight(signalToNoise: 20, clippedAt: 5) == 0.25)
        #expect(Objective.x0.weight(signalToNoise: 12, clippedAt: nil) == 12)
        #expect(Objective.x0.weight(signalToNoise: 12, clippedAt: 5) == 5)
        #expect(Objective.v.weight(signalToNoise: 3, clippedAt: 5) == 0.75)
    }

    @Test func bothSpellingsAreRead() throws {
        let json = Data(#"["noise", "x0", "v", "pred_noise", "pred_x0", "pred_v"]"#.utf8)
        #expect(
            try JSONDecoder().decode([Objective].self, from: json) == [.noise, .x0, .v, .noise, .x0, .v])
        #expect(throws: DecodingError.self) { try JSONDecoder().decode([Objective].self, from: Data(#"["eps"]"#.utf8)) }
    }
}
