import Arrays
import Crypto
import DataSets
import Files
import LinearAlgebra

extension FeatureKind {
    static let principalComponents = FeatureKind(
        name: "pca", example: "pca:64", meaning: "principal components of the data's pixels, that many of them",
        make: { argument, reference, work in
            let number = try work.communicator.together("features") { try componentCount(argument) }
            switch reference {
            case .images(let set): return try PrincipalComponents(number, of: set, work)
            case .statistics(let file):
                return try work.communicator.together("reading \(file.path)") {
                    try PrincipalComponents(number, from: file)
                }
            }
        })
}

private func componentCount(_ argument: String) throws -> Int {
    guard let number = Int(argument), number > 0 else {
        throw EvaluationError("pca:\(argument): wants a number of components, as in pca:64", status: .usage)
    }
    return number
}

/// The coordinates of an image's pixels along the directions in which a set of images varies most: y = V (x − μ), where
/// the rows of V are the eigenvectors of the pixels' covariance with the largest eigenvalues (Pearson 1901, Hotelling
/// 1933). Not whitened.
public struct PrincipalComponents: ImageFeatures {
    /// The mean image, `[D]`.
    package let mean: [Double]
    /// `[F][D]`, the largest variance first.
    package let components: Matrix

    public var name: String { "pca:\(components.rows)" }
    public var dimension: Int { components.rows }

    /// Images of more numbers are refused: the covariance has their square.
    public static let maximumElements = 4096
    private static let names = (mean: "pca_mean", components: "pca_components")

    /// The first `number` components of `set`. Collective.
    ///
    /// - Throws: ``EvaluationError`` where the set has no more independent images or pixels than that.
    init(_ number: Int, of set: DataSet, _ work: EvaluationWork) throws {
        let elements = set.elementsPerSample
        try work.communicator.together("principal components") { try Self.check(number, of: set) }
        let moments = try Moments("principal components", count: set.count, dimension: elements, work) {
            try set.images($0).map(Double.init)
        }
        let vectors = try work.once("principal components: eigenvectors") {
            try Self.leading(number, of: moments.covariance).elements
        }
        self.init(mean: moments.mean, components: Matrix(vectors, rows: number, columns: elements))
    }

    private static func check(_ number: Int, of set: DataSet) throws {
        let elements = set.elementsPerSample
        guard elements <= Self.maximumElements else {
            throw EvaluationError(
                "pca:\(number): images of \(grouped(elements)) numbers are too large; at most "
                    + "\(grouped(Self.maximumElements)) are taken: make a data set of smaller ones")
        }
        guard number <= min(elements, set.count - 1) else {
            throw EvaluationError(
                "pca:\(number): \(grouped(set.count)) images of \(grouped(elements)) numbers have at most "
                    + "\(grouped(min(elements, set.count - 1))) components; ask for fewer")
        }
    }

    init(mean: [Double], components: Matrix) { (self.mean, self.components) = (mean, components) }

    /// Those that a file of statistics was made with.
    ///
    /// - Throws: `ArrayFileError` or ``EvaluationError`` where it holds none, or another number.
    init(_ number: Int, from file: NPZ) throws {
        guard let mean = try file.numbers(Self.names.mean, atMost: Self.maximumElements),
            let components = try file.numbers(
                Self.names.components, atMost: Self.maximumElements * Self.maximumElements)
        else {
            throw EvaluationError(
                "\(file.path): holds no principal components; only statistics of pca:\(number) that smd evaluate images "
                    + "--save-statistics wrote can be compared with")
        }
        guard mean.shape.count == 1, components.shape == [number, mean.elements.count],
            (mean.elements + components.elements).allSatisfy(\.isFinite)
        else {
            throw EvaluationError(
                "\(file.path): holds components of shape \(components.shape) and a mean of shape \(mean.shape), not "
                    + "those of pca:\(number)")
        }
        self.init(
            mean: mean.elements, components: Matrix(components.elements, rows: number, columns: mean.elements.count))
    }

    /// The eigenvectors of the largest eigenvalues, a row each; of the two directions, that in which the largest
    /// coordinate is positive.
    private static func leading(_ number: Int, of covariance: Matrix) throws -> Matrix {
        let size = covariance.columns
        let vectors = try covariance.symmetricEigen().vectors
        var result = Matrix(rows: number, columns: size)
        for row in 0..<number {
            let vector = vectors.elements[(size - 1 - row) * size..<(size - row) * size]
            let largest = vector.max { abs($0) < abs($1) } ?? 0
            for (column, value) in vector.enumerated() { result[row, column] = largest < 0 ? -value : value }
        }
        return result
    }

    public func features(of images: [Float], count: Int, _ shape: SampleShape) throws -> [Float] {
        guard images.count == count * mean.count else {
            throw EvaluationError(
                "\(name): images of \(images.count / max(count, 1)) numbers cannot be compared by components of "
                    + "\(mean.count)")
        }
        var centred = images.map(Double.init)
        for image in 0..<count { for i in 0..<mean.count { centred[image * mean.count + i] -= mean[i] } }
        var result = Matrix(rows: count, columns: dimension)
        result.add(Matrix(centred, rows: count, columns: mean.count), components, transposingSecond: true)
        return result.elements.map(Float.init)
    }

    public var arrays: [(name: String, array: NumericArray)] {
        [
            (Self.names.mean, NumericArray(mean, shape: [mean.count])),
            (Self.names.components, NumericArray(components.elements, shape: [components.rows, components.columns])),
        ]
    }

    /// SHA-256 of the mean image and the components.
    public var digest: String {
        var hash = SHA256()
        for values in [mean, components.elements] {
            values.withUnsafeBytes { hash.update(bufferPointer: $0) }
        }
        return hash.finalize().hexadecimal
    }
}
