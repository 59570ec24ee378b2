import Testing
import Training

/// The columns that files of before have are there, under the same names and units and in the same order; there may be
/// more.
@Suite struct MetricsColumnTests {
    @Test func asBefore() {
        var wanted = [
            ("loss", "what is trained by, mean over the global batch"),
            ("gradient_norm", "L2 norm over all parameters, before clipping"),
            ("learning_rate", "1"),
            ("epoch", "passes over the data set"),
            ("images_per_second", "1/s, all ranks"),
        ]
        for phase in ["data", "compute", "communication", "optimizer"] {
            let hidden = phase == "communication" ? ", not hidden behind the computation" : ""
            wanted.append(("seconds_\(phase)", "s, mean over ranks\(hidden)"))
            wanted.append(("seconds_\(phase)_min", "s, lowest of all ranks\(hidden)"))
            wanted.append(("seconds_\(phase)_max", "s, highest of all ranks\(hidden)"))
        }
        wanted += [
            ("skipped", "1 where the step was bad and changed nothing, else 0"),
            ("slowest_rank", "number of the rank that computed longest"),
            ("eta_variance", "variance of the output over eta, mean over elements; NaN where not measured"),
        ]
        let now = MetricsColumn.all.filter { column in wanted.contains { $0.0 == column.name } }
        #expect(now.map(\.name) == wanted.map(\.0))
        #expect(now.map(\.unit) == wanted.map(\.1))
    }

    /// A loss or a gradient that is not a number is a run that diverged; the variance is not measured at every step.
    @Test func roles() {
        #expect(MetricsColumn.all.filter { $0.role == .vital }.map(\.name) == ["loss", "gradient_norm"])
        #expect(MetricsColumn.all.filter { $0.role == .flag }.map(\.name) == ["skipped"])
        #expect(MetricsColumn.all.filter { $0.role == .rank }.map(\.name) == ["slowest_rank"])
    }
}
