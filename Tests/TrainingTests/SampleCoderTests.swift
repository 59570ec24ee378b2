import CPUBackend
import Diffusion
import Foundation
import NeuralNetwork
import Philox
import Sampling
import TensorGraph
import Testing

/// Codes of samples, with a network.
@Suite struct SampleCoderTests {
    private static func coder(batch: Int, smd: Bool = true) throws -> SampleCoder {
        var model = ModelConfiguration()
        (model.size, model.channels, model.smd, model.latentDim) = (8, 1, smd, 6)
        (model.unet.dim, model.unet.dimMults, model.unet.groups) = (8, [1, 2], 2)
        (model.unet.heads, model.unet.headDim, model.selfCondition) = (2, 4, true)
        (model.identifier.dim, model.identifier.dimMults, model.identifier.headDim) = (4, [1], 4)
        let generator = try SampleGenerator(model, batch: batch, on: CPUBackend())
        try generator.load { layout, arena in
            for (number, name) in layout.parameters.map(\.name).sorted().enumerated() {
                guard let range = layout.range(name) else { continue }
                let values = RandomStream(seed: 4, purpose: .data)
                    .normals(count: range.count, epoch: 1, position: number)
                arena.write(values.map { 0.1 * $0 }, at: range.lowerBound)
            }
        }
        var diffusion = DiffusionConfiguration()
        (diffusion.timesteps, diffusion.samplingSteps, diffusion.ddimEta) = (100, 8, 0.7)
        let sampler = Sampler(diffusion)
        return SampleCoder(generator, sampler, SampleCoder.layout(model, sampler))
    }

    private static let images = (0..<64 * 64).map { (place: Int) -> Float in
        let level = (place * 37 + place / 64 * 11) % 256
        return Float(level) / 127.5 - 1
    }

    /// 64 images come back with their η, which is needed for that; the same codes in any batches.
    @Test func imagesComeBack() throws {
        let (one, other) = (try Self.coder(batch: 32), try Self.coder(batch: 7))
        let codes = try one.codes(0..<64, x0: Self.images)
        #expect(codes.count == 64 * one.layout.count)
        let part = try other.codes(10..<20, x0: Array(Self.images[640..<1280]))
        #expect(part == Array(codes[10 * one.layout.count..<20 * one.layout.count]))
        func error(_ taken: SampleCoder.Taken) throws -> Float {
            let back = try one.samples(0..<64, codes: codes, taken)
            return zip(back, Self.images).map { abs($0 - $1) }.max() ?? .infinity
        }
        #expect(try error(.init(eta: true, residual: true)) < 1e-6)
        #expect(try error(.init(eta: true, residual: false)) > 1e-3)
        var fresh = one
        fresh.seed = 9
        let drawn = try fresh.samples(0..<64, codes: codes, .init(eta: false, residual: true))
        #expect(try drawn != one.samples(0..<64, codes: codes, .init(eta: true, residual: true)))
    }

    /// A network without a latent has codes without η.
    @Test func codesWithoutALatent() throws {
        let coder = try Self.coder(batch: 4, smd: false)
        #expect(coder.layout.etaElements == 0 && coder.layout.count == 64 * 9)
        let codes = try coder.codes(0..<3, x0: Array(Self.images[..<192]))
        let back = try coder.samples(0..<3, codes: codes, .init(eta: false, residual: true))
        #expect(zip(back, Self.images).allSatisfy { abs($0 - $1) < 1e-6 })
    }

    /// Great circles keep the length, and lead from one end to the other.
    @Test func betweenCodes() throws {
        let (a, b): ([Float], [Float]) = ([3, 0, 0], [0, 3, 0])
        let half = sphericallyBetween(a, b, 0.5)
        #expect(zip(half, [2.1213204, 2.1213204, 0]).allSatisfy { abs($0 - $1) < 1e-6 })
        let third = sphericallyBetween(a, b, 1.0 / 3)
        #expect(abs(third[0] - 3 * cos(Float.pi / 6)) < 1e-6 && abs(third[1] - 1.5) < 1e-6)
        #expect(sphericallyBetween(a, a, 0.5) == a && sphericallyBetween(a, [0, 0, 0], 0.5) == [1.5, 0, 0])
        let coder = try Self.coder(batch: 2)
        let codes = try coder.codes(0..<2, x0: Array(Self.images[..<128]))
        let (first, second) = (Array(codes[..<coder.layout.count]), Array(codes[coder.layout.count...]))
        func near(_ x: [Float], _ y: [Float]) -> Bool { zip(x, y).allSatisfy { abs($0 - $1) < 1e-5 } }
        #expect(near(coder.between(first, second, 0), first) && near(coder.between(first, second, 1), second))
        let middle = coder.between(first, second, 0.5)
        let place = coder.layout.place(2, .noise)
        func length(_ x: [Float]) -> Float { x[place].reduce(0) { $0 + $1 * $1 }.squareRoot() }
        #expect(length(middle) > 0.9 * min(length(first), length(second)))
    }
}
