import Foundation
import Storage
import TestSupport
import Testing

/// Every command on file systems without locks: reading needs none, and where one is missed that is said.
@Suite(.enabled(if: Ability.time.isGiven, "\(Ability.time)"))
struct LocklessTests {
    private static let configuration = """
        data: DATA
        steps: 4
        batch_size: 4
        checkpoint_every: 2
        preview_every: 4
        eta_variance_every: 0
        model: \(smallPointModel)
        diffusion: {timesteps: 10, sampling_steps: 2, flip: false, clip_denoised: false}
        """

    @Test(arguments: Lockless.allCases, Lockless.errors) func everyCommandWorks(_ lacking: Lockless, _ error: Int32)
        throws
    {
        try withTemporaryDirectory { folder in
            let environment = lacking.environment(try Lockless.preloaded(in: folder), error: error)
            let config = folder + "/run.yaml"
            try Self.configuration.replacing("DATA", with: folder + "/grid.h5")
                .write(toFile: config, atomically: true, encoding: .utf8)
            let checkpoint = folder + "/run/checkpoints/step-00000004.h5"
            let golden = goldenFolder + "/schedules.h5"
            for arguments in [
                ["dataset", "prepare", "gaussian-grid", "--count", "40", "--output", folder + "/grid.h5"],
                ["dataset", "info", folder + "/grid.h5"], ["dataset", "verify", folder + "/grid.h5"],
                ["dataset", "preview", folder + "/grid.h5", "--output", folder + "/grid.png"],
                ["plan", config, "--gflops", "100"],
                ["train", config, "--output", folder + "/run"],
                ["train", config, "--output", folder + "/run", "--resume", "auto", "--set", "steps=6"],
                ["checkpoint", "inspect", checkpoint],
                ["metrics", "show", folder + "/run"], ["metrics", "follow", folder + "/run"],
                ["sample", checkpoint, "--count", "8", "--output", folder + "/s.h5", "--grid", folder + "/s.png"],
                ["conformance", golden],
            ] {
                let result = try run([product("smd")] + arguments, environment: environment, timeout: 60)
                let context =
                    "\(lacking.rawValue), error \(error): \(arguments.joined(separator: " ")): \(result.errors)"
                #expect(result.status == 0, "\(context)")
                let warns = result.errors.contains("has no file locks (")
                #expect(warns == (arguments[0] == "train" && lacking == .both), "\(context)")
            }
        }
    }

    @Test func doctorSaysSo() throws {
        try withTemporaryDirectory { folder in
            let library = try Lockless.preloaded(in: folder)
            for (lacking, expected) in [(nil, "ok"), (Lockless.both, "warning")] as [(Lockless?, String)] {
                let result = try run(
                    [product("smd"), "doctor", "--output", folder],
                    environment: lacking?.environment(library, error: ENOLCK) ?? [:], timeout: 120)
                let line = result.output.split(separator: "\n").first { $0.contains("file locks") }
                #expect(line?.hasPrefix(expected) == true, "\(result.output)")
                #expect(
                    result.output.split(separator: "\n").contains { $0.hasPrefix("ok       HDF5") }, "\(result.output)")
            }
        }
    }
}
