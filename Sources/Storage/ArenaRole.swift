/// What a network carries from step to step beside its gradients: an arena for each, in this order, and a group of that
/// name in a checkpoint. A case added here is saved, restored, divided among ranks, compared and planned for.
package enum ArenaRole: String, CaseIterable {
    case parameters
    case ema
    case firstMoment = "optimizer/first_moment"
    case secondMoment = "optimizer/second_moment"

    /// For a person.
    package var title: String {
        switch self {
        case .parameters: "the parameters"
        case .ema: "the averages"
        case .firstMoment: "the first moments"
        case .secondMoment: "the second moments"
        }
    }

    /// Whether a rank may hold its shard only.
    package var isSharded: Bool { self != .parameters }
}
