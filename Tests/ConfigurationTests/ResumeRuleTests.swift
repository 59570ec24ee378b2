import Configuration
import TensorGraph
import Testing

/// What a change of each key means to a run that goes on from a checkpoint.
@Suite struct ResumeRuleTests {
    static var base: RunConfiguration {
        get throws { try RunConfiguration.load(text: "data: a.h5", name: "test") }
    }

    /// Another value than the default, as `--set` takes it.
    static let others: [String: String] = [
        "data": "b.h5", "precision": "bf16", "model.dim_mults": "[1, 2, 2]",
        "model.full_attention": "[true, false, false, false]",
        "model.identifier.dim_mults": "[1, 3]", "micro_batch_size": "2", "diffusion.energy_windows": "[0, 8]",
        "model.attention_sizes": "[16]", "model.identifier.attention_sizes": "[8]", "diffusion.respacing": "ddim25",
        "autoencoder.channels": "[16, 32]", "first_stage": "ae.h5", "ema.widths": "[0.05, 0.1]",
        "diffusion.prior": "other.h5", "diffusion.shift_file": "other.h5", "target.file": "other.h5",
    ]

    /// Other keys that such a value of a key decides, where they are not given.
    static let implied = [
        "model.head": ["diffusion.loss"], "model.backbone": ["model.groups"],
        "model.learned_variance": ["diffusion.variance"],
    ]

    static func other(_ key: String, than value: String) -> String {
        if let other = others[key] { return other }
        if let words = ConfigurationKey.all.first(where: { $0.name == key })?.choices {
            return words.first { $0 != value } ?? value
        }
        if let flag = Bool(value) { return "\(!flag)" }
        if let number = Int(value) { return "\(number + 1)" }
        return Double(value).map { "\($0 / 2 + 0.125)" } ?? "?"
    }

    /// A change of each key alone is found, with both values, and the settings that it names take it back.
    @Test func everyChangeIsFound() throws {
        for row in ConfigurationKey.all {
            // In a network that has it.
            let text = "data: a.h5" + (row.backbone.map { "\nmodel: {backbone: \($0.rawValue)}" } ?? "")
            let base = try RunConfiguration.load(text: text, name: "test")
            let (key, value) = (row.name, row.text(in: base))
            if Self.other(key, than: value) == value { continue }
            let now = try RunConfiguration.load(
                text: text, name: "test", overrides: ["\(key)=\(Self.other(key, than: value))"])
            let changes = now.changes(since: base, sameData: key != "data")
            #expect(
                changes.map(\.key) == ((Self.implied[key] ?? []) + [key]).sorted(),
                "\(key) = \(Self.other(key, than: value))")
            let change = try #require(changes.first { $0.key == key })
            #expect(change.rule == row.rule)
            #expect(change.before == value && change.now == Self.other(key, than: value), "\(change)")
            #expect(change.description == "\(key) (\(value) before, \(change.now) now)")
            let setting = try #require(change.wayBack).dropFirst("--set ".count).filter { $0 != "'" }
            if Self.implied[key] != nil { continue }
            let back = try RunConfiguration(json: now.resolvedJSON())
            let again = try RunConfiguration.load(
                text: back.resolvedJSON(), name: "test", overrides: [String(setting)])
            #expect(again == base, "\(setting)")
        }
    }

    /// What the other network has not is no change.
    @Test func keysOfTheOtherNetworkDoNotCount() throws {
        for row in ConfigurationKey.all where row.backbone != nil {
            let other = row.backbone == .adm ? "ddpm" : "adm"
            let text = "data: a.h5\nmodel: {backbone: \(other)}"
            let base = try RunConfiguration.load(text: text, name: "test")
            let value = Self.other(row.name, than: row.text(in: base))
            let now = try RunConfiguration.load(text: text, name: "test", overrides: ["\(row.name)=\(value)"])
            #expect(now.changes(since: base, sameData: true).isEmpty, "\(row.name)")
        }
    }

    /// More steps are harmless, unless they are what the learning rate decays over.
    @Test func moreStepsOfADecay() throws {
        var (before, now) = (try Self.base, try Self.base)
        now.steps = 200_000
        #expect(now.changes(since: before, sameData: true).map(\.rule) == [.harmless])
        (before.learningRateDecay, now.learningRateDecay) = (.cosine, .cosine)
        #expect(now.changes(since: before, sameData: true).map(\.rule) == [.warned])
    }

    /// The table of classes has a row for none, or it has not; how often that is trained is a matter of taste.
    @Test func anotherShareOfNoClass() throws {
        var (before, now) = (try Self.base, try Self.base)
        now.model.labelDropout = 0.1
        #expect(now.changes(since: before, sameData: true).map(\.rule) == [.refused])
        before.model.labelDropout = 0.2
        #expect(now.changes(since: before, sameData: true).map(\.rule) == [.warned])
        now.model.labelDropout = 0
        #expect(now.changes(since: before, sameData: true).map(\.rule) == [.refused])
    }

    /// Two ways to write the same are no change.
    @Test func theSameInOtherWords() throws {
        let here = try Self.base
        var there = here
        there.model.unet.fullAttention = [false, false, false, false]
        there.microBatchSize = try here.microBatchSize(ranks: 1)
        #expect(here.changes(since: there, sameData: true).isEmpty)
        // Linear attention everywhere, however many stages: the stages are the change.
        there.model.unet.fullAttention = []
        there.model.unet.dimMults = [1, 2]
        #expect(here.changes(since: there, sameData: true).map(\.key) == ["model.dim_mults"])
    }

    /// What a checkpoint of other hands says may be nonsense: it is compared, not computed with.
    @Test(arguments: ["{\"dim\": 0}", "{\"size\": 0}", "{\"size\": 4000000000, \"dim\": 4000000000}"])
    func nonsenseIsCompared(model: String) async {
        await #expect(processExitsWith: .success) { [model] in
            let stored = try RunConfiguration(json: "{\"data\": \"a.h5\", \"model\": \(model), \"batch_size\": -8}")
            let changes = try Self.base.changes(since: stored, sameData: true)
            try #require(changes.count >= 2 && changes.contains { $0.rule == .refused })
        }
    }

    /// The same samples under another path are the same data, and others under the same path are not.
    @Test func dataIsComparedByContent() throws {
        let here = try Self.base
        var there = here
        there.data = "/b/c.h5"
        #expect(here.changes(since: there, sameData: true).isEmpty)
        let other = here.changes(since: there, sameData: false)
        #expect(other.text == "data (/b/c.h5 before, a.h5 now)" && other.waysBack == "--set data=/b/c.h5")
        let replaced = here.changes(since: here, sameData: false)
        #expect(replaced.text == "data (a.h5, with other content)" && replaced.waysBack == nil)
    }

    /// Without the mixture its keys do nothing; a change of that itself is the one that counts.
    @Test func unusedKeysAreNotCompared() throws {
        var vanilla = try Self.base
        vanilla.model.smd = false
        var other = vanilla
        other.model.latentDim = 3
        other.model.hypernetLayers = 1
        other.model.eta = .zero
        other.model.identifier.headDim = 4
        other.etaVarianceEvery = 7
        #expect(vanilla.changes(since: other, sameData: true).isEmpty)
        #expect(try Self.base.changes(since: other, sameData: true).map(\.key) == ["model.smd"])
    }

    /// A checkpoint of before a key was there has its default.
    @Test func missingKeysAreDefaults() throws {
        let old = try RunConfiguration(json: #"{"data":"a.h5","model":{},"diffusion":{},"optimizer":{}}"#)
        #expect(try Self.base.changes(since: old, sameData: true).isEmpty)
    }
}
