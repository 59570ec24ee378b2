import Foundation
import HDF5
import Philox
import Storage
import StorageSupport
import TestSupport
import Testing

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

    init(in folder: String) throws {
        self.folder = folder
        config = folder + "/run.yaml"
        data = folder + "/images.h5"
        try Self.writeImages(to: data, count: 40)
        try Self.text.write(toFile: config, atomically: true, encoding: .utf8)
    }

    /// The same for points of the plane, one pixel of two channels each.
    init(points: [Float], in folder: String) throws {
        self.folder = folder
        config = folder + "/run.yaml"
        data = folder + "/points.h5"
        let file = try HDF5File.create(data)
        try file.root.write(points, shape: [points.count / 2, 2], to: "points")
        try file.close()
        let text = Self.text.replacing("  size: 8\n", with: "  size: 1\n").replacing("channels: 1", with: "channels: 2")
            .replacing("dim_mults: [1, 2]", with: "dim_mults: [1]")
        try text.write(toFile: config, atomically: true, encoding: .utf8)
    }

    static func writeImages(to path: String, count: Int) throws {
        let stream = RandomStream(seed: 3, purpose: .data)
        let pixels = (0..<count * 64).map { UInt8(stream.integer(below: 256, epoch: 0, position: $0)) }
        let file = try HDF5File.create(path)
        try file.root.write(pixels, shape: [count, 8, 8, 1], to: "images")
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

/// Expects checkpoints of two runs at a step to hold the same bits, and a state that has moved.
func expectSameState(_ run: Run, _ a: String, _ b: String, step: Int) throws {
    let (x, y) = (
        try Checkpoint.read(run.checkpoint(a, step: step)), try Checkpoint.read(run.checkpoint(b, step: step))
    )
    #expect(x.groups.map(\.name) == ["parameters", "ema", "optimizer/first_moment", "optimizer/second_moment"])
    #expect(y.groups.map(\.name) == x.groups.map(\.name))
    for group in x.groups { #expect(firstDifference(group.tensors, y[group.name]) == nil, "\(group.name)") }
    #expect(firstDifference(x["parameters"], x["ema"]) != nil)
}

/// Name of the first tensor that is not the same bit for bit; nil when all are.
func firstDifference(_ a: [NamedTensor], _ b: [NamedTensor]) -> String? {
    guard a.map(\.name) == b.map(\.name), !a.isEmpty else { return "the list of tensors" }
    return zip(a, b).first { x, y in x.values.map(\.bitPattern) != y.values.map(\.bitPattern) }?.0.name
}
