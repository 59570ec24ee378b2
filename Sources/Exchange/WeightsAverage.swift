import Configuration
import Sampling
import Storage

extension TrainedWeights {
    /// The mean of the weights of several checkpoints of one network (a model soup: Wortsman et al. 2022,
    /// arXiv:2203.05482): added up in double precision in the order of steps and digests, whatever order they are given in,
    /// and rounded once. The configuration is that of the highest step.
    ///
    /// - Parameters:
    ///   - paths: two or more files, whose bytes have been verified.
    ///   - progress: called with the files read so far.
    /// - Throws: ``RunError`` where their networks or processes are not the same; `HDF5Error` or `StorageError` where
    ///   one cannot be read.
    public static func average(
        of paths: [String], _ weights: SampleWeights, progress: (Int) throws -> Void = { _ in }
    ) throws -> TrainedWeights {
        precondition(paths.count > 1, "the average of \(paths.count) checkpoints")
        let files = try paths.map { path in
            let file = try CheckpointFile(path, isVerified: false)
            return (path: path, step: file.header.step, digest: file.digest)
        }.sorted { ($0.step, $0.digest) < ($1.step, $1.digest) }
        var shapes: [CheckpointFile.Shape] = []
        var sums: [[Double]] = []
        var headers: [(path: String, header: CheckpointHeader)] = []
        for (number, place) in files.enumerated() {
            let file = try CheckpointFile(place.path, isVerified: false)
            if let first = headers.first { try requireSameKind(first, (place.path, file.header)) }
            headers.append((place.path, file.header))
            let tensors = try file.weights(weights)
            if number == 0 {
                shapes = tensors.map { ($0.name, $0.shape) }
                sums = tensors.map { $0.values.map(Double.init) }
            } else {
                try require(tensors, like: shapes, place.path, files[0].path)
                for (index, tensor) in tensors.enumerated() {
                    for (element, value) in tensor.values.enumerated() { sums[index][element] += Double(value) }
                }
            }
            try progress(number + 1)
        }
        let tensors = zip(shapes, sums).map { shape, sums in
            NamedTensor(
                name: shape.name, shape: shape.shape, values: sums.map { Float($0 / Double(files.count)) })
        }
        var header = headers[headers.count - 1].header
        let steps = files.map { "\($0.step)" }.joined(separator: ", ")
        header.attributes = ["origin": .string("average of \(weights.rawValue) weights of steps \(steps)")]
        header.version = Release.version
        return TrainedWeights(header: header, tensors: tensors)
    }

    private static func require(
        _ tensors: [NamedTensor], like shapes: [CheckpointFile.Shape], _ path: String, _ other: String
    ) throws {
        for (tensor, shape) in zip(tensors, shapes) where (tensor.name, tensor.shape) != shape {
            throw RunError(
                "\(path) has \(tensor.name) \(tensor.shape) where \(other) has \(shape.name) \(shape.shape): they are not "
                    + "of one network")
        }
        guard tensors.count == shapes.count else {
            throw RunError(
                "\(path) has \(tensors.count) tensors, \(other) \(shapes.count): they are not of one network")
        }
    }

    /// A mean of weights that mean different things means nothing.
    private static func requireSameKind(
        _ first: (path: String, header: CheckpointHeader), _ next: (path: String, header: CheckpointHeader)
    ) throws {
        let one = try RunConfiguration(json: first.header.config, name: first.path)
        let other = try RunConfiguration(json: next.header.config, name: next.path)
        guard let change = other.changes(since: one, sameData: true).first(where: { $0.rule == .refused }) else {
            return
        }
        throw RunError(
            "\(first.path) and \(next.path) cannot be averaged: \(change.key) is \(change.before) in the one, "
                + "\(change.now) in the other")
    }
}
