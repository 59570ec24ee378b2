import Configuration
import Foundation
import TensorGraph
import Testing

/// Every key of the table, whichever there are.
@Suite struct KeyTableTests {
    /// A value that is not the default, as `--set` takes it.
    private func other(_ key: ConfigurationKey) -> String {
        ResumeRuleTests.other(key.name, than: key.text(in: RunConfiguration()))
    }

    @Test func namesAreThere() {
        let names = ConfigurationKey.all.map(\.name)
        #expect(Set(names).count == names.count)
        #expect(names.count == RunConfiguration().settings().count && names.count > 40)
        #expect(names.allSatisfy { $0.wholeMatch(of: /[a-z0-9_]+(\.[a-z0-9_]+)*/) != nil })
    }

    /// Another value goes into the key's own place and into no other, and comes back the same: from `--set`, from a file,
    /// and from the JSON of a checkpoint.
    @Test(arguments: ConfigurationKey.all.map(\.name)) func roundTrip(name: String) throws {
        let key = try #require(ConfigurationKey.all.first { $0.name == name })
        let value = other(key)
        let set = try RunConfiguration.load(text: "{}", name: "test", overrides: ["\(name)=\(value)"])
        #expect(key.text(in: set) == value)
        let changed = zip(set.settings(), RunConfiguration().settings()).filter { $0.value != $1.value }.map(\.0.key)
        // A choice may have one word so far.
        #expect(
            Set(changed)
                == (value == key.text(in: RunConfiguration())
                    ? [] : Set((ResumeRuleTests.implied[name] ?? []) + [name])))
        let parts = name.split(separator: ".")
        let lines = parts.enumerated().map { String(repeating: "  ", count: $0) + $1 + ":" }
        let file = try RunConfiguration.load(text: lines.joined(separator: "\n") + " \(value)", name: "test")
        #expect(file == set)
        let json = try set.resolvedJSON()
        #expect(try RunConfiguration(json: json) == set)
        #expect(try RunConfiguration(json: json).resolvedJSON() == json)
        // It lies in the JSON under its own name.
        var place: Any? = try JSONSerialization.jsonObject(with: Data(json.utf8))
        for part in parts { place = (place as? [String: Any])?[String(part)] }
        #expect(place != nil)
    }

    /// Each word of a choice is accepted, and the message about another lists them.
    @Test(arguments: ConfigurationKey.all.filter { $0.choices != nil }.map(\.name)) func choices(name: String) throws {
        let key = try #require(ConfigurationKey.all.first { $0.name == name })
        let words = try #require(key.choices)
        for word in words {
            let found = try RunConfiguration.load(text: "{}", name: "test", overrides: ["\(name)=\(word)"])
            #expect(key.text(in: found) == word)
        }
        let message = complaint("{}", set: ["\(name)=nothing"])
        #expect(message.hasSuffix("in --set, wanted one of \(words.joined(separator: ", "))"), "\(message)")
    }

    /// The published code's word for an objective is one of ours.
    @Test func publishedObjectives() throws {
        let found = try RunConfiguration.load(text: "diffusion: {objective: pred_noise}", name: "test")
        #expect(found.diffusion.objective == .noise)
        #expect(try found.resolvedJSON().contains("\"objective\":\"noise\""))
    }

    /// What checkpoints of today keep is found again: each key in its place with its value. There may be more keys.
    @Test func theStoredForm() throws {
        let stored = """
            {"batch_size":128,"check_ranks_every":100,"checkpoint_every":1000,"data":"",\
            "diffusion":{"clip_denoised":true,"ddim_eta":0,"flip":true,"min_snr":false,"objective":"v",\
            "offset_noise":0,"sampler":"ddim","sampling_steps":50,"schedule":"sigmoid","timesteps":1000},\
            "ema":{"decay":0.995,"every":10,"start":100},"eta_variance_every":100,"keep_checkpoints":3,\
            "keep_every":0,"learning_rate":0.0001,"log_every":0,"micro_batch_size":0,"model":{"channels":3,\
            "dim":128,"dim_mults":[1,2,2,2],"eta":"normal","full_attention":[],"groups":4,"head_dim":32,\
            "heads":4,"hypernet_layers":2,"identifier":{"dim":32,"dim_mults":[1,2],"groups":1,"head_dim":8,\
            "heads":1},"latent_dim":100,"self_condition":false,"size":32,"smd":true},"on_bad_step":"stop",\
            "optimizer":{"beta1":0.9,"beta2":0.99,"clip_norm":1,"epsilon":1e-08,"sharded":false},\
            "precision":"fp32","preview_count":16,"preview_every":1000,"reduction":"auto","seed":0,\
            "spike_factor":0,"steps":100000}
            """
        let now = try RunConfiguration().resolvedJSON()
        #expect(try RunConfiguration(json: stored).resolvedJSON() == now)
        #expect(!now.contains("\n") && now.hasPrefix(#"{"adversary":{"afd_weight":1,"#))
        var found = 0
        func expect(_ old: Any, in new: Any?, at path: String) {
            if let members = old as? [String: Any] {
                for (name, value) in members {
                    expect(value, in: (new as? [String: Any])?[name], at: path + "." + name)
                }
            } else {
                found += 1
                #expect((old as? NSObject) == (new as? NSObject), "\(path)")
            }
        }
        let objects = try [stored, now].map { try JSONSerialization.jsonObject(with: Data($0.utf8)) }
        expect(objects[0], in: objects[1], at: "")
        #expect(found == 54)
    }
}
