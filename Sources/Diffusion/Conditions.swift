import NeuralNetwork

/// Images y that samples x are drawn from, noised beside them at a speed of their own (Non-Uniform Diffusion, Batzolis et al.
/// 2022, arXiv:2207.09786, in its variance-preserving form):
///
///     y_t = √ᾱ^y y + √(1−ᾱ^y) ε_y,   1 − ᾱ^y_t = κ² (1 − ᾱ_t)
///
/// κ = 0 shows the network y itself (CDE), κ = 1 noises y as fast as x (CDiffE), and what lies between is CMDE. The noise of y is
/// independent of that of x, and in sampling another one at each evaluation of the network.
extension ForwardProcess {
    /// ᾱ^y at timestep `t`.
    public func conditionAlphaBar(_ t: Int) -> Double {
        1 - conditionSpeed * conditionSpeed * (1 - schedule.alphaBars[t])
    }

    /// ε_y of a sample of `model`, `[H, W, C']`; nothing is drawn where y stays as it is.
    public func conditionDraw(for model: ModelConfiguration) -> Draw {
        Draw("condition", .conditionNoise, conditionSpeed == 0 ? .zero : .normal, elements: model.conditionElements)
    }

    /// y_t, and the ``Objective``'s target for it, both `[N, H, W, C']`.
    ///
    /// - Parameters:
    ///   - y: `[N, H, W, C']`, images in [−1, 1].
    ///   - noise: ε_y ~ N(0, I), `[N, H, W, C']`.
    ///   - timesteps: t of each sample, `[N]`, in 0 ..< T.
    public func noisedConditions(
        _ y: [Float], noise: [Float], timesteps: [Int]
    ) -> (yt: [Float], target: [Float]) {
        precondition(
            !timesteps.isEmpty && y.count % timesteps.count == 0 && noise.count == y.count,
            "\(y.count) numbers of \(timesteps.count) conditions, \(noise.count) of noise")
        var (yt, targets) = (y, y)
        let size = y.count / timesteps.count
        for (sample, t) in timesteps.enumerated() {
            let alphaBar = conditionAlphaBar(t)
            let (signal, deviation) = (Float(alphaBar.squareRoot()), Float((1 - alphaBar).squareRoot()))
            let target = objective.target(alphaBar: alphaBar)
            let (ofY, ofNoise) = (Float(target.x0), Float(target.noise))
            for i in sample * size..<(sample + 1) * size {
                yt[i] = signal * y[i] + deviation * noise[i]
                targets[i] = ofY * y[i] + ofNoise * noise[i]
            }
        }
        return (yt, targets)
    }
}

extension DiffusionConfiguration {
    /// Why `model` cannot be trained with conditions so, and what to set; nil where it can.
    public func conditionFault(_ model: ModelConfiguration) -> String? {
        if conditionSpeed > 0, model.conditionChannels == 0 {
            return
                "condition.speed is \(conditionSpeed), but the network has no condition: set model.condition_channels to the "
                + "channels of the data's /conditions, or condition.speed=0"
        }
        guard model.conditionScore else { return nil }
        if conditionSpeed == 0 {
            return
                "condition.score is true, but condition.speed is 0, which adds no noise to estimate: set condition.speed "
                + "above 0, such as 0.1, or condition.score=false"
        }
        if loss != .squaredError {
            return
                "condition.score is true, but diffusion.loss is \(loss.rawValue), which trains the estimate for x alone: set "
                + "diffusion.loss=squared_error, or condition.score=false"
        }
        return nil
    }
}
