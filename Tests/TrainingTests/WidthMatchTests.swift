import Configuration
import Foundation
import Planning
import TestSupport
import Testing

/// `smd plan --match`: the plain network of the same cost.
@Suite struct WidthMatchTests {
    private static let text = """
        data: a.h5
        batch_size: 8
        model: {size: 8, channels: 1, dim: 16, dim_mults: [1, 2], groups: 4, heads: 2, head_dim: 4, latent_dim: 48}
        """

    private func configuration(_ settings: String...) throws -> RunConfiguration {
        try RunConfiguration.load(text: Self.text, name: "test", overrides: settings)
    }

    /// No other width comes nearer, and the numbers are those of the plans of both runs.
    @Test(arguments: WidthMatch.Quantity.allCases, [8, 48, 64, 96, 128])
    func noOtherWidthIsNearer(quantity: WidthMatch.Quantity, latent: Int) throws {
        let configured = try configuration("model.latent_dim=\(latent)")
        let match = try WidthMatch(configured, by: quantity)
        func plan(_ configuration: RunConfiguration) throws -> Double {
            let plan = try RunPlan(configuration, ranks: 1)
            return quantity == .parameters ? Double(plan.parameters) : plan.gflopPerImage
        }
        let wanted = try plan(configured)
        let distances = try stride(from: 4, through: 64, by: 4).map { width in
            (width: width, distance: abs(try plan(configuration("model.smd=false", "model.dim=\(width)")) - wanted))
        }
        #expect(match.width == distances.min { $0.distance < $1.distance }?.width)
        #expect(match.settings == (match.width == 16 ? [] : ["model.dim=\(match.width)"]) + ["model.smd=false"])
        let found = try plan(RunConfiguration.load(text: Self.text, name: "test", overrides: match.settings))
        #expect(abs(match.ratio - found / wanted) < 1e-12)
        let plain = quantity == .parameters ? Double(match.plain.parameters) : match.plain.gflopPerImage
        #expect(abs(plain - found) <= 1e-12 * found)
    }

    /// Groups that are odd leave half of their multiples, for widths are even.
    @Test func widthsFitTheGroups() throws {
        let match = try WidthMatch(configuration("model.groups=3", "model.dim=12"), by: .flops)
        #expect(match.width.isMultiple(of: 6))
    }

    @Test func aPlainNetworkHasNoMatch() throws {
        let error = #expect(throws: (any Error).self) {
            try WidthMatch(configuration("model.smd=false"), by: .flops)
        }
        #expect(
            "\(error.map { "\($0)" } ?? "")".hasPrefix("nothing is to be matched: this is the configuration of vanilla")
        )
    }

    @Test(.enabled(if: Ability.time.isGiven, "\(Ability.time)")) func theCommandSaysWhatToSet() throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/run.yaml"
            try Self.text.write(toFile: path, atomically: true, encoding: .utf8)
            let match = try WidthMatch(configuration(), by: .parameters)
            let text = try run([product("smd"), "plan", path, "--match", "parameters"], timeout: 60)
            #expect(text.output.contains("plain, model.dim=\(match.width) "), "\(text.output)\(text.errors)")
            #expect(text.output.contains("--set model.dim=\(match.width) --set model.smd=false\n"))
            let json = try run([product("smd"), "plan", path, "--match", "parameters", "--json"], timeout: 60)
            let object = try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any]
            #expect(object?["width"] as? Int == match.width && object?["ratio"] as? Double == match.ratio)
            let none = try run(
                [product("smd"), "plan", path, "--match", "flops", "--set", "model.smd=false"], timeout: 60)
            #expect(none.status == 65 && errorLines(none.errors).count == 1)
        }
    }
}
