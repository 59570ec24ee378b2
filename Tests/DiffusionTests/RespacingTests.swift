import Diffusion
import Testing

/// Visited times in OpenAI's spelling. Whole lists are compared by the reference case `adm-tables.h5`.
@Suite struct RespacingTests {
    @Test(arguments: [
        ("ddim5", 10, [0, 2, 4, 6, 8]), ("ddim4", 10, [0, 3, 6, 9]), ("3", 10, [0, 4, 9]), ("1", 7, [0]),
        // Sections of 4, 3 and 3; (0, 1.5, 3) rounds to the even 2.
        ("3,1,2", 10, [0, 2, 3, 4, 7, 9]), (" 2 , 2", 4, [0, 1, 2, 3]), ("ddim1", 2, []),
    ])
    func visited(text: String, timesteps: Int, times: [Int]) {
        let found = Respacing.times(text, of: timesteps)
        #expect(found.times == times && (found.fault == nil) == !times.isEmpty)
    }

    @Test(arguments: [
        ("ddim9", 10, "near are ddim5 and ddim10"), ("ddim", 10, "ddim25"), ("ddim0", 10, "ddim25"), ("x", 10, "S1,S2"),
        ("3,,2", 10, "S1,S2"), ("0", 10, "S1,S2"), ("5,6", 10, "section 2 has 5 steps, fewer than 6"),
        ("-3", 10, "S1,S2"), ("1,1,1", 2, "3 sections of 2 steps"), ("99999999999999999999", 10, "S1,S2"),
    ])
    func faults(text: String, timesteps: Int, words: String) {
        let found = Respacing.times(text, of: timesteps)
        #expect(found.fault?.contains(words) == true && found.times.isEmpty, "\(found)")
    }

    /// v of −1 and 1 are the two fixed variances, and in between the logarithm is linear; the last step has no noise.
    @Test func aLearnedVarianceLiesBetweenItsEnds() throws {
        var diffusion = DiffusionConfiguration()
        (diffusion.timesteps, diffusion.schedule, diffusion.objective) = (100, .cosine, .noise)
        (diffusion.sampler, diffusion.clipDenoised, diffusion.respacing) = (.ancestral, false, "7")
        func end(_ variance: VarianceKind, v: Float?) throws -> [[Float]] {
            diffusion.variance = variance
            var path: [[Float]] = []
            _ = try Sampler(diffusion).sample(
                from: [0.3, -0.7], usesEta: false, selfCondition: false,
                predict: { x, _, _, _ in x.map { 0.5 * $0 } + (v.map { [$0, $0] } ?? []) },
                draw: { number, _ in [Float(number) - 2, 1.5] }, reached: { path.append($1) })
            return path
        }
        let small = try end(.small, v: nil)
        let learned = try end(.learned, v: -1)
        #expect(small.count == 7 && zip(small.joined(), learned.joined()).allSatisfy { abs($0 - $1) < 1e-5 })
        let large = try end(.large, v: nil)
        let other = try end(.learned, v: 1)
        #expect(zip(large.joined(), other.joined()).allSatisfy { abs($0 - $1) < 1e-5 })
        #expect(zip(small.joined(), large.joined()).contains { abs($0 - $1) > 1e-2 })
        let bound = VariationalBound(ForwardProcess(diffusion))
        #expect(abs(bound.logVariance(0, 40) - (bound.logVariance(-1, 40) + bound.logVariance(1, 40)) / 2) < 1e-12)
    }
}
