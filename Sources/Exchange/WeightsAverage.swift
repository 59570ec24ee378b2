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
        var sum = TensorSum()
        var headers: [(path: String, header: CheckpointHeader)] = []
        for (number, place) in files.enumerated() {
            let file = try CheckpointFile(place.path, isVerified: false)
            if let first = headers.first { try requireSameKind(first, (place.path, file.header)) }
            headers.append((place.path, file.header))
            try sum.add(try file.weights(weights), of: place.path)
            try progress(number + 1)
        }
        var header = headers[headers.count - 1].header
        let steps = files.map { "\($0.step)" }.joined(separator: ", ")
        header.attributes = ["origin": .string("average of \(weights.rawValue) weights of steps \(steps)")]
        header.version = Release.version
        return TrainedWeights(header: header, tensors: sum.tensors(dividedBy: Double(files.count)))
    }

    /// A mean of weights that mean different things means nothing. Which further averages a run kept is all one.
    static func requireSameKind(
        _ first: (path: String, header: CheckpointHeader), _ next: (path: String, header: CheckpointHeader)
    ) throws {
        let one = try RunConfiguration(json: first.header.config, name: first.path)
        let other = try RunConfiguration(json: next.header.config, name: next.path)
        let changes = other.changes(since: one, sameData: true)
        guard let change = changes.first(where: { $0.rule == .refused && $0.key != "ema.widths" }) else { return }
        throw RunError(
            "\(first.path) and \(next.path) cannot be averaged: \(change.key) is \(change.before) in the one, "
                + "\(change.now) in the other")
    }
}

/// A sum of weights, added up in double precision.
struct TensorSum {
    private var first = ""
    private var shapes: [CheckpointFile.Shape] = []
    private var sums: [[Double]] = []

    /// Adds `factor` times the weights that the file at `path` has.
    ///
    /// - Throws: ``RunError`` where they are not of the network of those before.
    mutating func add(_ tensors: [NamedTensor], times factor: Double = 1, of path: String) throws {
        if shapes.isEmpty {
            (first, shapes) = (path, tensors.map { ($0.name, $0.shape) })
            sums = tensors.map { $0.values.map { factor * Double($0) } }
            return
        }
        try require(tensors, path)
        for (index, tensor) in tensors.enumerated() {
            for (element, value) in tensor.values.enumerated() { sums[index][element] += factor * Double(value) }
        }
    }

    /// The sum, rounded once.
    func tensors(dividedBy divisor: Double) -> [NamedTensor] {
        zip(shapes, sums).map { shape, sums in
            NamedTensor(name: shape.name, shape: shape.shape, values: sums.map { Float($0 / divisor) })
        }
    }

    private func require(_ tensors: [NamedTensor], _ path: String) throws {
        for (tensor, shape) in zip(tensors, shapes) where (tensor.name, tensor.shape) != shape {
            throw RunError(
                "\(path) has \(tensor.name) \(tensor.shape) where \(first) has \(shape.name) \(shape.shape): they are not "
                    + "of one network")
        }
        guard tensors.count == shapes.count else {
            throw RunError(
                "\(path) has \(tensors.count) tensors, \(first) \(shapes.count): they are not of one network")
        }
    }
}
