import Configuration
import Foundation
import Storage
import StorageSupport
import TestSupport
import Testing

/// Runs against a discriminator.
@Suite struct AdversaryTests {
    private static let discriminator = "networks/discriminator/parameters"

    /// The discriminator moves in the steps that it is to be updated in and no others, the network in all of them; where the
    /// network may not move, neither of the two does by the other's gradient.
    @Test func eachNetworkMovesByItsOwnUpdates() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let often = ["checkpoint_every=1", "keep_checkpoints=10", "steps=4"]
            let result = try run.trainHere("out", settings: Run.adversarial + often + ["adversary.every=3"])
            #expect(result.status == 0, "\(result.errors)")
            let states = try (1...4).map { try Checkpoint.read(run.checkpoint("out", step: $0)) }
            func moved(_ group: String, _ before: Int, _ after: Int) -> Bool {
                firstDifference(states[before - 1][group], states[after - 1][group]) != nil
            }
            #expect([(1, 2), (2, 3), (3, 4)].map { moved(Self.discriminator, $0, $1) } == [false, false, true])
            #expect([(1, 2), (2, 3), (3, 4)].allSatisfy { moved("parameters", $0, $1) })
            let regressor = "networks/regressor/parameters"
            #expect([(1, 2), (2, 3), (3, 4)].map { moved(regressor, $0, $1) } == [false, false, true])
            let names = Set(states[0][Self.discriminator].map(\.name))
            #expect(names.allSatisfy { $0.hasPrefix("discriminator.") } && names.contains("discriminator.head.weight"))
            #expect(states[0]["parameters"].allSatisfy { !$0.name.hasPrefix("discriminator.") })
            // The rate is a setting of its own: the first step of Adam moves a parameter by it.
            let slow = try run.trainHere(
                "slow", settings: Run.adversarial + ["steps=1", "learning_rate=1e-9", "adversary.learning_rate=1e-3"])
            #expect(slow.status == 0, "\(slow.errors)")
            let first = try Checkpoint.read(run.checkpoint("slow", step: 1))
            let other = try run.trainHere(
                "still", settings: Run.adversarial + ["steps=1", "learning_rate=1e-9", "adversary.learning_rate=1e-9"])
            #expect(other.status == 0, "\(other.errors)")
            let still = try Checkpoint.read(run.checkpoint("still", step: 1))
            func largest(_ group: String) -> Float {
                zip(first[group], still[group]).flatMap { zip($0.values, $1.values).map { abs($0 - $1) } }.max() ?? 0
            }
            #expect(abs(largest(Self.discriminator) - 1e-3) < 2e-5 && largest("parameters") == 0)
        }
    }

    /// The parts are there, and the two of the generator's loss add up to it. Weight 0 leaves the other.
    @Test func theMetricsTellTheParts() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            for (name, settings) in [
                ("both", ["adversary.weight=0.5"]), ("one", ["adversary.weight=0"]),
                ("cross", ["adversary.weight=0", "adversary.entropy=false"]),
            ] {
                let result = try run.trainHere(name, settings: Run.adversarial + settings)
                #expect(result.status == 0, "\(result.errors)")
                let adversarial = try run.column("loss_adversarial", name)
                let conditional = try run.column("loss_conditional", name)
                let losses = try run.losses(name)
                #expect(losses.count == 6)
                for (n, loss) in losses.enumerated() {
                    #expect(abs(loss - adversarial[n] - conditional[n]) <= 1e-6 * max(abs(loss), 1e-3))
                    #expect((adversarial[n] > 0) == (name == "both"))
                    // With a regressor that says nothing yet, cross entropy and entropy are equal.
                    #expect(name == "cross" ? conditional[n] > 0.01 : n > 0 || abs(conditional[n]) < 1e-6)
                }
                #expect(try run.column("loss_discriminator", name).allSatisfy { $0 > 0.1 && $0 < 10 })
            }
            try run.trainHere("plain", settings: ["steps=1"])
            #expect(try run.column("loss_discriminator", "plain")[0].isNaN)
        }
    }

    /// Each thing that makes no sense with it is refused with what to set.
    @Test(arguments: [
        (
            ["model.backbone=adm", "model.groups=2", "model.blocks=1", "model.attention_sizes=4"],
            "model.backbone adm: set model.backbone=ddpm"
        ),
        (["model.head=mixture"], "model.head mixture: set model.head=single"),
        (["model.learned_variance=true", "diffusion.variance=small"], "set diffusion.loss=hybrid"),
        (["model.classes=3"], "model.classes 3: set model.classes=0"),
        (["diffusion.offset_noise=0.1"], "set diffusion.offset_noise=0"),
        (["diffusion.min_snr=true"], "set diffusion.min_snr=false"),
        (["diffusion.timestep_sampling=logistic"], "set diffusion.timestep_sampling=uniform"),
        (["adversary.weight=0", "adversary.afd_weight=0"], "both 0: set one of them"),
        (["diffusion.jump=30"], "diffusion.jump is 30, which does not divide the 100 timesteps"),
        (["diffusion.jump=200"], "diffusion.jump is 200, which does not divide the 100 timesteps"),
        (["adversary.dim=5"], "adversary.dim is 5, wanted an even number"),
        (["diffusion.sampler=ddim"], "trains 4 steps of the ancestral sampler and no others: set"),
        (["diffusion.sampling_steps=5"], "diffusion.sampling_steps=4"),
        (["diffusion.spacing=karras"], "diffusion.spacing=linear"),
        (["diffusion.jump=20"], "diffusion.sampling_steps=5"),
    ])
    func whatMakesNoSenseIsRefused(settings: [String], wanted: String) throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder, classes: 3)
            do {
                let configuration = try RunConfiguration.load(
                    path: run.config, overrides: ["data=\(run.data)"] + Run.adversarial + settings)
                try configuration.validate()
                Issue.record("\(settings) is not refused")
            } catch { #expect("\(error)".contains(wanted), "\(error)") }
        }
    }

    /// A run with a discriminator does not go on as one without, nor the other way round.
    @Test func anotherKindOfRunIsRefused() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let sameSizes = ["adversary.dim=4", "adversary.joint=true", "adversary.entropy=true"]
            try run.trainHere("with", settings: Run.adversarial + ["steps=2"])
            try run.trainHere("without", settings: ["steps=2"] + sameSizes)
            let without = try run.trainHere("with", resume: "auto", settings: sameSizes)
            #expect(
                without.status != 0 && without.errors.contains("holds the group /networks/discriminator/parameters"))
            let with = try run.trainHere("without", resume: "auto", settings: Run.adversarial)
            #expect(with.status != 0 && with.errors.contains("lacks"), "\(with.errors)")
        }
    }
}
