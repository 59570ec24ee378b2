import TensorGraph

/// Comparisons of whole parameter arenas with groups of a reference file, tensor by tensor.
extension Measurements {
    /// Gradients, each relative to its own largest magnitude.
    ///
    /// A gradient that is zero by symmetry (a bias in front of a normalisation over single channels) is in the file the
    /// rounding of float64, and here that of float32: it is measured against a thousandth of the largest gradient.
    mutating func compareGradients(
        _ gradients: [Float], _ expected: [Float], _ group: String, _ layout: ParameterLayout, tolerance: Double
    ) {
        let largest = expected.reduce(0) { $1.isFinite ? max($0, Double(abs($1))) : $0 }
        for (parameter, offset) in zip(layout.parameters, layout.offsets) {
            let range = offset..<offset + parameter.count
            let magnitude = expected[range].reduce(0) { max($0, Double(abs($1))) }
            compare(
                "gradients", tolerance: tolerance, Array(gradients[range]), Array(expected[range]),
                "\(group)/gradients/\(parameter.name)", scale: magnitude < 1e-9 * largest ? 1e-3 * largest : nil)
        }
    }

    /// Parameters and their average at the end of a case, of every optimiser that followed it.
    mutating func compareParameters(
        _ optimizers: [(name: String, optimizer: any ArenaOptimizer)], _ settings: CaseOptimizer, final: [Float],
        average: [Float], _ layout: ParameterLayout, tolerance: Double
    ) {
        func compared(_ quantity: String, _ found: [Float], _ expected: [Float]) -> Deviation {
            var measurement = Deviation(quantity, tolerance: tolerance, isRelative: false)
            for (parameter, offset) in zip(layout.parameters, layout.offsets) {
                let range = offset..<offset + parameter.count
                measurement.compare(Array(found[range]), Array(expected[range]), parameter.name)
            }
            return measurement
        }
        for (index, (name, optimizer)) in optimizers.enumerated() {
            let suffix = index == 0 ? "" : " (\(name))"
            add(compared("final parameters" + suffix, optimizer.parameters, final))
            // The layout of these files does not say with which step an average every k steps begins: either will do.
            let averages = settings.emaPhases.map { compared("ema" + suffix, optimizer.average(phase: $0), average) }
            if let best = averages.min(by: { $0.error < $1.error }) { add(best) }
        }
    }
}

extension CaseFile {
    /// An arena from the tensors of a group, zero between them.
    func arena(_ group: String, _ layout: ParameterLayout) throws -> [Float] {
        var arena = [Float](repeating: 0, count: layout.count)
        for (parameter, offset) in zip(layout.parameters, layout.offsets) {
            let values = try tensor("\(group)/\(parameter.name)", shape: parameter.shape)
            arena.replaceSubrange(offset..<offset + parameter.count, with: values)
        }
        return arena
    }

    /// Checks that a group holds exactly the network's parameters.
    func checkNames(_ group: String, _ layout: ParameterLayout) throws {
        let (found, wanted) = (Set(try members(of: group)), Set(layout.parameters.map(\.name)))
        if let name = wanted.subtracting(found).min() { throw error("/\(group) lacks \(name)") }
        if let name = found.subtracting(wanted).min() {
            throw error("/\(group) holds \(name), which the network of its config does not have")
        }
    }
}
