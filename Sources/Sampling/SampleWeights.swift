import Files
import Storage

/// Which weights of a checkpoint samples are drawn with: `ema`, `raw`, or `average:0.05`.
public enum SampleWeights: RawRepresentable, Hashable, Sendable {
    /// The exponential moving average.
    case ema
    /// The parameters as the last step left them.
    case raw
    /// The power-function average of a relative width that the run kept.
    case average(width: Double)

    private static let prefix = "average:"

    public init?(rawValue: String) {
        switch rawValue {
        case "ema": self = .ema
        case "raw": self = .raw
        default:
            guard rawValue.hasPrefix(Self.prefix), let width = Double(rawValue.dropFirst(Self.prefix.count)),
                width.isFinite
            else { return nil }
            self = .average(width: width)
        }
    }

    public var rawValue: String {
        switch self {
        case .ema: "ema"
        case .raw: "raw"
        case .average(let width): Self.prefix + "\(width)"
        }
    }

    /// What the words look like.
    public static let words = ["ema", "raw", prefix + "WIDTH"]

    /// The arena that holds them.
    package var role: ArenaRole {
        switch self {
        case .ema: .ema
        case .raw: .parameters
        case .average(let width): .average(width: width)
        }
    }
}

extension CheckpointFile {
    /// The group of these weights, which has tensors.
    ///
    /// - Throws: ``RunError`` where the file holds no such weights: it says which averages it has.
    package func group(of weights: SampleWeights) throws -> String {
        let group = weights.role.group
        if !tensors(group).isEmpty { return group }
        let problem = "\(path) holds no weights \(weights.rawValue)"
        let averages = averageWidths.map { SampleWeights.average(width: $0).rawValue }
        if !averages.isEmpty {
            throw RunError(
                "\(problem), but \(averages.joined(separator: ", ")): smd checkpoint average RUN --width WIDTH makes others "
                    + "of snapshots")
        }
        throw RunError(
            weights.role.width == nil ? problem : "\(problem): the run kept no power-function averages (ema.widths)")
    }
}
