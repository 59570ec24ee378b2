import Diffusion

/// A reference file of `kind = schedules`: `KIND/T…/betas`, of any kinds and lengths.
struct SchedulesCase {
    let file: CaseFile

    /// Compares every list of betas.
    func run() throws -> CaseReport {
        var m = Measurements()
        var count = 0
        for word in try file.members(of: "/").sorted() {
            guard let kind = ScheduleKind(rawValue: word), kind != .logSNR else {
                throw file.error("there is no schedule called '\(word)'; linear, cosine and sigmoid are known")
            }
            for length in try file.members(of: word).sorted() {
                guard length.hasPrefix("T"), let timesteps = Int(length.dropFirst()), timesteps > 0 else {
                    throw file.error("/\(word)/\(length) is not called T and a number of steps")
                }
                let name = "\(word)/\(length)/betas"
                let betas = NoiseSchedule(kind: kind, timesteps: timesteps).betas
                m.compare("betas", tolerance: 1e-12, betas, try file.doubles(name, shape: [timesteps]), name)
                count += 1
            }
        }
        guard count > 0 else { throw file.error("it holds no schedules") }
        return CaseReport(
            path: file.path, summary: "\(count) schedules", measurements: m.all, notes: m.notes)
    }
}
