import Evaluation
import Testing

/// Means and their errors against numbers worked out by hand.
@Suite struct EstimateTests {
    @Test func theErrorIsThatOfTheMean() {
        #expect(Estimate(meanOf: [1, 2, 3, 6]) == Estimate(3, error: (14.0 / 3 / 4).squareRoot()))
        #expect(Estimate(meanOf: [5]) == Estimate(5))
    }

    @Test func theErrorOfARatio() {
        // Where each is half of the other there is no error.
        #expect(Estimate(ratioOf: [1, 2, 3], to: [2, 4, 6]) == Estimate(0.5, error: 0))
        // (1 − ½·4)/4 and (3 − ½·4)/4: −¼ and ¼.
        let found = Estimate(ratioOf: [1, 3], to: [4, 4])
        #expect(found.value == 0.5 && abs((found.error ?? 0) - 0.25) < 1e-15)
    }
}
