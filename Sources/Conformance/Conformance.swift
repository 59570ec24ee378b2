import CPUBackend
import TensorGraph

/// Compares this build with reference files: numbers computed by the published code in double precision.
public enum Conformance {
    /// Runs the reference file at `path`, whatever its kind, with the network on `backend`.
    ///
    /// Tolerances are those of the precision that `backend` computes in (``Tolerances``); schedules 1e-12.
    ///
    /// - Throws: ``ConformanceError`` or `HDF5Error` when the file cannot be read or does not hold what it must; what
    ///   the backend throws.
    public static func run(_ path: String, on backend: any Backend) throws -> CaseReport {
        let file = try CaseFile(path)
        defer { try? file.close() }
        let kind = try file.text("kind")
        let tolerances = Tolerances((backend as? CPUBackend)?.precision ?? .fp32)
        switch kind {
        case "denoiser":
            return try DenoiserCase(file, tolerances).run({ try optimizers(on: backend, $0, $1) }, on: backend)
        case "autoencoder":
            return try AutoencoderCase(file, tolerances).run({ try optimizers(on: backend, $0, $1) }, on: backend)
        case "sampler": return try SamplerCase(file, tolerances).run(on: backend)
        case "schedules": return try SchedulesCase(file: file).run()
        case "adm-tables": return try ADMTablesCase(file: file, tolerances: tolerances).run(on: backend)
        default:
            throw file.error(
                "its kind is '\(kind)'; denoiser, autoencoder, sampler, schedules and adm-tables are known")
        }
    }

    /// The product's optimiser on the product's backend, and always Adam in double precision. The first one drives.
    private static func optimizers(
        on backend: any Backend, _ settings: CaseOptimizer, _ parameters: [Float]
    ) throws -> [(name: String, optimizer: any ArenaOptimizer)] {
        let reference = ("Adam in float64", ReferenceOptimizer(settings, parameters: parameters) as any ArenaOptimizer)
        guard let backend = backend as? CPUBackend, settings.weightDecay == 0 || settings.kind == "adamw" else {
            return [reference]
        }
        return [("product", try FusedOptimizer(settings, parameters: parameters, on: backend)), reference]
    }
}

/// The largest errors allowed.
struct Tolerances {
    /// Of outputs, latents and trajectories, relative to the largest magnitude of the reference tensor.
    let output: Double
    /// Of losses and gradient norms, relative.
    let loss: Double
    /// Of gradients, relative to the largest magnitude of each tensor.
    let gradient: Double
    /// Of parameters after the steps of a case and of their average, absolute.
    let parameter: Double
    /// Of what no product has part in, relative.
    let input = 1e-4

    init(_ precision: Precision) {
        switch precision {
        case .fp32: (output, loss, gradient, parameter) = (1e-4, 1e-4, 3e-4, 2e-4)
        // 2 to 3 times what the reference cases give: 3.1e-2, 1.6e-2, 0.23 and 3.9e-3.
        case .bf16, .bf16Emulated: (output, loss, gradient, parameter) = (6e-2, 4e-2, 5e-1, 1e-2)
        }
    }
}
