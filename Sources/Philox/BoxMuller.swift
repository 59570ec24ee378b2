/// Two independent draws of N(0, 1) from two words: √(−2 ln u₁)·(cos θ, sin θ), θ = 2π u₂ (Box and Muller, 1958).
///
/// u₁ = (a + 1)/2³² lies in (0, 1], so the largest value is √(64 ln 2) ≈ 6.66. Computed in Double and rounded once.
@inline(__always)
func boxMuller(_ a: UInt32, _ b: UInt32) -> (Float, Float) {
    let radius = (-2 * naturalLogarithm((Double(a) + 1) * 0x1p-32)).squareRoot()
    let (cosine, sine) = cosineAndSine(turns: b)
    return (Float(radius * cosine), Float(radius * sine))
}

/// ln x for a normal x > 0, relative error below 1e-13.
///
/// Written out because the C library's `log` differs in its last bits from one machine to the next. x = 2ᵉ·m with m
/// in [√½, √2); ln m = 2 artanh s, s = (m − 1)/(m + 1), |s| < 0.172, as a series in s² up to s¹⁵.
@inline(__always)
func naturalLogarithm(_ x: Double) -> Double {
    // Subtracting the bits of √½ makes the exponent field count from there.
    let bits = x.bitPattern &- 0x3FE6_A09E_667F_3BCD
    let exponent = Double(Int64(bitPattern: bits) &>> 52)
    let m = Double(bitPattern: (bits & 0x000F_FFFF_FFFF_FFFF) &+ 0x3FE6_A09E_667F_3BCD)
    let s = (m - 1) / (m + 1)
    let q = s * s
    let high = 1.0 / 9 + q * (1.0 / 11 + q * (1.0 / 13 + q * (1.0 / 15)))
    let series = 1 + q * (1.0 / 3 + q * (1.0 / 5 + q * (1.0 / 7 + q * high)))
    return exponent * 0.693147180559945309417 + 2 * s * series
}

/// (cos θ, sin θ) for θ = 2π · turns/2³², absolute error below 1e-13.
///
/// θ = (quadrant + r)·π/2 with r in [−½, ½): Taylor series at r·π/2, then a rotation by whole quadrants.
@inline(__always)
func cosineAndSine(turns: UInt32) -> (Double, Double) {
    let quadrant = (turns &+ 0x2000_0000) &>> 30
    let rest = Int32(bitPattern: turns &- quadrant &<< 30)
    let a = Double(rest) * (1.57079632679489661923 * 0x1p-30)
    let q = -a * a
    let sineHigh = 1.0 / 362_880 + q * (1.0 / 39_916_800 + q * (1.0 / 6_227_020_800))
    let sine = a * (1 + q * (1.0 / 6 + q * (1.0 / 120 + q * (1.0 / 5040 + q * sineHigh))))
    let cosineHigh = 1.0 / 40_320 + q * (1.0 / 3_628_800 + q * (1.0 / 479_001_600 + q * (1.0 / 87_178_291_200)))
    let cosine = 1 + q * (1.0 / 2 + q * (1.0 / 24 + q * (1.0 / 720 + q * cosineHigh)))
    let swapped = quadrant & 1 == 1
    let (x, y) = (swapped ? sine : cosine, swapped ? cosine : sine)
    return ((quadrant &+ 1) & 2 == 0 ? x : -x, quadrant & 2 == 0 ? y : -y)
}
