import Configuration
import Foundation
import TestSupport
import Testing

/// Where a message about a configuration names values that would do, they do.
@Suite struct ConfigurationAdviceTests {
    private func message(_ body: () throws -> Void) throws -> String {
        do {
            try body()
        } catch {
            return "\(error)"
        }
        Issue.record("it was accepted")
        return ""
    }

    private func load(_ overrides: [String]) throws -> RunConfiguration {
        try RunConfiguration.load(text: "data: a.h5", name: "run.yaml", overrides: overrides)
    }

    /// Batches, micro-batches and numbers of ranks that fit.
    @Test(arguments: [
        (["batch_size=100"], 8, 1), (["batch_size=96", "micro_batch_size=10"], 3, 1), (["batch_size=7"], 64, 1),
        (["batch_size=30", "reduction=fast"], 4, 2), (["batch_size=48", "micro_batch_size=5"], 1, 1),
        (["batch_size=96", "reduction=exact"], 64, 1), (["batch_size=96", "reduction=exact"], 3, 1),
        (["batch_size=64", "micro_batch_size=32", "reduction=exact"], 8, 1),
        (["batch_size=9", "reduction=exact"], 2, 1),
    ])
    func whatWouldFit(settings: [String], ranks: Int, threads: Int) throws {
        let told = try message { try load(settings).validate(ranks: ranks, threads: threads) }
        let list = try #require(told.firstMatch(of: /what would fit: (.*)$/), "\(told)").1
        let key = /(batch_size|micro_batch_size|reduction) (.*)/
        for way in list.components(separatedBy: "; or ") {
            if let found = way.wholeMatch(of: key) {
                for value in found.2.components(separatedBy: " or ") {
                    let changed = try load(settings + ["\(found.1)=\(value)"])
                    #expect(throws: Never.self, "\(way)") { try changed.validate(ranks: ranks, threads: threads) }
                }
            } else if let found = way.wholeMatch(of: /ranks × threads = (?:a power of two, at most )?(\d+)/) {
                for workers in [1, Int(found.1) ?? 0] {
                    #expect(throws: Never.self, "\(way)") { try load(settings).validate(ranks: workers) }
                }
            } else {
                for count in way.components(separatedBy: " or ") {
                    let ranks = try #require(Int(count.prefix { $0.isNumber }), "\(way)")
                    let same = try load(settings)
                    #expect(throws: Never.self, "\(way)") { try same.validate(ranks: ranks, threads: threads) }
                }
            }
        }
    }

    /// Groups, sizes, and what else a message offers.
    @Test func valuesThatFit() throws {
        for group in ["3", "64"] {
            let groups = try message { try load(["model.groups=\(group)", "model.dim=32"]).validate() }
            for value in try #require(groups.firstMatch(of: /groups that fit: (.*)$/)).1.components(separatedBy: ", ") {
                try load(["model.groups=\(value)", "model.dim=32"]).validate()
            }
        }
        let size = try message { try load(["model.size=33"]).validate() }
        let fits = try #require(size.firstMatch(of: /times; (.*) would fit, or fewer stages/)).1
        for value in fits.components(separatedBy: " or ") { try load(["model.size=\(value)"]).validate() }
        try load(["model.size=33", "model.dim_mults=1", "model.identifier.dim_mults=1"]).validate()
        let attention = try message { try load(["model.full_attention=true"]).validate() }
        #expect(attention.contains("wanted one a stage, or []"))
        try load(["model.full_attention=true,false,true,false"]).validate()
        try load(["model.full_attention=[]"]).validate()
        let memory = try message { try load(["micro_batch_size=64", "batch_size=64", "model.size=4096"]).validate() }
        #expect(memory.contains("make one of them smaller"))
        try load(["micro_batch_size=1", "batch_size=64", "model.size=4096"]).validate()
    }

    @Test func scheduleOfFewTimesteps() throws {
        let settings = ["diffusion.schedule=linear", "diffusion.timesteps=20", "diffusion.sampling_steps=5"]
        let told = try message { try load(settings).validate() }
        #expect(told.hasSuffix("use more timesteps, or schedule cosine or sigmoid"), "\(told)")
        for way in ["diffusion.timesteps=21", "diffusion.schedule=cosine", "diffusion.schedule=sigmoid"] {
            try load(settings + [way]).validate()
        }
    }

    /// "did you mean KEY?": that key takes the value.
    @Test(arguments: ["batchsize=64", "lr=0.1", "model.dims=64", "diffusion.timestep=50", "dim=8", "ema.deccay=0.5"])
    func nearestKey(setting: String) throws {
        let told = try message { _ = try load([setting]) }
        let key = try #require(told.firstMatch(of: /did you mean (.*)\?/), "\(told)").1
        #expect(try load(["\(key)=\(setting.split(separator: "=")[1])"]) != load([]))
    }

    /// Examples in messages are right themselves.
    @Test func examples() throws {
        let unset = try message { try RunConfiguration.load(text: "{}", name: "run.yaml").validate() }
        let line = try #require(unset.firstMatch(of: /a data set: (.*)$/)).1
        try RunConfiguration.load(text: String(line), name: "run.yaml").validate()
        let text = try message { _ = try RunConfiguration.load(text: "hello", name: "run.yaml") }
        let keys = try #require(text.firstMatch(of: /such as `(.*)`/)).1
        #expect(try RunConfiguration.load(text: String(keys), name: "run.yaml").steps == 30000)
        let override = try message { _ = try load(["model.dim"]) }
        #expect(try load([String(#require(override.firstMatch(of: /such as (.*)$/)).1)]).model.unet.dim == 64)
        let section = try message { _ = try load(["model=3"]) }
        let named = try #require(section.firstMatch(of: /such as (.*)$/)).1
        let key = try #require(ConfigurationKey.all.first { $0.name == named })
        #expect(throws: Never.self) { try load(["\(named)=\(key.text(in: RunConfiguration()))"]) }
        for choice in ["diffusion.objective", "reduction", "model.eta", "precision"] {
            let told = try message { _ = try load(["\(choice)=nothing"]) }
            let words = try #require(told.firstMatch(of: /wanted one of (.*)$/), "\(told)").1
            for word in words.components(separatedBy: ", ") { _ = try load(["\(choice)=\(word)"]) }
        }
    }
}
