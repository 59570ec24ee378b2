import Foundation

/// `loss[n] = weight[n]·⟨|prediction − target|⟩`, the mean over the elements of sample n.
func weightedAbsoluteError(
    prediction: ReferenceTensor, target: ReferenceTensor, weight: ReferenceTensor
) -> ReferenceTensor {
    let elements = prediction.values.count / weight.values.count
    var loss = ReferenceTensor(weight.shape)
    for i in prediction.values.indices {
        let n = i / elements
        loss.values[n] += weight.values[n] * abs(prediction.values[i] - target.values[i]) / Double(elements)
    }
    return loss
}

/// `dprediction[n,i] = dloss[n]·weight[n]·sign(prediction[n,i] − target[n,i]) / elements of a sample`.
func weightedAbsoluteErrorGradient(
    dloss: ReferenceTensor, prediction: ReferenceTensor, target: ReferenceTensor, weight: ReferenceTensor
) -> ReferenceTensor {
    let elements = prediction.values.count / weight.values.count
    var dprediction = ReferenceTensor(prediction.shape)
    for i in prediction.values.indices {
        let difference = prediction.values[i] - target.values[i]
        let sign = difference == 0 ? 0.0 : difference > 0 ? 1 : -1
        dprediction.values[i] = dloss.values[i / elements] * weight.values[i / elements] * sign / Double(elements)
    }
    return dprediction
}

/// Where the mean and the logarithm of the variance of element i lie among moments.
private func places(_ i: Int, channels: Int) -> (mean: Int, logVariance: Int) {
    let mean = i / channels * 2 * channels + i % channels
    return (mean, mean + channels)
}

/// `z = μ + e^(l/2)·noise`, l within −30 … 20.
func gaussianDraw(moments: ReferenceTensor, noise: ReferenceTensor) -> ReferenceTensor {
    var z = ReferenceTensor(noise.shape)
    for i in noise.values.indices {
        let (mean, l) = places(i, channels: noise.columns)
        z.values[i] = moments.values[mean] + exp(min(20, max(-30, moments.values[l])) / 2) * noise.values[i]
    }
    return z
}

/// `dμ = dz`, `dl = dz·noise·e^(l/2)/2`, 0 for an l outside.
func gaussianDrawGradient(dz: ReferenceTensor, moments: ReferenceTensor, noise: ReferenceTensor) -> ReferenceTensor {
    var dmoments = ReferenceTensor(moments.shape)
    for i in noise.values.indices {
        let (mean, l) = places(i, channels: noise.columns)
        dmoments.values[mean] = dz.values[i]
        let value = moments.values[l]
        dmoments.values[l] = abs(value + 5) < 25 ? dz.values[i] * noise.values[i] * exp(value / 2) / 2 : 0
    }
    return dmoments
}

/// `loss[n] = weight[n]·Σ ½(μ² + e^l − 1 − l)`.
func gaussianDivergence(moments: ReferenceTensor, weight: ReferenceTensor) -> ReferenceTensor {
    var loss = ReferenceTensor(weight.shape)
    let elements = moments.values.count / weight.values.count / 2
    for i in 0..<moments.values.count / 2 {
        let (mean, l) = places(i, channels: moments.columns / 2)
        let (m, v) = (moments.values[mean], min(20, max(-30, moments.values[l])))
        loss.values[i / elements] += weight.values[i / elements] * (m * m + exp(v) - 1 - v) / 2
    }
    return loss
}

/// `dμ = dloss·weight·μ`, `dl = dloss·weight·(e^l − 1)/2`, 0 for an l outside.
func gaussianDivergenceGradient(
    dloss: ReferenceTensor, moments: ReferenceTensor, weight: ReferenceTensor
) -> ReferenceTensor {
    var dmoments = ReferenceTensor(moments.shape)
    let elements = moments.values.count / weight.values.count / 2
    for i in 0..<moments.values.count / 2 {
        let factor = dloss.values[i / elements] * weight.values[i / elements]
        let (mean, l) = places(i, channels: moments.columns / 2)
        dmoments.values[mean] = factor * moments.values[mean]
        let value = moments.values[l]
        dmoments.values[l] = abs(value + 5) < 25 ? factor * (exp(value) - 1) / 2 : 0
    }
    return dmoments
}
