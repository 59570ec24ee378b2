import Evaluation
import LinearAlgebra
import Testing

/// Images by class, and how far two rows of counts are apart.
@Suite struct ClassCountTests {
    @Test func anImageIsOfItsLargestNumber() {
        // Logits (f₀, f₁ + 1, −f₀); the last image is even between the first two, and the first counts.
        let weight = Matrix([1, 0, 0, 1, -1, 0], rows: 3, columns: 2)
        let classes = FeatureClasses(weight: weight, bias: [0, 1, 0])
        let features = FeatureMatrix([5, 1, 0, 0, -9, 2, 1, 1, 2, 1], count: 5, dimension: 2)
        #expect(classes.counts(of: features) == [2, 2, 1])
        // More than one tile of the work.
        let many = FeatureMatrix((0..<3000).flatMap { [Float($0 % 3) - 1, -9] }, count: 3000, dimension: 2)
        #expect(classes.counts(of: many) == [2000, 0, 1000])
    }

    @Test func totalVariationOfShares() {
        #expect(totalVariation([1, 3], [25, 75]) == 0)
        #expect(totalVariation([4, 0], [0, 9]) == 1)
        #expect(abs(totalVariation([5, 3, 2], [20, 20, 60]) - 0.4) < 1e-12)
    }
}
