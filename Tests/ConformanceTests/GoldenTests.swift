import Conformance
import ReferenceBackend
import TestSupport
import Testing

@Suite struct GoldenTests {
    @Test(arguments: [
        "ddpm-v-sigmoid-8x8x3", "sampler-ancestral-ddpm-noclip-T8", "sampler-ancestral-smd-T10",
        "sampler-ddim-eta0.5-smd-T50-S7", "schedules", "smd-noise-linear-minsnr-16x16x1", "smd-v-sigmoid-8x8x3",
        "smd-x0-cosine-vector2",
    ])
    func reference(name: String) throws {
        let report = try Conformance.run("\(goldenFolder)/\(name).h5", on: ReferenceBackend())
        print(report.table)
        #expect(report.passes)
    }
}
