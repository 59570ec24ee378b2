import CPUBackend
import Conformance
import ReferenceBackend
import TensorGraph
import TestSupport
import Testing

@Suite struct GoldenTests {
    static let vanilla = ["x_t", "output", "output (inference)", "loss", "gradient_norm", "gradients"]
    static let adm = [
        "x_t", "output", "output (inference)", "loss", "loss_per_image", "gradient_norm", "gradients",
    ]
    static let admWithLatent = ["x_t", "z"] + adm.dropFirst()
    static let final = [
        "final parameters", "ema", "final parameters (Adam in float64)", "ema (Adam in float64)",
    ]
    static let smd = ["x_t", "z", "output", "output (inference)", "loss", "gradient_norm", "gradients"]

    /// Every reference file, and that nothing of it was left out.
    @Test(arguments: [
        ("ddpm-v-sigmoid-8x8x3", vanilla + final), ("smd-noise-linear-minsnr-16x16x1", smd + final),
        ("smd-v-sigmoid-8x8x3", smd + final), ("smd-x0-cosine-vector2", smd + final),
        ("sampler-ancestral-ddpm-noclip-T8", ["trajectory"]), ("sampler-ancestral-smd-T10", ["trajectory"]),
        ("sampler-ddim-eta0.5-smd-T50-S7", ["trajectory"]), ("schedules", ["betas"]),
        (
            "autoencoder-kl-l1-16x16x3",
            ["moments", "reconstruction", "loss per image", "loss", "gradient_norm", "gradients"] + final
        ),
        ("adm-mse-linear-class-16x16x3", adm + final), ("adm-hybrid-cosine-8x8x3", adm + final),
        ("smd-adm-hybrid-8x8x3", admWithLatent + final), ("sampler-adm-ancestral-learned-8x8x3", ["trajectory"]),
        ("sampler-adm-ddim-class-8x8x3", ["trajectory"]),
        (
            "adm-tables",
            ["respacing", "variance", "likelihood", "likelihood, small masses", "bound", "embedding", "importance"]
        ),
    ])
    func referenceCasesPass(name: String, quantities: [String]) throws {
        let report = try Conformance.run("\(goldenFolder)/\(name).h5", on: CPUBackend())
        #expect(report.passes, "\(report.table)")
        #expect(report.measurements.map(\.quantity) == quantities)
        #expect(report.measurements.allSatisfy { !$0.worst.isEmpty })
    }

    @Test func tolerancesAreThoseOfAFloat32Implementation() throws {
        let report = try Conformance.run("\(goldenFolder)/smd-x0-cosine-vector2.h5", on: CPUBackend())
        let tolerances = Dictionary(uniqueKeysWithValues: report.measurements.map { ($0.quantity, $0) })
        for name in ["x_t", "z", "output", "loss", "gradient_norm"] {
            #expect(tolerances[name]?.tolerance == 1e-4 && tolerances[name]?.isRelative == true)
        }
        #expect(tolerances["gradients"]?.tolerance == 3e-4 && tolerances["gradients"]?.isRelative == true)
        for name in ["final parameters", "ema"] {
            #expect(tolerances[name]?.tolerance == 2e-4 && tolerances[name]?.isRelative == false)
        }
    }

    /// In bfloat16, as for tiles where oneDNN can and emulated, with tolerances of their own; those of float32 would not
    /// do.
    @Test(arguments: Precision.allCases.filter { $0 != .fp32 }) func referenceCasesPassInBFloat16(
        _ precision: Precision
    ) throws {
        let names = [
            "ddpm-v-sigmoid-8x8x3", "smd-noise-linear-minsnr-16x16x1", "smd-v-sigmoid-8x8x3", "smd-x0-cosine-vector2",
            "sampler-ancestral-smd-T10", "sampler-ddim-eta0.5-smd-T50-S7", "adm-hybrid-cosine-8x8x3",
            "adm-mse-linear-class-16x16x3", "smd-adm-hybrid-8x8x3", "sampler-adm-ddim-class-8x8x3",
        ]
        for name in names {
            let path = "\(goldenFolder)/\(name).h5"
            guard precision != .bf16 || Processor.runsBFloat16 else {
                #expect(throws: OneDNNError.self) {
                    try Conformance.run(path, on: CPUBackend(precision: precision, bfloat16Unit: .tiles))
                }
                continue
            }
            let report = try Conformance.run(path, on: CPUBackend(precision: precision, bfloat16Unit: .tiles))
            #expect(report.passes, "\(report.table)")
            let output = try #require(report.measurements.first { ["output", "trajectory"].contains($0.quantity) })
            #expect(output.error > 1e-4 && output.tolerance == 6e-2)
        }
    }

    /// In double precision nothing but the rounding of the file to float32 is left.
    @Test func doublePrecisionAgreesToTheRoundingOfTheFile() throws {
        let report = try Conformance.run("\(goldenFolder)/smd-x0-cosine-vector2.h5", on: ReferenceBackend())
        for measurement in report.measurements { #expect(measurement.error < 2e-6, "\(measurement)") }
    }

    /// The reference's own trajectory holds no numbers (its linear schedule over 8 steps has β > 1): that is said.
    @Test func valuesThatCannotBeComparedAreCounted() throws {
        let path = "\(goldenFolder)/sampler-ancestral-ddpm-noclip-T8.h5"
        let report = try Conformance.run(path, on: CPUBackend())
        #expect(report.measurements.map(\.nonFinite) == [3072])
        #expect(report.notes.count == 1 && report.table.contains("note: 3072 reference values of trajectory"))
    }
}
