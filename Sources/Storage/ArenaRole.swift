/// What a network carries from step to step beside its gradients: an arena for each, in this order, and a group of that
/// name in a checkpoint. A case added here is saved, restored, divided among ranks, compared and planned for.
package enum ArenaRole: String, CaseIterable {
    case parameters
    case ema
    case firstMoment = "optimizer/first_moment"
    case secondMoment = "optimizer/second_moment"

    /// The last word of the group: "ema", and of those below `optimizer` theirs.
    package var shortName: String { rawValue.split(separator: "/").last.map(String.init) ?? rawValue }

    /// For a person: "the second moments", from the group's last word.
    package var title: String {
        let words = shortName.replacing("_", with: " ")
        return self == .ema ? "the averages" : "the " + words + (words.hasSuffix("s") ? "" : "s")
    }

    /// Whether a rank may hold its shard only.
    package var isSharded: Bool { self != .parameters }
}
