import CKernels
import TensorGraph

/// Losses of whole distributions.
extension CPUBackend {
    func energyScore(_ o: Operands, _ score: EnergyScore) -> PreparedOperation {
        let settings = EnergySettings(score, o, first: 0)
        let images = Int64(o.count(output: 0))
        let (x, y, energy, error, loss) = (o.input(0), o.input(1), o.input(2), o.input(3), o.output(0))
        return PreparedOperation(run: {
            settings.use { ck_energy_score($0, images, x, y, energy, error, loss) }
        })
    }

    func energyScoreGradient(_ o: Operands, _ score: EnergyScore) -> PreparedOperation {
        let settings = EnergySettings(score, o, first: 1)
        let images = Int64(o.count(input: 0))
        let (dloss, x, y, energy, error) = (o.input(0), o.input(1), o.input(2), o.input(3), o.input(4))
        let dx = o.output(0)
        return PreparedOperation(run: {
            settings.use { ck_energy_score_gradient($0, images, dloss, x, y, energy, error, dx) }
        })
    }

    func mixtureLikelihood(_ o: Operands, _ components: Int) -> PreparedOperation {
        let axes = mixtureAxes(o, components, first: 0)
        let (x, y, weight, loss) = (o.input(0), o.input(1), o.input(2), o.output(0))
        return PreparedOperation(run: {
            ck_mixture_likelihood(axes.images, axes.pixels, axes.channels, Int64(components), x, y, weight, loss)
        })
    }

    func mixtureLikelihoodGradient(_ o: Operands, _ components: Int) -> PreparedOperation {
        let axes = mixtureAxes(o, components, first: 1)
        let (dloss, x, y, weight, dx) = (o.input(0), o.input(1), o.input(2), o.input(3), o.output(0))
        return PreparedOperation(run: {
            ck_mixture_likelihood_gradient(
                axes.images, axes.pixels, axes.channels, Int64(components), dloss, x, y, weight, dx)
        })
    }

    func gaussianDraw(_ o: Operands) -> PreparedOperation {
        let axes = gaussianAxes(o, moments: 0)
        let (moments, noise, z) = (o.input(0), o.input(1), o.output(0))
        return PreparedOperation(run: { ck_gaussian_draw(axes.images * axes.pixels, axes.channels, moments, noise, z) })
    }

    func gaussianDrawGradient(_ o: Operands) -> PreparedOperation {
        let axes = gaussianAxes(o, moments: 1)
        let (dz, moments, noise, dmoments) = (o.input(0), o.input(1), o.input(2), o.output(0))
        return PreparedOperation(run: {
            ck_gaussian_draw_gradient(axes.images * axes.pixels, axes.channels, dz, moments, noise, dmoments)
        })
    }

    func gaussianDivergence(_ o: Operands) -> PreparedOperation {
        let axes = gaussianAxes(o, moments: 0)
        let (moments, weight, loss) = (o.input(0), o.input(1), o.output(0))
        return PreparedOperation(run: {
            ck_gaussian_divergence(axes.images, axes.pixels, axes.channels, moments, weight, loss)
        })
    }

    func gaussianDivergenceGradient(_ o: Operands) -> PreparedOperation {
        let axes = gaussianAxes(o, moments: 1)
        let (dloss, moments, weight, dmoments) = (o.input(0), o.input(1), o.input(2), o.output(0))
        return PreparedOperation(run: {
            ck_gaussian_divergence_gradient(axes.images, axes.pixels, axes.channels, dloss, moments, weight, dmoments)
        })
    }

    /// Images, pixels and channels of what the moments are of.
    private func gaussianAxes(_ o: Operands, moments: Int) -> (images: Int64, pixels: Int64, channels: Int64) {
        let axes = Axes(o.shape(input: moments))
        o.require(axes.channels % 2 == 0, "shapes do not fit")
        return (Int64(axes.images), Int64(axes.pixels), Int64(axes.channels / 2))
    }

    func variationalBound(_ o: Operands) -> PreparedOperation {
        let (shape, bound, loss) = (boundShape(o, first: 0), boundOperands(o, first: 0), o.output(0))
        return PreparedOperation(run: { withUnsafePointer(to: bound) { ck_variational_bound(shape, $0, loss) } })
    }

    func variationalBoundGradient(_ o: Operands, _ held: Bool) -> PreparedOperation {
        let (shape, bound) = (boundShape(o, first: 1), boundOperands(o, first: 1))
        let (dloss, dprediction) = (o.input(0), o.output(0))
        return PreparedOperation(run: {
            withUnsafePointer(to: bound) {
                ck_variational_bound_gradient(shape, $0, held ? 1 : 0, dloss, dprediction)
            }
        })
    }

    /// - Parameter first: index of the prediction.
    private func boundShape(_ o: Operands, first: Int) -> ck_bound_shape {
        let axes = Axes(o.shape(input: first + 1))
        o.require(
            o.count(input: first) == 2 * o.count(input: first + 1)
                && o.count(input: first + 2) == o.count(input: first + 1)
                && o.count(input: first + 3) == 4 * axes.images
                && o.count(input: first + 4) == axes.images && o.count(input: first + 5) == axes.images,
            "shapes do not fit")
        return ck_bound_shape(
            images: Int64(axes.images), pixels: Int64(axes.pixels), channels: Int64(axes.channels))
    }

    private func boundOperands(_ o: Operands, first: Int) -> ck_bound {
        ck_bound(
            prediction: o.input(first), target: o.input(first + 1), x0: o.input(first + 2), terms: o.input(first + 3),
            errorWeight: o.input(first + 4), boundWeight: o.input(first + 5))
    }

    /// - Parameter first: index of the prediction.
    private func mixtureAxes(
        _ o: Operands, _ components: Int, first: Int
    ) -> (images: Int64, pixels: Int64, channels: Int64) {
        let axes = Axes(o.shape(input: first + 1))
        o.require(
            1...Int(CK_MOST_COMPONENTS) ~= components
                && o.count(input: first) == axes.images * axes.pixels * (components * (axes.channels + 1) + 1)
                && o.count(input: first + 2) == axes.images, "shapes do not fit")
        return (Int64(axes.images), Int64(axes.pixels), Int64(axes.channels))
    }
}

/// An energy score with the sizes that it works on, as the kernels take it.
private struct EnergySettings {
    private let score: EnergyScore
    private let axes: Axes
    private let windows: [Int64]

    /// - Parameter first: index of the predictions.
    init(_ score: EnergyScore, _ o: Operands, first: Int) {
        let axes = Axes(o.shape(input: first + 1))
        o.require(
            o.count(input: first) == score.draws * o.count(input: first + 1)
                && o.count(input: first + 2) == axes.images && o.count(input: first + 3) == axes.images
                && score.windows.allSatisfy { $0 == 0 || (axes.height % $0 == 0 && axes.width % $0 == 0) },
            "shapes do not fit")
        (self.score, self.axes, windows) = (score, axes, score.windows.map(Int64.init))
    }

    func use(_ body: (UnsafePointer<ck_energy>) -> Void) {
        windows.withUnsafeBufferPointer { windows in
            var settings = ck_energy(
                draws: Int64(score.draws), height: Int64(axes.height), width: Int64(axes.width),
                channels: Int64(axes.channels), windowSizes: Int64(windows.count), windows: windows.baseAddress,
                exponent: score.exponent, repulsion: score.repulsion, softening: score.softening)
            body(&settings)
        }
    }
}
