import Foundation

/// `F(u) = ½(1 + tanh(√(2/π)(u + 0.044715 u³)))`, and its derivative.
private func cumulative(_ u: Double) -> (value: Double, slope: Double) {
    let t = tanh((2 / Double.pi).squareRoot() * (u + 0.044715 * pow(u, 3)))
    return ((1 + t) / 2, (1 - t * t) / 2 * (2 / Double.pi).squareRoot() * (1 + 0.134145 * u * u))
}

/// b of one element, and its derivatives with respect to d and l: as ``Operation/variationalBound(held:)`` has it.
private func bound(
    d: Double, l: Double, s: Double, x0: Double, ends: Bool
) -> (value: Double, byDistance: Double, byLogVariance: Double) {
    guard ends else {
        return (
            (l - s - 1 + exp(s - l) + d * d * exp(-l)) / 2, d * exp(-l), (1 - exp(s - l) - d * d * exp(-l)) / 2
        )
    }
    // The mass between two edges that are (x0 ± 1/255 − mean)/σ away; an open bin has an edge at infinity.
    let edges = [1.0 / 255, -1.0 / 255].map { ($0 - d) * exp(-l / 2) }
    let upper = x0 > 0.999 ? (1, 0) : cumulative(edges[0])
    let lower = x0 < -0.999 ? (0, 0) : cumulative(edges[1])
    let mass = upper.0 - lower.0
    if mass < 1e-12 { return (-log(1e-12), 0, 0) }
    return (
        -log(mass), (upper.1 - lower.1) * exp(-l / 2) / mass, (upper.1 * edges[0] - lower.1 * edges[1]) / 2 / mass
    )
}

/// Calls `body` for each element with (n, its error o − target, its bound, indices of o and v in the prediction).
private func forEachElement(
    _ prediction: ReferenceTensor, _ operands: [ReferenceTensor],
    _ body: (
        _ n: Int, _ error: Double, _ bound: (value: Double, byDistance: Double, byLogVariance: Double), _ o: Int,
        _ v: Int
    ) -> Void
) {
    let (target, x0, terms) = (operands[0], operands[1], operands[2])
    let (channels, perImage) = (target.columns, target.values.count / target.shape[0])
    for i in target.values.indices {
        let n = i / perImage
        let o = i / channels * 2 * channels + i % channels
        let error = prediction.values[o] - target.values[i]
        let l = terms[n, 1] + (prediction.values[o + channels] + 1) / 2 * terms[n, 2]
        body(
            n, error, bound(d: terms[n, 0] * error, l: l, s: terms[n, 1], x0: x0.values[i], ends: terms[n, 3] == 1), o,
            o + channels)
    }
}

/// Operands: target, x0, terms, errorWeight, boundWeight.
func variationalBound(_ prediction: ReferenceTensor, _ operands: [ReferenceTensor]) -> ReferenceTensor {
    var loss = ReferenceTensor(operands[3].shape)
    let elements = Double(operands[0].values.count / loss.values.count)
    forEachElement(prediction, operands) { n, error, bound, _, _ in
        loss.values[n] +=
            (operands[3].values[n] * error * error + operands[4].values[n] * bound.value / log(2)) / elements
    }
    return loss
}

func variationalBoundGradient(
    dloss: ReferenceTensor, _ prediction: ReferenceTensor, _ operands: [ReferenceTensor], held: Bool
) -> ReferenceTensor {
    var gradient = ReferenceTensor(prediction.shape)
    let elements = Double(operands[0].values.count / dloss.values.count)
    forEachElement(prediction, operands) { n, error, bound, o, v in
        let (k, delta) = (operands[2][n, 0], operands[2][n, 2])
        let (ofError, ofBound) = (operands[3].values[n], operands[4].values[n] / log(2))
        let factor = dloss.values[n] / elements
        gradient.values[o] = factor * (2 * ofError * error + (held ? 0 : ofBound * bound.byDistance * k))
        gradient.values[v] = factor * ofBound * bound.byLogVariance * delta / 2
    }
    return gradient
}
