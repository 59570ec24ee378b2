import Diffusion
import TensorGraph

/// A reference file of `kind = adm-tables`: tables of OpenAI's code, in double precision.
///
/// Held against them are visited times (`respacing`), variances of steps (`variance`), the discretised likelihood
/// (`likelihood`), terms of the variational bound (`bound`), time embeddings (`embedding`), and weights of timesteps by their
/// losses (`importance`). `guidance` and `ldm_linear` belong to methods that are not here.
struct ADMTablesCase {
    let file: CaseFile
    /// Of what the network's backend computes in float32.
    let tolerances: Tolerances

    /// Of tables in double precision, relative to the largest of each.
    private static let tolerance = 1e-10

    func run(on backend: any Backend) throws -> CaseReport {
        var m = Measurements()
        try compareRespacing(&m)
        try compareVariances(&m)
        try compareLikelihood(&m)
        try compareBounds(&m)
        try compareEmbeddings(&m, on: backend)
        try compareImportance(&m)
        return CaseReport(
            path: file.path, summary: "tables of improved-diffusion and guided-diffusion", measurements: m.all,
            notes: m.notes)
    }

    /// `respacing/T…/STRING`: exact.
    private func compareRespacing(_ m: inout Measurements) throws {
        for length in try file.members(of: "respacing").sorted() {
            let timesteps = try number(length, after: "T", "respacing")
            for text in try file.members(of: "respacing/\(length)").sorted() {
                let name = "respacing/\(length)/\(text)"
                let wanted = try file.integers(name)
                let (times, fault) = Respacing.times(text, of: timesteps)
                guard fault == nil, times.count == wanted.count else {
                    throw file.error("/\(name): \(fault ?? "\(times.count) times instead of \(wanted.count)")")
                }
                m.compare("respacing", tolerance: 0, times.map(Double.init), wanted.map(Double.init), name)
            }
        }
    }

    /// `variance/KIND-T…[-RESPACING]`.
    private func compareVariances(_ m: inout Measurements) throws {
        for group in try file.members(of: "variance").sorted() {
            let schedule = try schedule(group, in: "variance")
            let tables = [
                "betas": schedule.betas, "log_variance_small": schedule.logVarianceSmall,
                "log_variance_large": schedule.logVarianceLarge, "fixed_large_variance": schedule.fixedLargeVariance,
                "posterior_mean_x0": schedule.posteriorMeanX0, "posterior_mean_xt": schedule.posteriorMeanXt,
            ]
            for (table, values) in tables.sorted(by: { $0.key < $1.key }) {
                let name = "variance/\(group)/\(table)"
                m.compare(
                    "variance", tolerance: Self.tolerance, values, try file.doubles(name, shape: [schedule.timesteps]),
                    name)
            }
        }
    }

    /// The schedule called `KIND-T…` or `KIND-T…-RESPACING`.
    private func schedule(_ group: String, in section: String) throws -> NoiseSchedule {
        let parts = group.split(separator: "-").map(String.init)
        guard parts.count > 1, let kind = ScheduleKind(rawValue: parts[0]), kind != .logSNR else {
            throw file.error("/\(section)/\(group) is not called by a schedule and T with its number of steps")
        }
        let timesteps = try number(parts[1], after: "T", section)
        let whole = NoiseSchedule(kind: kind, timesteps: timesteps)
        guard parts.count > 2 else { return whole }
        let (times, fault) = Respacing.times(parts[2], of: timesteps)
        if let fault { throw file.error("/\(section)/\(group): respacing \(fault)") }
        return whole.respaced(to: times)
    }

    private func number(_ text: String, after letter: String, _ section: String) throws -> Int {
        guard text.hasPrefix(letter), let number = Int(text.dropFirst()), number > 0 else {
            throw file.error("/\(section) holds \(text), which is not called \(letter) and a number")
        }
        return number
    }

    /// `likelihood`: nats, and derivatives with respect to mean and ln σ.
    private func compareLikelihood(_ m: inout Measurements) throws {
        let shape = try file.shape("likelihood/x")
        func values(_ name: String) throws -> [Double] { try file.doubles("likelihood/\(name)", shape: shape) }
        let (x, mean, logScale) = (try values("x"), try values("mean"), try values("log_scale"))
        let terms = x.indices.map { VariationalBound.likelihood(x[$0], mean[$0] - x[$0], 2 * logScale[$0]) }
        let found = [
            ("log_probability", terms.map { -$0.nats }), ("gradient_mean", terms.map { -$0.byDistance }),
            ("gradient_log_scale", terms.map { -2 * $0.byLogVariance }),
        ]
        // The distribution function is rounded by 1e-16: of smaller masses, a difference of two of its values, double
        // precision does not leave ten digits.
        let (large, small) = (x.indices.filter { terms[$0].nats < 11 }, x.indices.filter { terms[$0].nats >= 11 })
        for (name, found) in found {
            let wanted = try values(name)
            let scale = wanted.reduce(0) { max($0, abs($1)) }
            func compare(_ quantity: String, tolerance: Double, _ places: [Int]) {
                m.compare(
                    quantity, tolerance: tolerance, places.map { found[$0] }, places.map { wanted[$0] },
                    "likelihood/\(name)", scale: scale)
            }
            compare("likelihood", tolerance: Self.tolerance, large)
            compare("likelihood, small masses", tolerance: 1e-8, small)
        }
    }

