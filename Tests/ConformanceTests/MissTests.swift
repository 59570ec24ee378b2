import CPUBackend
import Conformance
import Testing

/// Reference files in which one value was changed by a little more than is allowed.
@Suite struct MissTests {
    static let points = "smd-x0-cosine-vector2"

    /// Moves one value by `amount` of the largest magnitude, or absolutely.
    static func moved(_ index: Int, by amount: Double, relative: Bool = true) -> ([Double]) -> [Double]? {
        { values in
            var values = values
            let largest = relative ? values.map(abs).max() ?? 0 : 1
            // Towards zero, so that the largest magnitude does not grow.
            values[index] -= (values[index] < 0 ? -1 : 1) * amount * largest
            return values
        }
    }

    static func report(_ name: String, _ edits: [String: ([Double]) -> [Double]?]) throws -> CaseReport {
        try EditedCase(edits: edits).with(name) { try Conformance.run($0, on: CPUBackend()) }
    }

    @Test(arguments: [
        ("x_t", "step2/x_t", 2e-4, true), ("z", "step1/z", 2e-4, true), ("output", "step3/output", 2e-4, true),
        ("loss", "step1/loss", 2e-4, true), ("gradient_norm", "step2/gradient_norm", 2e-4, true),
        ("gradients", "step0/gradients/model.mid_attn.to_qkv.weight", 6e-4, true),
        ("final parameters", "parameters/final/identifier.init_conv.weight", 4e-4, false),
        ("ema", "parameters/ema/model.out_hypernet.scales", 4e-4, false),
    ])
    func oneWrongValueIsFoundAndNamed(quantity: String, path: String, amount: Double, relative: Bool) throws {
        let report = try Self.report(Self.points, [path: Self.moved(0, by: amount, relative: relative)])
        let missed = report.measurements.filter { !$0.passes }
        #expect(!report.passes)
        #expect(missed.allSatisfy { $0.quantity.hasPrefix(quantity) } && !missed.isEmpty)
        let worst = missed.first?.worst ?? ""
        #expect(path.hasSuffix(worst) && !worst.isEmpty)
        #expect(report.table.contains("MISS") && report.table.contains("FAIL: \(quantity) has an error of"))
    }

    /// Half of what is allowed is still right: the tolerance is where it should be, not anywhere.
    @Test func halfTheToleranceIsAllowed() throws {
        let report = try Self.report(
            Self.points,
            [
                "step2/x_t": Self.moved(0, by: 5e-5), "step1/loss": Self.moved(0, by: 5e-5),
                "step0/gradients/model.final_conv.weight": Self.moved(0, by: 1.5e-4),
                "parameters/final/model.final_conv.weight": Self.moved(0, by: 1e-4, relative: false),
            ])
        #expect(report.passes, "\(report.table)")
        #expect(report.measurements.first { $0.quantity == "x_t" }.map { $0.error > 4e-5 } == true)
    }

    @Test func aWrongStartShowsEverywhere() throws {
        let report = try Self.report(
            Self.points, ["parameters/initial/model.final_conv.weight": Self.moved(0, by: 0.1, relative: false)])
        let missed = Set(report.measurements.filter { !$0.passes }.map(\.quantity))
        #expect(missed.isSuperset(of: ["output", "loss", "gradients", "final parameters"]))
        #expect(!missed.contains("x_t"))
    }

    @Test(arguments: [Double.nan, .infinity]) func aReferenceThatIsNotFiniteDoesNotPassForANumber(value: Double) throws
    {
        let report = try Self.report(
            Self.points,
            [
                "step0/output": { values in [value] + values.dropFirst() }
            ])
        let output = report.measurements.first { $0.quantity == "output" }
        #expect(output?.passes == false && output?.nonFinite == 1 && output?.error == .infinity)
    }

    @Test func aNumberDoesNotPassForAReferenceThatIsNotFinite() throws {
        let report = try Self.report(
            Self.points, ["parameters/initial/model.final_conv.bias": { values in values.map { _ in .nan } }])
        let output = report.measurements.first { $0.quantity == "output" }
        #expect(output?.passes == false && output?.error == .infinity && output?.nonFinite == 0)
    }

    @Test func aWrongTrajectoryIsFoundAtItsStep() throws {
        let image = 3 * 8 * 8
        // Sample 1, step 4 of 0 ... 10.
        let report = try Self.report(
            "sampler-ancestral-smd-T10", ["trajectory": Self.moved((11 + 4) * image + 5, by: 3e-4)])
        #expect(!report.passes)
        #expect(report.measurements.map(\.worst) == ["trajectory, step 4"])
    }

    @Test func aWrongDrawShows() throws {
        let report = try Self.report("sampler-ddim-eta0.5-smd-T50-S7", ["draws": Self.moved(0, by: 0.5)])
        #expect(!report.passes)
    }

    @Test func aWrongBetaIsFound() throws {
        let report = try Self.report("schedules", ["cosine/T100/betas": Self.moved(7, by: 1e-11)])
        #expect(report.measurements.filter { !$0.passes }.map(\.worst) == ["cosine/T100/betas"])
    }
}
