import Foundation

/// `σ(x) = 1/(1 + e^−x)`.
func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }

/// `softplus(x) = ln(1 + e^x)`, written so that e^x cannot overflow.
func softplus(_ x: Double) -> Double { max(x, 0) + log1p(exp(-abs(x))) }

/// `y = x·σ(x)`.
func silu(x: ReferenceTensor) -> ReferenceTensor {
    x.map { $0 * sigmoid($0) }
}

/// `dx = dy·σ(x)·(1 + x·(1 − σ(x)))`.
func siluGradient(dy: ReferenceTensor, x: ReferenceTensor) -> ReferenceTensor {
    dy.zip(x) { dy, x in dy * sigmoid(x) * (1 + x * (1 - sigmoid(x))) }
}

/// `y = x/2·(1 + erf(x/√2))`.
func gelu(x: ReferenceTensor) -> ReferenceTensor {
    x.map { x in x / 2 * (1 + erf(x / 2.0.squareRoot())) }
}

/// `dx = dy·((1 + erf(x/√2))/2 + x·e^(−x²/2)/√(2π))`.
func geluGradient(dy: ReferenceTensor, x: ReferenceTensor) -> ReferenceTensor {
    dy.zip(x) { dy, x in
        dy * ((1 + erf(x / 2.0.squareRoot())) / 2 + x * exp(-x * x / 2) / (2 * Double.pi).squareRoot())
    }
}
