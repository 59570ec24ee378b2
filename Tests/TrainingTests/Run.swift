import Communication
import Configuration
import DataSets
import Files
import Foundation
import HDF5
import Philox
import Storage
import StorageSupport
import TestSupport
import Testing
import Training

/// A small run in a folder of its own: 40 images of 8×8, a network of some ten thousand parameters.
struct Run {
    let folder: String
    let config: String
    let data: String

    static let text = """
        steps: 6
        batch_size: 8
        micro_batch_size: 2
        learning_rate: 1e-3
        checkpoint_every: 2
        preview_every: 0
        eta_variance_every: 2
        model:
          size: 8
          channels: 1
          dim: 8
          dim_mults: [1, 2]
          groups: 2
          heads: 2
          head_dim: 4
          latent_dim: 6
          identifier: {dim: 4, dim_mults: [1], groups: 1, heads: 1, head_dim: 4}
        diffusion: {timesteps: 100, sampling_steps: 4}
        ema: {every: 1, start: 2}
        """

    /// Settings with which it trains a classifier; its data need labels.
    static let classifier = ["method=classifier", "model.smd=false", "model.self_condition=false"]
    /// Those of an autoencoder.
    static let autoencoder = [
        "method=autoencoder", "model.smd=false", "model.self_condition=false", "autoencoder.channels=8,16",
        "autoencoder.groups=4", "autoencoder.latent_channels=2", "autoencoder.kl_weight=0.01",
    ]

    /// Settings with which it is trained by the energy score, the latent at both ends or at the output.
    static let energy = [
        "diffusion.loss=energy_score", "diffusion.draws=3", "diffusion.energy_windows=0,4",
        "diffusion.energy_handover=1",
    ]
    static let energyAtOutput = energy + ["model.latent_at=output", "model.eta_channels=5"]
    /// Settings with which it is trained against a discriminator, which is updated every other step.
    static let adversarial = [
        "diffusion.loss=adversarial", "diffusion.jump=25", "diffusion.sampler=ancestral", "diffusion.offset_noise=0",
        "adversary.dim=4", "adversary.every=2", "adversary.joint=true", "adversary.regularize=1e-4",
        "adversary.entropy=true",
    ]
    /// Settings of a mixture head.
    static let mixture = ["model.head=mixture", "model.components=5", "model.self_condition=false"]

    /// Settings with which it is told classes, or none; its data need labels.
    static let classes = ["model.classes=3", "model.label_dropout=0.3"]

    /// Settings with which x_t moves towards the mean of its class.
    static let shifted = ["diffusion.shift=quadratic", "model.classes=0"]
    /// The same, towards what is trained with the network.
    static let shiftedByTable =
        shifted + ["diffusion.shift_by=class-table", "diffusion.shift_classes=3", "model.self_condition=false"]

    /// Settings of ADM, with all that it has: of a mixture, classes, a learned variance and dropout; its data need labels.
    static let adm = [
        "model.backbone=adm", "model.blocks=1", "model.attention_sizes=4", "model.groups=2", "model.classes=3",
        "model.dropout=0.2", "model.learned_variance=true", "diffusion.loss=hybrid", "diffusion.objective=noise",
    ]
    /// Of ADM in its other forms.
    static let admVariational = [
        "model.backbone=adm", "model.smd=false", "model.blocks=2", "model.attention_sizes=8", "model.groups=4",
        "model.scale_shift=false", "model.resampling=convolution", "model.head_dim=0", "model.heads_up=4",
        "model.heads_first=true", "model.learned_variance=true", "diffusion.loss=variational",
        "optimizer.weight_decay=0.1",
    ]
    /// Timesteps drawn by their losses, so few that each has ten of them soon.
    static let byLosses =
        admVariational + [
            "diffusion.timesteps=4", "diffusion.schedule=cosine", "diffusion.timestep_sampling=loss_second_moment",
        ]

    /// Further averages, a snapshot of them after each step.
    static let averages = ["ema.widths=0.05,0.1", "ema.snapshot_every=1"]

    /// Windows of its images, and mirrored ones.
    static let crops = ["crop=random", "model.size=4", "diffusion.flip=true"]

    /// Augmented images.
    static let augmented = ["model.augment=0.5", "model.self_condition=false"]

    /// Settings with which it is shown conditions, noised half as fast, and learns the score of both; its data need some.
    static let conditioned = ["model.condition_channels=1", "condition.speed=0.5", "condition.score=true"]

    /// Settings with which it is one of two scales: the finest, or the one that sees its images at half their size.
    static let finest = ["diffusion.scales=2", "diffusion.schedule=logsnr", "diffusion.offset_noise=0"]
    static let coarsest = finest + ["diffusion.scale=2", "model.size=4"]

