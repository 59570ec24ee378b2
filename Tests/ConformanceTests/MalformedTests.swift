import CPUBackend
import Conformance
import Foundation
import HDF5
import TestSupport
import Testing

/// Files that are no reference cases: one clear line each.
@Suite struct MalformedTests {
    static let points = "smd-x0-cosine-vector2"
    static let sampler = "sampler-ancestral-smd-T10"

    static func complaint(_ name: String, _ edited: EditedCase) throws -> String {
        try edited.with(name) { path in
            let error = #expect(throws: ConformanceError.self) { try Conformance.run(path, on: CPUBackend()) }
            let line = error?.description ?? ""
            #expect(line.hasPrefix(path + ": ") && !line.contains("\n"))
            return line
        }
    }

    static func config(_ change: @escaping (String) -> String) -> EditedCase {
        EditedCase(attributes: [
            "config": { value in
                guard case .string(let text) = value else { return nil }
                return .string(change(text))
            }
        ])
    }

    @Test func filesThatAreNotThereOrNotHDF5() throws {
        #expect(throws: HDF5Error.self) { try Conformance.run("/nowhere/case.h5", on: CPUBackend()) }
        try withTemporaryDirectory { folder in
            let path = folder + "/case.h5"
            try Data("no reference case at all".utf8).write(to: URL(fileURLWithPath: path))
            #expect(throws: HDF5Error.self) { try Conformance.run(path, on: CPUBackend()) }
        }
    }

    @Test func kindsThatAreMissingOrUnknown() throws {
        let missing = try Self.complaint(Self.points, EditedCase(attributes: ["kind": { _ in nil }]))
        #expect(missing.contains("no attribute 'kind'"))
        let unknown = try Self.complaint(Self.points, EditedCase(attributes: ["kind": { _ in .string("denoise") }]))
        #expect(unknown.contains("its kind is 'denoise'"))
        let sampler = try Self.complaint(Self.sampler, EditedCase(attributes: ["sampler": { _ in .string("euler") }]))
        #expect(sampler.contains("'euler'"))
    }

    @Test(arguments: [
        ("\"dim\": 8,", "", "'dim' is missing"), ("\"dim\": 8,", "\"dim\": \"8\",", "dim"),
        ("\"groups\": 2", "\"groups\": 3", "groups is 3"), ("\"size\": 1", "\"size\": 0", "size is 0"),
        ("\"full_attention\": [false]", "\"full_attention\": [false, false]", "full_attention has 2 entries for the 1"),
        ("\"dim\": 8", "\"dim\": 2", "dim is 2"), ("\"pred_x0\"", "\"pred_y\"", "objective is pred_y"),
        ("\"cosine\"", "\"square\"", "schedule"), ("{\"dim", "dim", "config"),
        ("\"timesteps\": 100", "\"timesteps\": 3", "0 ..< 3"),
        ("\"timesteps\": 100", "\"timesteps\": 1000000000000", "timesteps is 1000000000000"),
        ("\"latent_dim\": 12", "\"latent_dim\": 1000000000000", "latent_dim is 1000000000000"),
        ("\"head_dim\": 4}", "\"head_dim\": 4000000000}", "head_dim is 4000000000"),
    ])
    func configurationsThatNoNetworkCanHave(found: String, replacement: String, message: String) throws {
        let line = try Self.complaint(
            Self.points, Self.config { $0.replacingOccurrences(of: found, with: replacement) })
        #expect(line.contains(message), "\(line)")
    }

    @Test func sizesThatCannotBeHalved() throws {
        let line = try Self.complaint(
            Self.sampler, Self.config { $0.replacingOccurrences(of: "\"size\": 8", with: "\"size\": 7") })
        #expect(line.contains("size is 7, not divisible by 2"), "\(line)")
    }

    @Test func optimizersThatAreNotKnown() throws {
        let edited = EditedCase(attributes: [
            "optimizer": { _ in
                .string(#"{"kind": "sgd", "lr": 1, "beta1": 0, "beta2": 0, "eps": 1, "ema_decay": 0}"#)
            }
        ])
        #expect(try Self.complaint(Self.points, edited).contains("kind is 'sgd'"))
    }

    @Test(arguments: [
        "step2/noise", "step0/x0", "step3/eta", "step1/loss", "step1/timestep",
        "parameters/initial/model.init_conv.bias", "parameters/ema/identifier.init_conv.bias",
    ])
    func tensorsThatAreMissing(path: String) throws {
        let line = try Self.complaint(Self.points, EditedCase(edits: [path: { _ in nil }]))
        #expect(line.contains(path.split(separator: "/").last ?? ""), "\(line)")
    }

    @Test func tensorsOfAnotherNetwork() throws {
        let line = try Self.complaint(Self.points, EditedCase(additions: ["parameters/final/model.extra.weight"]))
        #expect(line.contains("/parameters/final holds model.extra.weight"))
    }

    @Test func tensorsOfAnotherShape() throws {
        let edited = EditedCase(
            edits: ["parameters/initial/model.final_conv.weight": { $0 }],
            shapes: ["parameters/initial/model.final_conv.weight": [8, 2, 1, 1]])
        let line = try Self.complaint(Self.points, edited)
        #expect(line.contains("model.final_conv.weight has the shape [8, 2, 1, 1]; [2, 8, 1, 1] was expected"))
    }

    @Test(arguments: [18, 20]) func drawsThatAreTooFewOrTooMany(count: Int) throws {
        let size = 2 * 3 * 8 * 8
        let edited = EditedCase(
            edits: ["draws": { Array(($0 + $0).prefix(count * size)) }], shapes: ["draws": [count, 2, 3, 8, 8]])
        let line = try Self.complaint(Self.sampler, edited)
        #expect(line.contains(count == 18 ? "ends after 18" : "holds 20 tensors, of which the sampler took 19"))
    }

    @Test func trajectoriesOfAnotherLength() throws {
        let line = try Self.complaint(
            Self.sampler, Self.config { $0.replacingOccurrences(of: "\"timesteps\": 10", with: "\"timesteps\": 9") })
        #expect(line.contains("draws") || line.contains("trajectory"), "\(line)")
    }

    @Test func schedulesThatAreNotKnown() throws {
        let line = try Self.complaint("schedules", EditedCase(additions: ["quadratic"]))
        #expect(line.contains("'quadratic'"))
    }
}
