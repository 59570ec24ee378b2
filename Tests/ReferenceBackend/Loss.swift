/// `loss[n] = weight[n]·⟨(prediction − target)²⟩`, the mean over the elements of sample n.
func weightedSquaredError(
    prediction: ReferenceTensor, target: ReferenceTensor, weight: ReferenceTensor
) -> ReferenceTensor {
    let samples = weight.values.count
    let elements = prediction.values.count / samples
    var loss = ReferenceTensor([samples])
    for n in 0..<samples {
        for i in n * elements..<(n + 1) * elements {
            let difference = prediction.values[i] - target.values[i]
            loss.values[n] += weight.values[n] * difference * difference / Double(elements)
        }
    }
    return loss
}

/// `dprediction[n,i] = dloss[n]·weight[n]·2·(prediction[n,i] − target[n,i]) / elements of a sample`.
func weightedSquaredErrorGradient(
    dloss: ReferenceTensor, prediction: ReferenceTensor, target: ReferenceTensor, weight: ReferenceTensor
) -> ReferenceTensor {
    let elements = prediction.values.count / weight.values.count
    var dprediction = ReferenceTensor(prediction.shape)
    for i in 0..<prediction.values.count {
        let difference = prediction.values[i] - target.values[i]
        dprediction.values[i] =
            dloss.values[i / elements] * weight.values[i / elements] * 2 * difference / Double(elements)
    }
    return dprediction
}
