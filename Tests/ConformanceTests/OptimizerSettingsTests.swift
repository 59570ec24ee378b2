import CPUBackend
import Conformance
import Foundation
import HDF5
import TestSupport
import Testing

/// One training step worked out here from the file's own gradients, with other settings of the optimiser than the
/// reference files have.
@Suite struct OptimizerSettingsTests {
    static let name = "smd-x0-cosine-vector2"

    /// What a case of one step must end with: from the gradients of step 0, clipped at `clip`, Adam's first step is
    /// `−lr · g/(|g| + ε)` whatever its β, and the average moves `share` of the way.
    static func expected(
        lr: Double, epsilon: Double, clip: Double, decay: Double, share: Double
    ) throws -> [String: ([Double]) -> [Double]?] {
        let file = try HDF5File.open("\(goldenFolder)/\(name).h5")
        let names = try file.root.group("step0/gradients").names()
        let norm = try file.root.dataset("step0/gradient_norm").read(as: Double.self)[0]
        let scale = min(1, clip / norm)
        var edits: [String: ([Double]) -> [Double]?] = [:]
        for name in names {
            let gradients = try file.root.dataset("step0/gradients/\(name)").read(as: Double.self)
            let initial = try file.root.dataset("parameters/initial/\(name)").read(as: Double.self)
            let final = zip(initial, gradients).map { theta, g in
                let clipped = scale * g
                return theta * (1 - decay) - lr * clipped / (abs(clipped) + epsilon)
            }
            edits["parameters/final/\(name)"] = { _ in final }
            edits["parameters/ema/\(name)"] = { _ in zip(initial, final).map { $0 + share * ($1 - $0) } }
        }
        try file.close()
        return edits
    }

    static func run(_ settings: String, _ edits: [String: ([Double]) -> [Double]?]) throws -> CaseReport {
        var edited = EditedCase(edits: edits)
        edited.attributes["optimizer"] = { _ in .string(settings) }
        edited.removedGroups = ["step1", "step2", "step3"]
        return try edited.with(name) { try Conformance.run($0, on: CPUBackend()) }
    }

    @Test func otherRatesAndClipsAreFollowed() throws {
        let edits = try Self.expected(lr: 0.02, epsilon: 1e-3, clip: 0.5, decay: 0, share: 0.3)
        let report = try Self.run(
            #"{"kind": "adam", "lr": 0.02, "beta1": 0.8, "beta2": 0.9, "eps": 1e-3, "weight_decay": 0, "#
                + #""clip_norm": 0.5, "ema_decay": 0.7, "ema_every": 1, "steps": 1}"#, edits)
        #expect(report.passes, "\(report.table)")
    }

    @Test func withoutAClipTheGradientIsTakenAsItIs() throws {
        let edits = try Self.expected(lr: 0.02, epsilon: 10, clip: .infinity, decay: 0, share: 0.1)
        let rest = #""lr": 0.02, "beta1": 0.9, "beta2": 0.99, "eps": 10, "ema_decay": 0.9, "steps": 1}"#
        #expect(try Self.run(#"{"clip_norm": null, "# + rest, edits).passes)
        #expect(try Self.run(#"{"clip_norm": 0, "# + rest, edits).passes)
        #expect(try !Self.run(#"{"clip_norm": 1, "# + rest, edits).passes)
    }

    @Test func decoupledWeightDecayIsFollowed() throws {
        let edits = try Self.expected(lr: 0.02, epsilon: 1e-3, clip: 0.5, decay: 0.02 * 2, share: 0.1)
        let rest = #""lr": 0.02, "beta1": 0.9, "beta2": 0.99, "eps": 1e-3, "clip_norm": 0.5, "ema_decay": 0.9}"#
        #expect(try Self.run(#"{"kind": "adamw", "weight_decay": 2, "# + rest, edits).passes)
        #expect(try !Self.run(#"{"kind": "adamw", "weight_decay": 0, "# + rest, edits).passes)
    }

    /// An average every second step has moved after one step or has not: the files' layout leaves both open.
    @Test(arguments: [0.0, 0.1]) func anAverageMayStartWithEitherStep(share: Double) throws {
        let edits = try Self.expected(lr: 0.02, epsilon: 1e-3, clip: 0.5, decay: 0, share: share)
        let rest = #""lr": 0.02, "beta1": 0.9, "beta2": 0.99, "eps": 1e-3, "clip_norm": 0.5, "ema_decay": 0.9}"#
        #expect(try Self.run(#"{"ema_every": 2, "# + rest, edits).passes)
        #expect(try Self.run(#"{"ema_every": 1, "# + rest, edits).passes == (share == 0.1))
    }
}
