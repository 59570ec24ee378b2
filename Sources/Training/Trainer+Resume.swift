import Configuration
import Diffusion
import Sampling
import Storage
import TensorGraph

extension Trainer {
    /// The attribute of a classifier's checkpoint that holds the SHA-256 of the labels it was trained by.
    static let labelsAttribute = "labels_sha256"

    /// Holds the configuration against that of a checkpoint which is to be resumed: refuses a change that would give its
    /// numbers another meaning, and warns of one that makes it another run (`ConfigurationKey.rule`). On rank 0.
    ///
    /// - Throws: `ConfigurationError`.
    func compare(with checkpoint: CheckpointFile) throws {
        let (path, header) = (checkpoint.path, checkpoint.header)
        if ArenaRole.always.contains(where: { checkpoint.tensors($0.group).isEmpty }) {
            throw ConfigurationError(
                "\(path) cannot be resumed: it holds weights without the moments of Adam, as smd checkpoint import and "
                    + "average make them; it can be sampled and evaluated")
        }
        var (before, now) = (try RunConfiguration(json: header.config, name: path), configuration)
        before.seed = header.seed
        // What was computed in, which may not be what was asked for.
        now.precision = precision.precision
        if case .string(let name)? = header.attributes["precision"], let precision = Precision(rawValue: name) {
            before.precision = precision
        }
        if let shift, let stored = try TrainedShift.read(checkpoint, before), stored.means != shift.means {
            let (kind, isOfFile) = (configuration.diffusion.shift.rawValue, configuration.diffusion.shiftBy == .file)
            let source = isOfFile ? configuration.diffusion.shiftFile : configuration.data
            throw ConfigurationError(
                "\(path) cannot be resumed with other data: diffusion.shift is \(kind), and the means of the classes of "
                    + "\(source) are others")
        }
        let sameLabels = labels.map { header.attributes[Self.labelsAttribute] == .string($0.fingerprint) } ?? true
        let changes = now.changes(
            since: before, sameData: header.dataFingerprint == fingerprint && sameLabels)
        let refused = changes.filter { $0.rule == .refused }
        guard refused.isEmpty else {
            throw ConfigurationError(
                "\(path) cannot be resumed with another \(refused.text): its numbers would not fit, or mean something else; "
                    + "go on with \(refused.waysBack ?? "the former"), or start a new run: --resume none and another "
                    + "--output")
        }
        guard header.step <= configuration.steps else {
            throw ConfigurationError(
                "\(path) is at step \(header.step), beyond steps=\(configuration.steps): go on with "
                    + "--set steps=\(header.step) or more, or from an earlier checkpoint (--resume CHECKPOINT)")
        }
        let warned = changes.filter { $0.rule == .warned }
        guard !warned.isEmpty else { return }
        // What was asked for already and is not to be had here is no way back.
        let settable = warned.filter { $0.key != "precision" || configuration.precision != before.precision }
        observer.warn(
            "\(path) was trained with another \(warned.text): the run goes on, but is not what either alone would give"
                + (settable.waysBack.map { "; as it was: \($0)" } ?? ""))
    }
}
