import Evaluation
import Foundation
import Testing
import Mixtures

/// All figures at once, of samples that are right, blurred, or data themselves.
@Suite struct PointComparisonTests {
    private func settings() -> PointComparison.Settings {
        var settings = PointComparison.Settings()
        (settings.projections, settings.repetitions) = (16, 6)
        return settings
    }

    private func figure(_ comparison: PointComparison, _ key: String) throws -> PointComparison.Figure {
        try #require(comparison.figures.first { $0.metric.key == key })
    }

    @Test func trueSamplesAreAsGoodAsOthers() throws {
        let truth = try PlainMixture.plane.mixture
        let samples = truth.samples(500, seed: 77, round: 0)
        let comparison = try PointComparison(samples, with: .truth(truth), settings())
        #expect(comparison.figures.count == PointMetric.all.count && comparison.referenceCount == 500)
        for figure in comparison.figures {
            let (found, noise) = (try #require(figure.samples?.value), try #require(figure.truth))
            #expect(abs(found - noise) < 5 * (try #require(figure.deviation)) + 1e-9, "\(figure.metric.name)")
        }
    }

    /// Each figure tells a blur that is too narrow by many deviations, all but the number of modes.
    @Test func wrongSamplesAreTold() throws {
        let grid = try PlainMixture.grid()
        let blurred = try GaussianMixture(
            weights: [1], means: [0, 0], covariances: grid.covariance.elements.map { 0.4 * $0 }, dimension: 2
        ).samples(1000, seed: 3, round: 0)
        let comparison = try PointComparison(blurred, with: .truth(grid), settings())
        for figure in comparison.figures where figure.metric.key != "modes_hit" {
            let (found, noise) = (try #require(figure.samples?.value), try #require(figure.truth))
            #expect(abs(found - noise) > 3 * (try #require(figure.deviation)), "\(figure.metric.name)")
        }
    }

    /// Data are divided: with few of them, both sides are half of them; the same seed gives the same.
    @Test func dataAreTheReference() throws {
        let truth = try PlainMixture.plane.mixture
        let data = truth.samples(400, seed: 1, round: 0)
        let samples = truth.samples(1000, seed: 2, round: 0)
        let comparison = try PointComparison(samples, with: .data(data), settings())
        #expect(comparison.referenceCount == 200)
        #expect(
            Set(comparison.figures.map(\.metric.key)).isDisjoint(with: ["share_inside", "negative_log_likelihood"]))
        let first = try figure(comparison, "sliced_wasserstein_1")
        #expect(abs((first.samples?.value ?? 0) - (first.truth ?? 0)) < 5 * (first.deviation ?? 0))
        let again = try PointComparison(samples, with: .data(data), settings())
        #expect(again.figures.map(\.samples) == comparison.figures.map(\.samples))
        // No point is on both sides: a half against the other is never 0.
        #expect((first.truth ?? 0) > 0.01)
    }

    @Test func progressCountsEveryFigure() throws {
        let truth = try PlainMixture.line.mixture
        var seen: [Int] = []
        _ = try PointComparison(truth.samples(100, seed: 1, round: 0), with: .truth(truth), settings()) { done, all in
            seen.append(done)
            #expect(all == 7 * PointMetric.all.count)
        }
        #expect(seen == Array(0..<7 * PointMetric.all.count))
    }
}
