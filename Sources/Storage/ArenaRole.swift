/// What a network carries from step to step beside its gradients: an arena for each, in this order, and a group in a
/// checkpoint. A case added here, and to ``always``, is saved, restored, divided among ranks, compared and planned for.
package enum ArenaRole: Hashable, Sendable {
    case parameters
    case ema
    case firstMoment
    case secondMoment
    /// The power-function average of a relative width: a run has as many as it was asked for.
    case average(width: Double)

    /// Those of every network.
    package static let always: [ArenaRole] = [.parameters, .ema, .firstMoment, .secondMoment]

    /// Those of a network with power-function averages of these widths.
    package static func all(widths: [Double]) -> [ArenaRole] { always + widths.map { .average(width: $0) } }

    /// The group of a checkpoint.
    package var group: String {
        switch self {
        case .parameters: CheckpointGroup.parameters
        case .ema: "ema"
        case .firstMoment: "optimizer/first_moment"
        case .secondMoment: "optimizer/second_moment"
        case .average(let width): "averages/\(width)"
        }
    }

    /// The last word of the group: "ema", and of those below `optimizer` theirs.
    package var shortName: String { group.split(separator: "/").last.map(String.init) ?? group }

    /// For a person: "the second moments", from the group's last word.
    package var title: String {
        if case .average(let width) = self { return "the averages of width \(width)" }
        let words = shortName.replacing("_", with: " ")
        return self == .ema ? "the averages" : "the " + words + (words.hasSuffix("s") ? "" : "s")
    }

    /// Whether a rank may hold its shard only.
    package var isSharded: Bool { self != .parameters }

    /// The width of a power-function average; nil for anything else.
    package var width: Double? {
        if case .average(let width) = self { width } else { nil }
    }
}

extension CheckpointFile {
    /// The relative widths of the power-function averages of the first network, ascending.
    package var averageWidths: [Double] {
        groups.compactMap { group in
            guard group.hasPrefix("averages/"), let width = Double(group.dropFirst("averages/".count)),
                ArenaRole.average(width: width).group == group
            else { return nil }
            return width
        }.sorted()
    }
}
