import Foundation
import LinearAlgebra
import Testing

/// Products and decompositions against what they are by definition.
@Suite struct MatrixTests {
    private let a = Matrix([4, 1, -2, 1, 5, 0.5, -2, 0.5, 6], rows: 3, columns: 3)

    @Test func productsAreSumsOfProducts() {
        let b = Matrix([1, 2, 3, 4, 5, 6], rows: 2, columns: 3)
        #expect((b * a).elements == [0, 12.5, 17, 9, 32, 30.5])
        var sum = Matrix([1, 0, 0, 1], rows: 2, columns: 2)
        sum.add(b, b, transposingSecond: true)
        #expect(sum.elements == [15, 32, 32, 78])
        var gram = Matrix(rows: 3, columns: 3)
        gram.add(b, b, transposingFirst: true)
        #expect(gram.elements == [17, 22, 27, 22, 29, 36, 27, 36, 45])
        #expect((b.transposed * b).elements == gram.elements)
        #expect(gram.trace == 91)
    }

    /// Several threads at once get what one gets: the library itself does not see to that.
    @Test func threadsDoNotDisturbEachOther() async {
        let left = Matrix((0..<800).map { sin(Double($0)) }, rows: 400, columns: 2)
        let right = Matrix((0..<98).map { cos(Double($0)) }, rows: 2, columns: 49)
        let wanted = left * right
        let wrong = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<4 { group.addTask { (0..<4000).count { _ in left * right != wanted } } }
            return await group.reduce(0, +)
        }
        #expect(wrong == 0)
    }

    @Test func eigenvectorsAreRowsThatAreOnlyStretched() throws {
        let (values, vectors) = try a.symmetricEigen()
        #expect(values == values.sorted())
        let stretched = vectors * a
        for i in 0..<3 {
            for j in 0..<3 { #expect(abs(stretched[i, j] - values[i] * vectors[i, j]) < 1e-12) }
        }
        let again = vectors.transposed * (Matrix(diagonal: values) * vectors)
        #expect(zip(again.elements, a.elements).allSatisfy { abs($0 - $1) < 1e-12 })
        #expect(zip(try a.symmetricEigenvalues(), values).allSatisfy { abs($0 - $1) < 1e-12 })
    }

    @Test func choleskyIsALowerTriangle() throws {
        let lower = try a.cholesky()
        #expect(lower[0, 1] == 0 && lower[0, 2] == 0 && lower[1, 2] == 0)
        var product = Matrix(rows: 3, columns: 3)
        product.add(lower, lower, transposingSecond: true)
        #expect(zip(product.elements, a.elements).allSatisfy { abs($0 - $1) < 1e-12 })
    }

    @Test func solutionsSolve() throws {
        let x = try a.solvePositiveDefinite([1, -2, 0.5])
        let back = (a * Matrix(x, rows: 3, columns: 1)).elements
        #expect(zip(back, [1, -2, 0.5]).allSatisfy { abs($0 - $1) < 1e-12 })
        #expect(throws: LinearAlgebraError.self) { try Matrix(diagonal: [1, -1]).solvePositiveDefinite([1, 1]) }
    }

    @Test func whatHasNoDecompositionIsSaidSo() {
        #expect(throws: LinearAlgebraError.self) { try Matrix(diagonal: [1, -1]).cholesky() }
        #expect(throws: LinearAlgebraError.self) { try Matrix(diagonal: [1, .nan]).symmetricEigen() }
    }
}
