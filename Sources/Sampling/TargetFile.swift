import Configuration
import DataSets
import Densities
import Diffusion
import HDF5
import Mixtures

extension RunConfiguration {
    /// The density of `method: dds`; a mixture that checkpoints keep comes from there.
    ///
    /// - Parameter attributes: of a checkpoint, `target_…`, which may hold the mixture of a file.
    /// - Throws: `DataSetError`, `HDF5Error`, `MixtureError` or ``RunError`` where its file holds none.
    public func openTarget(kept attributes: [String: AttributeValue] = [:]) throws -> any TargetDensity {
        switch target.kind {
        case .gaussians: return try MixtureDensity.tenGaussians()
        case .funnel: return Funnel(dimension: model.channels)
        case .mixture, .prior:
            let path = target.path ?? ""
            let ofPrior = attributes.renamed(from: "target_", to: "prior_")
            let prior = try PriorFile(attributes: ofPrior) ?? target.mixture(at: path)
            if case .string(let digest)? = ofPrior["prior_sha256"], digest != prior.digest {
                throw RunError(
                    "\(path) holds another mixture than the one that the checkpoint was trained on", status: .badInput)
            }
            let mixture = prior.mixture
            guard mixture.hasDensity, mixture.dimension == model.channels else {
                throw RunError(
                    mixture.hasDensity
                        ? "target.file is \(path), a mixture in \(mixture.dimension) dimensions, but model.channels is "
                            + "\(model.channels): set it to \(mixture.dimension)"
                        : "target.file is \(path), a mixture with a Gaussian of no width, and so without a density",
                    status: .badInput)
            }
            let count = mixture.components
            return MixtureDensity(mixture, words: "\(count) \(count == 1 ? "Gaussian" : "Gaussians") of \(path)")
        }
    }

    /// What a checkpoint says of the mixture `target` is, where that came from a file.
    package func attributes(of target: any TargetDensity) -> [String: AttributeValue] {
        guard self.target.kind.isOfFile, let mixture = (target as? MixtureDensity)?.mixture else { return [:] }
        return PriorFile(mixture).attributes.renamed(from: "prior_", to: "target_")
    }
}

extension TargetConfiguration {
    fileprivate func mixture(at path: String) throws -> PriorFile {
        guard kind == .mixture else { return try PriorFile(path: path) }
        guard case .mixture(let stored)? = try DataSet(path: path, memoryLimitBytes: 0).distribution() else {
            throw RunError(
                "target.file is \(path), which states no mixture (/mixture); data sets of \"smd dataset prepare "
                    + "gaussian-grid\" and \"gaussian-ring\" do; of a file of smd prior fit: target.kind=prior",
                status: .badInput)
        }
        do {
            return PriorFile(
                try GaussianMixture(
                    weights: stored.weights, means: stored.means, covariances: stored.covariances,
                    dimension: stored.dimension))
        } catch { throw RunError("\(path): /mixture: \(error)", status: .badInput) }
    }
}

extension [String: AttributeValue] {
    /// Those whose names begin with `old`, which then begin with `new`.
    fileprivate func renamed(from old: String, to new: String) -> Self {
        Dictionary(
            uniqueKeysWithValues: compactMap { name, value in
                name.hasPrefix(old) ? (new + name.dropFirst(old.count), value) : nil
            })
    }
}