    /// `bound/KIND-T…`: bits an element, and the gradient of their sum over images.
    private func compareBounds(_ m: inout Measurements) throws {
        for group in try file.members(of: "bound").sorted() {
            let name = "bound/\(group)"
            var diffusion = DiffusionConfiguration()
            diffusion.objective = .noise
            let parts = group.split(separator: "-").map(String.init)
            guard parts.count == 2, let kind = ScheduleKind(rawValue: parts[0]), kind != .logSNR else {
                throw file.error("/\(name) is not called by a schedule and T with its number of steps")
            }
            (diffusion.schedule, diffusion.timesteps) = (kind, try number(parts[1], after: "T", "bound"))
            let bound = VariationalBound(ForwardProcess(diffusion))
            let times = try file.integers("\(name)/timestep")
            let shape = try file.shape("\(name)/x0")
            guard shape.count == 4, shape[0] == times.count, times.allSatisfy({ 0..<diffusion.timesteps ~= $0 }) else {
                throw file.error("/\(name)/x0 has the shape \(shape) for the timesteps \(times)")
            }
            let (channels, pixels) = (shape[1], shape[2] * shape[3])
            let twice = [shape[0], 2 * channels, shape[2], shape[3]]
            func images(_ part: String, _ shape: [Int]) throws -> [Double] {
                channelsLast(try file.doubles("\(name)/\(part)", shape: shape), channels: shape[1], pixels: pixels)
            }
            let (x0, xt) = (try images("x0", shape).map { 2 * $0 - 1 }, try images("x_t", shape))
            let output = try images("output", twice)
            let size = channels * pixels
            let found = times.enumerated().map { n, t in
                bound(
                    output: Array(output[2 * n * size..<2 * (n + 1) * size]), x0: Array(x0[n * size..<(n + 1) * size]),
                    xt: Array(xt[n * size..<(n + 1) * size]), t: t, channels: channels)
            }
            let bits = try file.doubles("\(name)/vb_per_image", shape: [times.count])
            m.compare("bound", tolerance: Self.tolerance, found.map(\.bits), bits, "\(name)/vb_per_image")
            m.compare(
                "bound", tolerance: Self.tolerance, found.flatMap(\.gradient), try images("gradient_output", twice),
                "\(name)/gradient_output")
        }
    }

    /// `importance`: pairs (timestep, loss) in order, and what t is drawn in proportion to before, after 59, and after all.
    private func compareImportance(_ m: inout Measurements) throws {
        let times = try file.integers("importance/timestep")
        let losses = try file.doubles("importance/loss", shape: [times.count])
        let count = (times.max() ?? 0) + 1
        guard times.count >= 59, times.allSatisfy({ $0 >= 0 }) else {
            throw file.error("/importance/timestep holds \(times.count) timesteps, wanted 59 or more, from 0 on")
        }
        var history = LossHistory(timesteps: count)
        func compare(_ name: String, _ found: [Double]) throws {
            let wanted = try file.doubles("importance/\(name)", shape: [count])
            func shares(_ values: [Double]) -> [Double] { values.map { $0 / values.reduce(0, +) } }
            // Losses are kept as float32.
            m.compare("importance", tolerance: 1e-6, shares(found), shares(wanted), "importance/\(name)")
        }
        try compare("before", history.probabilities)
        func add(_ range: Range<Int>) { history.add(range.map { (times[$0], Float(losses[$0])) }) }
        add(0..<59)
        try compare("after_59", history.probabilities)
        add(59..<times.count)
        try compare("after_\(times.count)", history.probabilities)
        let weights = history.probabilities.map { 1 / (Double(count) * $0) }
        let wanted = try file.doubles("importance/loss_weight", shape: [count])
        m.compare("importance", tolerance: 1e-6, weights, wanted, "importance/loss_weight")
    }

    /// `embedding/dim…`, as the network's backend computes them.
    private func compareEmbeddings(_ m: inout Measurements, on backend: any Backend) throws {
        let times = try file.doubles("embedding/timestep", shape: file.shape("embedding/timestep"))
        for member in try file.members(of: "embedding").sorted() where member != "timestep" {
            guard member.hasPrefix("dim"), let dimension = Int(member.dropFirst(3)), dimension > 1 else {
                throw file.error("/embedding holds \(member), which is not called dim and a number")
            }
            let graph = Graph()
            graph.keep(graph.input("t", [times.count]).cosineEmbedding(dimension: dimension), as: "y")
            let executor = try Executor(
                ExecutionPlan(graph), on: backend, parameters: backend.allocate(count: 1))
            executor.write(["t": times.map { Float($0) }])
            try executor.run()
            let name = "embedding/\(member)"
            let wanted = try file.doubles(name, shape: [times.count, dimension])
            m.compare("embedding", tolerance: tolerances.output, executor.read("y").map(Double.init), wanted, name)
        }
    }
}
