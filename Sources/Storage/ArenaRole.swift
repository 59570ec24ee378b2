/// What a network carries from step to step beside its gradients: an arena for each, in this order, and a group of that
/// name in a checkpoint. A case added here is saved, restored, divided among ranks, compared and planned for.
package enum ArenaRole: String, CaseIterable {
    case parameters
    case ema
    case firstMoment = "optimizer/first_moment"
    case secondMoment = "optimizer/second_moment"

    /// For a person: "the second moments", from the group's last word.
    package var title: String {
        let words = rawValue.split(separator: "/")[rawValue.contains("/") ? 1 : 0].replacing("_", with: " ")
        return self == .ema ? "the averages" : "the " + words + (words.hasSuffix("s") ? "" : "s")
    }

    /// Whether a rank may hold its shard only.
    package var isSharded: Bool { self != .parameters }
}
