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
    /// The keys that make this another run than `stored`, sorted; those of rule `harmless` are among them.
    ///
    /// - Parameter sameData: whether both have the same samples, or the same density. Paths are not compared.
    public func changes(since stored: RunConfiguration, sameData: Bool) -> [ChangedKey] {
        let (normalBefore, normalNow) = (stored.normal, normal)
        return ConfigurationKey.all.sorted { $0.name < $1.name }.compactMap { key in
            let (before, now) = (key.text(in: stored), key.text(in: self))
            if key.name == contentKey {
                if sameData { return nil }
            } else if before == now || key.text(in: normalBefore) == key.text(in: normalNow) {
                return nil
            }
            if !key.counts(in: model) || !key.counts(in: stored.model) { return nil }
            return ChangedKey(key: key.name, rule: rule(of: key, since: stored), before: before, now: now)
        }
    }

    /// The key of a file that is compared by what it holds.
    private var contentKey: String? { method != .dds ? "data" : target.kind.isOfFile ? "target.file" : nil }

    /// A learning rate that decays does so over `steps`: with more of them it is another at each step.
    private func rule(of key: ConfigurationKey, since stored: RunConfiguration) -> ResumeRule {
        // Another share trains the same parameters, unless one of them is none.
        if key.name == "model.label_dropout", model.labelDropout > 0, stored.model.labelDropout > 0 { return .warned }
        if key.name == "model.augment", model.augment > 0, stored.model.augment > 0 { return .warned }
        let decays = learningRateDecay != .constant || stored.learningRateDecay != .constant
        return key.name == "steps" && decays ? .warned : key.rule
    }

    /// The same run with what stands for something else written out.
    private var normal: RunConfiguration {
        var normal = self
        if model.unet.fullAttention.isEmpty {  // the short way to write linear attention everywhere
            normal.model.unet.fullAttention = model.unet.dimMults.map { _ in false }
        }
        normal.ema.widths.sort()
        // Of a checkpoint of other hands nothing is certain but the types.
        if (try? model.validate()) != nil, let plan = try? batchPlan(ranks: 1) {
            normal.microBatchSize = plan.microBatchSize
        }
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
