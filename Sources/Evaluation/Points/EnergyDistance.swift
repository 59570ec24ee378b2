/// `(2 E‖X − Y‖ − E‖X − X'‖ − E‖Y − Y'‖)^½` (Székely and Rizzo 2013) of two samples, with all pairs, a point and itself
/// among them: a distance of the two empirical distributions, and so above 0 for samples of one distribution, too.
package func energyDistance(_ x: PointSet, _ y: PointSet) -> Double {
    let (n, m) = (Double(x.count), Double(y.count))
    let between = pairSums(x, y) { $0.squareRoot() }.ofX.reduce(0, +) / (n * m)
    let withinX = pairSums(within: x) { $0.squareRoot() }.reduce(0, +) / (n * n)
    let withinY = pairSums(within: y) { $0.squareRoot() }.reduce(0, +) / (m * m)
    return max(0, 2 * between - withinX - withinY).squareRoot()
}