    /// Settings with which it draws from a density, and needs no data.
    static let density = [
        "method=dds", "data=", "model.smd=false", "model.self_condition=false", "model.size=1", "model.channels=2",
        "micro_batch_size=2", "dds.steps=6", "dds.width=8",
    ]

    /// Settings for latents in the place of its images.
    static let ofLatents = [
        "model.size=4", "model.channels=2", "diffusion.flip=false", "diffusion.clip_denoised=false",
    ]

    /// - Parameters:
    ///   - classes: of labels; 0: the images have none.
    ///   - conditions: whether images have conditions.
    init(in folder: String, classes: Int = 0, conditions: Bool = false) throws {
        self.folder = folder
        config = folder + "/run.yaml"
        data = folder + "/images.h5"
        try Self.writeImages(to: data, count: 40, labels: Self.labels(classes, 40), conditions: conditions)
        try Self.text.write(toFile: config, atomically: true, encoding: .utf8)
    }

    /// The same for points of the plane, one pixel of two channels each.
    init(points: [Float], classes: Int = 0, in folder: String) throws {
        self.folder = folder
        config = folder + "/run.yaml"
        data = folder + "/points.h5"
        let file = try HDF5File.create(data)
        try file.root.write(points, shape: [points.count / 2, 2], to: "points")
        if let labels = Self.labels(classes, points.count / 2) {
            try file.root.write(labels, shape: [labels.count], to: "labels")
        }
        try file.close()
        let text = Self.text.replacing("  size: 8\n", with: "  size: 1\n").replacing("channels: 1", with: "channels: 2")
            .replacing("dim_mults: [1, 2]", with: "dim_mults: [1]")
        try text.write(toFile: config, atomically: true, encoding: .utf8)
    }

    /// The same with latents of its images in their place, 40 of 4×4×2; for ``ofLatents``.
    init(latentsIn folder: String, classes: Int = 0) throws {
        let images = try Run(in: folder, classes: classes)
        (self.folder, config, data) = (folder, images.config, folder + "/latents.h5")
        let job = Preparation(
            output: data, provenance: Provenance(source: "images", command: "none", tool: "none"), overwrite: true)
        var number = -1
        _ = try job.latents(
            of: DataSet(path: images.data), to: .latent(height: 4, width: 4, channels: 2), firstStage: "none",
            mirrored: false
        ) { batch in
            (0..<batch.count / 64).flatMap { _ -> [Float] in
                number += 1
                let all = (0..<32).map { Self.latent(number, $0) }
                return all.map(\.mean) + all.map(\.deviation)
            }
        }
    }

    /// Number `i` of latent `number`.
    static func latent(_ number: Int, _ i: Int) -> (mean: Float, deviation: Float) {
        (Float((number * 37 + i * 11) % 64) / 32 - 1, Float((number * 5 + i * 3) % 16 + 1) / 32)
    }

    private static func labels(_ classes: Int, _ count: Int) -> [Int32]? {
        classes > 0 ? (0..<count).map { Int32($0 * 7 % classes) } : nil
    }

    /// Writes images of noise, in the place of a file that is there.
    static func writeImages(to path: String, count: Int, labels: [Int32]? = nil, conditions: Bool = false) throws {
        let stream = RandomStream(seed: 3, purpose: .data)
        let pixels = (0..<count * 64).map { UInt8(stream.integer(below: 256, epoch: 0, position: $0)) }
        let file = try HDF5File.create(path, overwrite: true)
        try file.root.write(pixels, shape: [count, 8, 8, 1], to: "images")
        if conditions {
            try file.root.write(pixels.map { 64 + $0 / 2 }, shape: [count, 8, 8, 1], to: "conditions")
        }
        if let labels { try file.root.write(labels, shape: [count], to: "labels") }
        try file.close()
    }

    /// The command that trains into `output`, a folder beside the configuration.
    func command(_ output: String, resume: String = "none", _ settings: String...) -> [String] {
        command(output, resume: resume, settings: settings)
    }

    func command(_ output: String, resume: String = "none", settings: [String]) -> [String] {
        [product("smd"), "train", config, "--output", path(output), "--resume", resume, "--set", "data=\(data)"]
            + settings.flatMap { ["--set", $0] }
    }

    func path(_ name: String) -> String { folder + "/" + name }

    func checkpoint(_ output: String, step: Int) -> String {
        CheckpointFolder(path: path(output) + "/checkpoints").path(step: step)
    }

    /// Runs `command` on `ranks` ranks, alone without mpirun.
    @discardableResult
    func train(_ ranks: Int, _ command: [String]) throws -> (status: Int32, output: String, errors: String) {
        ranks == 1 ? try run(command, timeout: 120) : try mpirun(ranks, command, timeout: 120)
    }

