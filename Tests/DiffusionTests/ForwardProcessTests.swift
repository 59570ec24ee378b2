import Diffusion
import HDF5
import TestSupport
import Testing

@Suite struct ForwardProcessTests {
    /// x_t of every step of the reference cases.
    @Test(arguments: [
        ("ddpm-v-sigmoid-8x8x3", ScheduleKind.sigmoid, 1000, true),
        ("smd-noise-linear-minsnr-16x16x1", .linear, 1000, true),
        ("smd-x0-cosine-vector2", .cosine, 100, false),
    ])
    func noisedSamplesAreThoseOfTheReference(
        name: String, schedule: ScheduleKind, timesteps: Int, normalized: Bool
    ) throws {
        var configuration = DiffusionConfiguration()
        configuration.schedule = schedule
        configuration.timesteps = timesteps
        let process = ForwardProcess(configuration)
        let file = try HDF5File.open("\(goldenFolder)/\(name).h5")
        for step in 0..<4 {
            let group = try file.root.group("step\(step)")
            func read(_ name: String) throws -> [Float] { try group.dataset(name).read(as: Float.self) }
            let t = try group.dataset("timestep").read(as: Int64.self).map(Int.init)
            let x0 = try read("x0").map { normalized ? 2 * $0 - 1 : $0 }
            let noised = process.noised(x0: x0, noise: try read("noise"), timesteps: t)
            for (a, b) in zip(noised.xt, try read("x_t")) { #expect(abs(a - b) < 1e-6) }
        }
        try file.close()
    }

    @Test(arguments: Objective.allCases) func theTargetLeadsBackToX0(objective: Objective) {
        var configuration = DiffusionConfiguration()
        configuration.objective = objective
        configuration.schedule = .linear
        let process = ForwardProcess(configuration)
        let x0: [Float] = [0.5, -1, 0.25, 1]
        let timesteps = [10, 500]
        let noised = process.noised(x0: x0, noise: [1, -2, 0.5, 0], timesteps: timesteps)
        let estimate = process.x0Estimate(output: noised.target, xt: noised.xt, timesteps: timesteps)
        for (a, b) in zip(estimate, x0) { #expect(abs(a - b) < 1e-5) }
        #expect(process.weight(timesteps[0]) >= process.weight(timesteps[1]))
    }

    /// The offset is one number for all pixels of a channel, and part of both the noised sample and the target.
    @Test func offsetNoiseIsSharedByAChannel() {
        var configuration = DiffusionConfiguration()
        configuration.objective = .noise
        configuration.offsetNoise = 0.5
        let process = ForwardProcess(configuration)
        // Two samples of two pixels and two channels.
        let zeros = [Float](repeating: 0, count: 8)
        let noised = process.noised(x0: zeros, noise: zeros, timesteps: [3, 900], offsets: [1, 2, 3, 4])
        #expect(noised.target == [0.5, 1, 0.5, 1, 1.5, 2, 1.5, 2])
        let deviation = [3, 900].map { Float((1 - process.schedule.alphaBars[$0]).squareRoot()) }
        #expect(noised.xt == (0..<8).map { deviation[$0 / 4] * noised.target[$0] })
    }

    /// (σ² + s²)/(σ s)² of the error of x_0, whatever the objective.
    @Test(arguments: Objective.allCases) func weightOfEDM(objective: Objective) {
        var configuration = DiffusionConfiguration()
        configuration.objective = objective
        configuration.dataDeviation = 0.5
        let process = ForwardProcess(configuration)
        for t in [0, 300, 999] {
            let a = process.schedule.alphaBars[t]
            let variance = (1 - a) / a
            let ofX0 = (variance + 0.25) / (variance * 0.25)
            // x_0 − x̂_0 is the error of the output times this.
            let factor =
                switch objective {
                case .noise: variance
                case .x0: 1.0
                case .v: 1 - a
                }
            #expect(abs(process.weight(t) / (ofX0 * factor) - 1) < 1e-9)
        }
    }

    @Test func minSNRLimitsTheWeight() {
        var configuration = DiffusionConfiguration()
        configuration.objective = .x0
        let free = ForwardProcess(configuration)
        configuration.minSNR = true
        let limited = ForwardProcess(configuration)
        #expect(limited.weight(0) == 5 && free.weight(0) > 1000)
        #expect(limited.weight(999) == free.weight(999))
    }
}
