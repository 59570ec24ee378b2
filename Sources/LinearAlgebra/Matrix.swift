import CLAPACK

/// A dense matrix in double precision, row by row.
public struct Matrix: Equatable, Sendable {
    public let rows: Int
    public let columns: Int
    /// `[rows][columns]`.
    public var elements: [Double]

    /// Of given elements, `[rows][columns]`.
    public init(_ elements: [Double], rows: Int, columns: Int) {
        precondition(elements.count == rows * columns, "\(elements.count) elements of \(rows)×\(columns)")
        (self.rows, self.columns, self.elements) = (rows, columns, elements)
    }

    /// Of zeros.
    public init(rows: Int, columns: Int) {
        self.init([Double](repeating: 0, count: rows * columns), rows: rows, columns: columns)
    }

    /// With `diagonal` on the diagonal, and zeros elsewhere.
    public init(diagonal: [Double]) {
        self.init(rows: diagonal.count, columns: diagonal.count)
        for (i, value) in diagonal.enumerated() { self[i, i] = value }
    }

    public subscript(row: Int, column: Int) -> Double {
        get { elements[row * columns + column] }
        set { elements[row * columns + column] = newValue }
    }

    public var transposed: Matrix {
        var result = Matrix(rows: columns, columns: rows)
        for i in 0..<rows { for j in 0..<columns { result[j, i] = self[i, j] } }
        return result
    }

    /// The sum of the diagonal.
    public var trace: Double { (0..<min(rows, columns)).reduce(0) { $0 + self[$1, $1] } }

    public static func + (a: Matrix, b: Matrix) -> Matrix {
        precondition(a.rows == b.rows && a.columns == b.columns, "\(a.rows)×\(a.columns) + \(b.rows)×\(b.columns)")
        return Matrix(zip(a.elements, b.elements).map { $0 + $1 }, rows: a.rows, columns: a.columns)
    }

    public static func * (a: Matrix, b: Matrix) -> Matrix {
        var result = Matrix(rows: a.rows, columns: b.columns)
        result.add(a, b)
        return result
    }

    public static func * (factor: Double, a: Matrix) -> Matrix {
        Matrix(a.elements.map { factor * $0 }, rows: a.rows, columns: a.columns)
    }

    /// Adds `a·b`, each transposed where asked for.
    public mutating func add(
        _ a: Matrix, _ b: Matrix, transposingFirst transposeA: Bool = false, transposingSecond transposeB: Bool = false
    ) {
        multiply(a, transposeA, b, transposeB, keeping: 1)
    }

    /// Becomes `a·b`, each transposed where asked for, in the memory that it has.
    public mutating func setProduct(
        _ a: Matrix, _ b: Matrix, transposingFirst transposeA: Bool = false, transposingSecond transposeB: Bool = false
    ) {
        multiply(a, transposeA, b, transposeB, keeping: 0)
    }

    private mutating func multiply(_ a: Matrix, _ transposeA: Bool, _ b: Matrix, _ transposeB: Bool, keeping: Double) {
        let inner = transposeA ? a.rows : a.columns
        precondition(
            (transposeA ? a.columns : a.rows) == rows && (transposeB ? b.rows : b.columns) == columns
                && (transposeB ? b.columns : b.rows) == inner,
            "\(rows)×\(columns) is not a product of \(a.rows)×\(a.columns) and \(b.rows)×\(b.columns)")
        if elements.isEmpty { return }
        _ = clapack_multiply(
            Int32(rows), Int32(columns), Int32(inner), 1, a.elements, transposeA ? 1 : 0, b.elements,
            transposeB ? 1 : 0, keeping, &elements)
    }

    /// Adds those rows of `aᵀ·a` that belong to the columns `block` of `a`, from its first such column on:
    /// `[block.count][a.columns − block.lowerBound]`. What stands before these is the same products again.
    public mutating func addGram(of a: Matrix, columns block: Range<Int>) {
        precondition(
            block.lowerBound >= 0 && block.upperBound <= a.columns && rows == block.count
                && columns == a.columns - block.lowerBound,
            "\(rows)×\(columns) for the columns \(block) of \(a.rows)×\(a.columns)")
        if elements.isEmpty || a.rows == 0 { return }
        _ = clapack_add_gram(
            Int32(a.rows), Int32(a.columns), a.elements, Int32(block.lowerBound), Int32(block.count), &elements)
    }

    /// Eigenvalues of a symmetric matrix, ascending, and the eigenvectors, one a row.
    ///
    /// - Throws: ``LinearAlgebraError`` where elements are not finite, or the iteration does not converge.
    public func symmetricEigen() throws -> (values: [Double], vectors: Matrix) {
        var (vectors, values) = (self, [Double](repeating: 0, count: rows))
        try eigen(&vectors, &values, wantsVectors: true)
        return (values, vectors)
    }

    /// Eigenvalues of a symmetric matrix, ascending.
    ///
    /// - Throws: As ``symmetricEigen()``.
    public func symmetricEigenvalues() throws -> [Double] {
        var (work, values) = (self, [Double](repeating: 0, count: rows))
        try eigen(&work, &values, wantsVectors: false)
        return values
    }

    private func eigen(_ matrix: inout Matrix, _ values: inout [Double], wantsVectors: Bool) throws {
        precondition(rows == columns, "\(rows)×\(columns) is not square")
        if rows == 0 { return }
        guard elements.allSatisfy(\.isFinite) else {
            throw LinearAlgebraError("a \(rows)×\(rows) matrix holds a number that is not finite")
        }
        guard clapack_symmetric_eigen(Int32(rows), &matrix.elements, &values, wantsVectors ? 1 : 0) == 0 else {
            throw LinearAlgebraError("the eigenvalues of a \(rows)×\(rows) matrix do not converge")
        }
    }

    /// The lower triangle L of a symmetric positive definite matrix `L·Lᵀ`.
    ///
    /// - Throws: ``LinearAlgebraError`` where it is none.
    public func cholesky() throws -> Matrix {
        precondition(rows == columns, "\(rows)×\(columns) is not square")
        var result = self
        guard elements.allSatisfy(\.isFinite), clapack_cholesky(Int32(rows), &result.elements) == 0 else {
            throw LinearAlgebraError("a \(rows)×\(rows) matrix is not positive definite")
        }
        return result
    }

    /// The solution x of `self·x = b` for a symmetric positive definite matrix.
    ///
    /// - Throws: As ``cholesky()``.
    public func solvePositiveDefinite(_ b: [Double]) throws -> [Double] {
        precondition(b.count == rows, "\(b.count) numbers for \(rows)×\(columns)")
        let l = try cholesky()
        var x = b
        for i in 0..<rows {
            for j in 0..<i { x[i] -= l[i, j] * x[j] }
            x[i] /= l[i, i]
        }
        for i in (0..<rows).reversed() {
            for j in i + 1..<rows { x[i] -= l[j, i] * x[j] }
            x[i] /= l[i, i]
        }
        return x
    }
}

/// What cannot be computed from the numbers given, in one line.
public struct LinearAlgebraError: Error, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }
}