    /// Trains into `output` in this process, in milliseconds: ranks are threads. As `train`, but for what `smd` itself adds
    /// to what the run tells, and with one line for the error of a rank.
    @discardableResult
    func trainHere(
        _ output: String, ranks: Int = 1, resume: String = "none", threads: Int = 1, stopAfter seconds: Double? = nil,
        settings: [String] = []
    ) throws -> (status: Int32, output: String, errors: String) {
        let configuration = try RunConfiguration.load(path: config, overrides: ["data=\(data)"] + settings)
        let start: Resume = resume == "none" ? .none : resume == "auto" ? .auto : .checkpoint(resume)
        let place = path(output)
        @Sendable func run(_ communicator: any Communicator) throws -> (Outcome, Told) {
            let told = Told()
            let folder =
                communicator.rank == 0
                ? try RunFolder(claiming: place, launcher: nil) { told.warn($0) } : RunFolder(place)
            defer { folder.leave() }
            do {
                let trainer = try Trainer(
                    configuration, folder: folder, resume: start, threads: threads,
                    communicator: communicator, observer: told)
                return (try trainer.run(StopSignals(deadline: seconds.map { .now + .seconds($0) })), told)
            } catch { throw Failure(error: error, told: told) }
        }
        let results = ranks == 1 ? [Result { try run(SingleProcess()) }] : ThreadRank.run(ranks) { try run($0) }
        switch results[0] {
        case .success(let (outcome, told)):
            return (outcome == .finished ? 0 : ExitStatus.tryAgain.rawValue, "", told.errors)
        case .failure(let failure as Failure):
            let status = (failure.error as? any HasExitStatus)?.exitStatus ?? .failure
            return (status.rawValue, "", failure.told.errors + "smd: error: \(failure.error)\n")
        case .failure(let error): throw error
        }
    }

    private struct Failure: Error {
        let error: any Error
        let told: Told
    }

    /// What a run told. Unchecked: its rank alone writes it, and ends before it is read.
    private final class Told: TrainingObserver, @unchecked Sendable {
        private(set) var errors = ""
        func say(_ line: String) { errors += line + "\n" }
        func warn(_ line: String) { errors += "smd: warning: " + line + "\n" }
        func stepped(_ report: StepReport) {}
    }

    func losses(_ output: String) throws -> [Double] { try column("loss", output) }

    /// A column of the metrics; empty when there is none.
    func column(_ name: String, _ output: String) throws -> [Double] {
        let table = try MetricsTable.read(path(output) + "/metrics.h5")
        guard let column = table.columns.firstIndex(of: name) else { return [] }
        return table.values[column]
    }
}

/// L2 norm of a − b over all tensors, and of a − c.
func distances(_ a: [NamedTensor], _ b: [NamedTensor], from c: [NamedTensor]) -> (difference: Double, update: Double) {
    func norm(_ x: [NamedTensor], _ y: [NamedTensor]) -> Double {
        zip(x, y).reduce(0.0) { sum, pair in
            sum + zip(pair.0.values, pair.1.values).reduce(0.0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
        }.squareRoot()
    }
    return (norm(a, b), norm(a, c))
}

/// Expects checkpoints of two runs at a step to hold the same bits, as well as snapshots of averages, and a state that has
/// moved.
func expectSameState(_ run: Run, _ a: String, _ b: String, step: Int) throws {
    let (x, y) = (
        try Checkpoint.read(run.checkpoint(a, step: step)), try Checkpoint.read(run.checkpoint(b, step: step))
    )
    #expect(
        Set(x.groups.map(\.name).filter { !$0.hasPrefix("averages/") && !$0.hasPrefix("networks/") }).subtracting(
            CheckpointGroup.ofTheRun)
            == Set(ArenaRole.always.map(\.group)))
    #expect(y.groups.map(\.name) == x.groups.map(\.name))
    for group in x.groups { #expect(firstDifference(group.tensors, y[group.name]) == nil, "\(group.name)") }
    #expect(firstDifference(x["parameters"], x["ema"]) != nil)
    let (kept, others) = (try snapshots(run, a), try snapshots(run, b))
    #expect(kept.keys.sorted() == others.keys.sorted())
    for (name, state) in kept { #expect(state.groups == others[name]?.groups, "\(name)") }
}

/// Name of the first tensor that is not the same bit for bit; nil when all are.
func firstDifference(_ a: [NamedTensor], _ b: [NamedTensor]) -> String? {
    guard a.map(\.name) == b.map(\.name), !a.isEmpty else { return "the list of tensors" }
    return zip(a, b).first { x, y in x.values.map(\.bitPattern) != y.values.map(\.bitPattern) }?.0.name
}
