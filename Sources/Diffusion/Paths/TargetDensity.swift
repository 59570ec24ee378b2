/// A density γ = Z π without data, known up to its integral Z: what a ``PathSampler`` draws from.
public protocol TargetDensity: Sendable {
    /// D.
    var dimension: Int { get }
    /// What it is, in words: "a funnel in 10 dimensions".
    var words: String { get }
    /// Identifies it, in hexadecimal: another one has another.
    var fingerprint: String { get }
    /// ln Z, where it is known.
    var logPartition: Double? { get }
    /// ln γ(x).
    ///
    /// - Parameters:
    ///   - x: `[D]`.
    ///   - score: `[D]`, becomes ∇ ln γ(x).
    func logDensity(_ x: [Double], score: inout [Double]) -> Double
}

/// Which density a run of `method: dds` is to draw from.
public enum TargetKind: String, Codable, CaseIterable, Sendable {
    /// Ten Gaussians in the plane, not normalised.
    case gaussians
    /// Neal's funnel.
    case funnel
    /// The mixture that a data set of points states.
    case mixture
    /// The mixture of a file of a prior.
    case prior

    /// Whether it is read from a file.
    public var isOfFile: Bool { self == .mixture || self == .prior }
}

/// The density that a run of `method: dds` is to draw from.
public struct TargetConfiguration: Equatable, Sendable {
    public var kind = TargetKind.gaussians
    /// Path of its file, or "none".
    public var file = "none"

    public init() {}

    /// ``file`` where there is one.
    public var path: String? { file == "none" ? nil : file }
}
