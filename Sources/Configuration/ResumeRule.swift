import Files

/// What becomes of a run that goes on from a checkpoint with another value of a key than it was trained with.
public enum ResumeRule: String, CaseIterable, Sendable {
    /// The checkpoint's numbers would not fit, or would mean something else: the run does not go on.
    case refused
    /// The run goes on, but is no longer the one that either configuration describes: it says so.
    case warned
    /// What is computed stays the same; the key says how far, how often, where or in which way.
    case harmless
}

extension RunConfiguration {
    /// The rule of every key.
    public static let resumeRules: [String: ResumeRule] = [
        "data": .warned,  // by its content: the same samples under another path are the same data
        "steps": .harmless,  // fewer than the checkpoint has done are refused by themselves
        "batch_size": .warned,
        "micro_batch_size": .warned,  // the order of sums
        "reduction": .warned,
        "seed": .warned,
        "precision": .warned,
        "learning_rate": .warned,
        "checkpoint_every": .harmless,
        "keep_checkpoints": .harmless,
        "keep_every": .harmless,
        "preview_every": .harmless,
        "preview_count": .harmless,
        "log_every": .harmless,
        "eta_variance_every": .harmless,
        "check_ranks_every": .harmless,
        "on_bad_step": .warned,
        "spike_factor": .warned,

        "model.size": .refused,
        "model.channels": .refused,
        "model.dim": .refused,
        "model.dim_mults": .refused,
        "model.full_attention": .refused,
        "model.groups": .refused,
        "model.heads": .refused,
        "model.head_dim": .refused,
        "model.self_condition": .refused,
        "model.smd": .refused,
        "model.latent_dim": .refused,
        "model.hypernet_layers": .refused,
        "model.eta": .warned,  // the network stays the same function of η: like other data
        "model.identifier.dim": .refused,
        "model.identifier.dim_mults": .refused,
        "model.identifier.groups": .refused,
        "model.identifier.heads": .refused,
        "model.identifier.head_dim": .refused,

        "diffusion.timesteps": .refused,
        "diffusion.objective": .refused,
        "diffusion.schedule": .refused,
        "diffusion.min_snr": .warned,
        "diffusion.offset_noise": .warned,
        "diffusion.flip": .warned,
        "diffusion.clip_denoised": .harmless,
        "diffusion.sampler": .harmless,
        "diffusion.sampling_steps": .harmless,
        "diffusion.ddim_eta": .harmless,

        "optimizer.beta1": .warned,
        "optimizer.beta2": .warned,
        "optimizer.epsilon": .warned,
        "optimizer.clip_norm": .warned,
        "optimizer.sharded": .harmless,

        "ema.decay": .warned,
        "ema.every": .warned,
        "ema.start": .warned,
    ]

    /// Keys that do nothing without the mixture.
    private static func belongsToMixture(_ key: String) -> Bool {
        key.hasBytes(prefix: "model.identifier.")
            || ["model.latent_dim", "model.hypernet_layers", "model.eta", "eta_variance_every"].contains(key)
    }

    /// The keys that make this another run than `stored`, sorted; those of rule `harmless` are among them.
    ///
    /// - Parameter sameData: whether both have the same samples. Paths are not compared.
    /// - Throws: As `settings()`.
    public func changes(since stored: RunConfiguration, sameData: Bool) throws -> [ChangedKey] {
        let (before, now) = (try stored.settings(), try settings())
        let (normalBefore, normalNow) = (try stored.normal.settings(), try normal.settings())
        return now.indices.compactMap { index in
            let key = now[index].key
            if key == "data" {
                if sameData { return nil }
            } else if before[index] == now[index] || normalBefore[index] == normalNow[index] {
                return nil
            }
            if Self.belongsToMixture(key) && !(model.smd && stored.model.smd) { return nil }
            // A test sees to it that no key is without a rule.
            return ChangedKey(
                key: key, rule: Self.resumeRules[key] ?? .refused, before: before[index].value, now: now[index].value)
        }
    }

    /// The same run with what stands for something else written out.
    private var normal: RunConfiguration {
        var normal = self
        if model.fullAttention.isEmpty {  // the short way to write linear attention everywhere
            normal.model.fullAttention = Array(repeating: false, count: model.dimMults.count)
        }
        if let plan = try? batchPlan(ranks: 1) { normal.microBatchSize = plan.microBatchSize }
        return normal
    }
}

/// A key that has another value than in a checkpoint.
public struct ChangedKey: Equatable, Sendable, CustomStringConvertible {
    /// The dotted key.
    public let key: String
    /// What is to be done about it.
    public let rule: ResumeRule
    /// The checkpoint's value, as `--set` takes it.
    public let before: String
    /// The value of now.
    public let now: String

    /// "model.dim (64 before, 32 now)".
    public var description: String {
        before.hasSameBytes(as: now) ? "\(key) (\(now), with other content)" : "\(key) (\(before) before, \(now) now)"
    }

    /// "--set model.dim=64": what makes it the checkpoint's again; nil where only a file's content differs.
    public var wayBack: String? { before.hasSameBytes(as: now) ? nil : "--set " + shellWord("\(key)=\(before)") }
}

extension [ChangedKey] {
    /// All of them in words, "a, b".
    public var text: String { map(\.description).joined(separator: ", ") }
    /// What to add to the command to have the checkpoint's values again; nil where that is not a matter of settings.
    public var waysBack: String? {
        let settings = compactMap(\.wayBack)
        return settings.isEmpty ? nil : settings.joined(separator: " ")
    }
}
