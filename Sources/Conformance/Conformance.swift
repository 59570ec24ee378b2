import CPUBackend
import TensorGraph

/// Compares this build with reference files: numbers computed by the published code in double precision.
public enum Conformance {
    /// Runs the reference file at `path`, whatever its kind, with the network on `backend`.
    ///
    /// Tolerances are those of a float32 implementation: outputs, latents, losses, norms and trajectories 1e-4 relative
    /// to the largest magnitude of the reference tensor, gradients 3e-4, parameters 2e-4 absolute, schedules 1e-12.
    ///
    /// - Throws: ``ConformanceError`` or `HDF5Error` when the file cannot be read or does not hold what it must; what
    ///   the backend throws.
    public static func run(_ path: String, on backend: any Backend) throws -> CaseReport {
        let file = try CaseFile(path)
        defer { try? file.close() }
        let kind = try file.text("kind")
        switch kind {
        case "denoiser": return try DenoiserCase(file).run({ try optimizers(on: backend, $0, $1) }, on: backend)
        case "sampler": return try SamplerCase(file).run(on: backend)
        case "schedules": return try SchedulesCase(file: file).run()
        default: throw file.error("its kind is '\(kind)'; denoiser, sampler and schedules are known")
        }
    }

    /// The product's optimiser on the product's backend, and always Adam in double precision. The first one drives.
    private static func optimizers(
        on backend: any Backend, _ settings: CaseOptimizer, _ parameters: [Float]
    ) throws -> [(name: String, optimizer: any ArenaOptimizer)] {
        let reference = ("Adam in float64", ReferenceOptimizer(settings, parameters: parameters) as any ArenaOptimizer)
        guard let backend = backend as? CPUBackend, settings.weightDecay == 0 else { return [reference] }
        return [("product", try FusedOptimizer(settings, parameters: parameters, on: backend)), reference]
    }
}
