/// `(2 E‖X − Y‖ − E‖X − X'‖ − E‖Y − Y'‖)^½` (Székely and Rizzo 2013) of two samples, with all pairs, a point and itself
/// among them: a distance of the two empirical distributions, and so above 0 for samples of one distribution, too.
func energyDistance(_ x: PointSet, _ y: PointSet) -> Double {
    func meanDistance(_ sums: [Double], _ pairs: Int) -> Double { sums.reduce(0, +) / Double(pairs) }
    let between = meanDistance(pairSums(x, y) { $0.squareRoot() }, x.count * y.count)
    let (n, m) = (x.count, y.count)
    let within =
        meanDistance(pairSums(x, nil) { $0.squareRoot() }, n * n)
        + meanDistance(pairSums(y, nil) { $0.squareRoot() }, m * m)
    return max(0, 2 * between - within).squareRoot()
}
