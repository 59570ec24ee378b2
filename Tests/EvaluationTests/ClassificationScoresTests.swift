import Evaluation
import Foundation
import Testing

/// Accuracy, cross-entropy and confusion against numbers worked out by hand.
@Suite struct ClassificationScoresTests {
    @Test func scoresOfFiveImages() {
        let scores = ClassificationScores(
            predicted: [0, 1, 1, 2, 0], labels: [0, 1, 0, 0, 0], losses: [1, 2, 3, 4, 5], classes: 4)
        #expect(scores.confusion == [[2, 1, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
        // Three of five, with deviation √(0.6·0.4·5/4) of one.
        #expect(abs(scores.accuracy.value - 0.6) < 1e-15)
        #expect(abs((scores.accuracy.error ?? 0) - (0.3 / 5).squareRoot()) < 1e-15)
        #expect(scores.crossEntropy == Estimate(3, error: (2.5 / 5).squareRoot()))
        #expect(scores.classes.map(\.images) == [4, 1, 0, 0] && scores.classes.map(\.correct) == [2, 1, 0, 0])
        #expect(scores.classes.map(\.accuracy) == [0.5, 1, nil, nil])
    }

    @Test func judgement() {
        let even = ClassificationScores.judge([0, 0, 0, 0], label: 2)
        #expect(even.predicted == 0 && abs(even.loss - log(4)) < 1e-15)
        let sure = ClassificationScores.judge([1000, 0, 1000 + Float(log(3.0))], label: 0)
        #expect(sure.predicted == 2 && abs(sure.loss - log(4)) < 1e-4)
        #expect(ClassificationScores.judge([0, -2000], label: 1).loss == 2000)
    }
}
