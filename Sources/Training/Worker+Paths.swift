import Communication
import Diffusion
import Mixtures
import Sampling

extension Worker {
    /// Runs the paths of a micro-batch, and adds the gradients of their cost, one step of the paths after the other.
    ///
    /// - Parameters: as of ``computeGradients(_:step:probing:ended:run:)``; `run` is told whether it is the last of all.
    func addGradients(
        ofPaths batch: MicroBatch, isLast: Bool, ended: (Part) -> Void, run: (_ last: Bool) throws -> Void
    ) throws {
        let paths = try keptPaths(of: batch)
        losses.append(paths.costs.reduce(0, +))
        pathSums.append(logSumExp(paths.logWeights))
        let advantages = paths.advantages.map { $0 * Double(paths.count) / Double(configuration.batchSize) }
        for (k, inputs) in inputs(of: paths, advantages).enumerated() {
            executor.write(inputs)
            ended(.inputs)
            try run(isLast && k == paths.kept.count - 1)
        }
    }

    /// Paths of a micro-batch, with every step.
    private func keptPaths(of batch: MicroBatch) throws -> Paths {
        try pathGenerator().paths(at: batch.places, seed: configuration.seed, .path, keeping: true)
    }

    /// The graph's inputs at each step of paths, with the gradient that reverse mode starts from.
    private func inputs(of paths: Paths, _ advantages: [Double]) -> [[String: [Float]]] {
        guard let steps = step.paths?.steps else { preconditionFailure("paths without a density") }
        return paths.kept.enumerated().map { k, kept in
            var inputs = PathGenerator.inputs(time: steps.time(k), x: kept.x, score: kept.score)
            inputs[PathLoss.gradientInput] = kept.gradient.indices.map { i in
                Float(Double(kept.gradient[i]) * advantages[i / paths.dimension])
            }
            return inputs
        }
    }

    /// Where the first value comes up in paths that is not finite; nil when all are.
    func firstNonFinite(ofPaths batch: MicroBatch) throws -> String? {
        let paths = try keptPaths(of: batch)
        for inputs in inputs(of: paths, paths.advantages) {
            sums.begin()
            executor.write(inputs)
            if let found = try executor.firstNonFinite() { return found }
        }
        return nil
    }
}

extension MicroBatch {
    /// Paths in the place of samples: all that they are made of is drawn for their places.
    package init(paths positions: Range<Int>) {
        inputs = [:]
        timesteps = []
        places = positions.map { (epoch: 0, position: $0) }
        indices = Array(positions)
    }
}
