import Foundation

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

/// `softmax_k(logits[n])`, by exponentials relative to the largest logit.
private func softmax(_ logits: ReferenceTensor, _ n: Int) -> [Double] {
    let row = (0..<logits.columns).map { logits[n, $0] }
    let largest = row.max() ?? 0
    let exponentials = row.map { exp($0 - largest) }
    let sum = exponentials.reduce(0, +)
    return exponentials.map { $0 / sum }
}

/// `loss[n] = weight[n]·(ln Σ_k e^(logits[n,k] − logits[n,label]))`.
func softmaxCrossEntropy(logits: ReferenceTensor, label: ReferenceTensor, weight: ReferenceTensor) -> ReferenceTensor {
    var loss = ReferenceTensor(weight.shape)
    for n in 0..<weight.values.count {
        let largest = (0..<logits.columns).map { logits[n, $0] }.max() ?? 0
        let sum = (0..<logits.columns).reduce(0) { $0 + exp(logits[n, $1] - largest) }
        loss.values[n] = weight.values[n] * (log(sum) + largest - logits[n, Int(label.values[n])])
    }
    return loss
}

/// `dlogits[n,k] = dloss[n]·weight[n]·(softmax_k(logits[n]) − [k = label[n]])`.
func softmaxCrossEntropyGradient(
    dloss: ReferenceTensor, logits: ReferenceTensor, label: ReferenceTensor, weight: ReferenceTensor
) -> ReferenceTensor {
    var dlogits = ReferenceTensor(logits.shape)
    for n in 0..<weight.values.count {
        for (k, share) in softmax(logits, n).enumerated() {
            let hit = k == Int(label.values[n]) ? 1.0 : 0
            dlogits[n, k] = dloss.values[n] * weight.values[n] * (share - hit)
        }
    }
    return dlogits
}
