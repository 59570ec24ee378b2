import Evaluation
import Testing

/// Means and their errors against numbers worked out by hand.
@Suite struct EstimateTests {
    @Test func theErrorIsThatOfTheMean() {
        #expect(Estimate(meanOf: [1, 2, 3, 6]) == Estimate(3, error: (14.0 / 3 / 4).squareRoot()))
        #expect(Estimate(meanOf: [5]) == Estimate(5))
    }
}
