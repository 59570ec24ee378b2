/// The largest error of one quantity of a reference file.
public struct Deviation: Equatable, Sendable, Codable {
    /// What was compared, e.g. `gradients`.
    public let quantity: String
    /// The largest error; infinite where one side is finite and the other, infinite or not a number, is not.
    public internal(set) var error: Double
    /// The largest error that is allowed.
    public let tolerance: Double
    /// Whether errors are relative to the largest magnitude of the reference tensor; else absolute.
    public let isRelative: Bool
    /// The tensor with the largest error.
    public internal(set) var worst: String
    /// Reference values that are not finite: here only that ours are not either could be checked.
    public internal(set) var nonFinite = 0

    /// Whether the error is within the tolerance.
    public var passes: Bool { error <= tolerance }

    init(_ quantity: String, tolerance: Double, isRelative: Bool = true) {
        self.quantity = quantity
        self.error = 0
        self.tolerance = tolerance
        self.isRelative = isRelative
        self.worst = ""
    }

    /// Compares a tensor, and keeps the error if it is the largest yet.
    ///
    /// - Parameter scale: what errors are relative to, if not the largest magnitude of `expected`.
    mutating func compare(_ found: [Double], _ expected: [Double], _ name: String, scale: Double? = nil) {
        precondition(found.count == expected.count, "\(name): \(found.count) values against \(expected.count)")
        var (difference, magnitude) = (0.0, 0.0)
        for (a, b) in zip(found, expected) {
            if b.isFinite {
                magnitude = max(magnitude, abs(b))
                difference = a.isFinite ? max(difference, abs(a - b)) : .infinity
            } else {
                nonFinite += 1
                if a.isFinite { difference = .infinity }
            }
            if difference == .infinity { break }
        }
        let divisor = isRelative ? scale ?? magnitude : 1
        // Against a tensor of zeros nothing but zeros is right.
        let error = difference == 0 ? 0 : difference / divisor
        if worst.isEmpty || error > self.error { (self.error, worst) = (error, name) }
    }

    mutating func compare(_ found: [Float], _ expected: [Float], _ name: String, scale: Double? = nil) {
        compare(found.map(Double.init), expected.map(Double.init), name, scale: scale)
    }
}

/// What came out of one reference file.
public struct CaseReport: Equatable, Sendable, Codable {
    /// The file.
    public let path: String
    /// What it is, in words.
    public let summary: String
    /// The quantities in the order they are computed.
    public let measurements: [Deviation]
    /// What a reader should know about what could not be compared.
    public let notes: [String]

    /// Whether every quantity is within its tolerance.
    public var passes: Bool { measurements.allSatisfy(\.passes) }
}
