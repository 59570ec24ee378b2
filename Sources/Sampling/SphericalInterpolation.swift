import Foundation

/// `sin((1 − s) θ)/sin θ · a + sin(s θ)/sin θ · b`, θ the angle between a and b (Shoemake 1985); the straight line where they
/// point the same way, or have no direction.
public func sphericallyBetween(_ a: [Float], _ b: [Float], _ share: Double) -> [Float] {
    precondition(a.count == b.count, "\(a.count) and \(b.count) numbers")
    func product(_ x: [Float], _ y: [Float]) -> Double { zip(x, y).reduce(0) { $0 + Double($1.0) * Double($1.1) } }
    let lengths = (product(a, a) * product(b, b)).squareRoot()
    let angle = lengths > 0 ? acos(max(-1, min(1, product(a, b) / lengths))) : 0
    guard sin(angle) > 1e-6 else { return zip(a, b).map { $0 + Float(share) * ($1 - $0) } }
    let (ofA, ofB) = (sin((1 - share) * angle) / sin(angle), sin(share * angle) / sin(angle))
    return zip(a, b).map { Float(ofA * Double($0) + ofB * Double($1)) }
}
