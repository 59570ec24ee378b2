import Diffusion
import NeuralNetwork
import Philox
import TensorGraph
import Testing

@Suite struct LossTests {
    private static func model(smd: Bool = true, eta: EtaDistribution = .normal) -> ModelConfiguration {
        var model = ModelConfiguration()
        (model.size, model.channels, model.unet.dim, model.unet.dimMults) = (2, 2, 8, [1, 2])
        (model.smd, model.eta) = (smd, eta)
        return model
    }

    /// The numbers of a sample are those of its place, whoever asks for it and together with which others.
    @Test func drawsBelongToTheSample() {
        let loss = SquaredError(Self.model())
        let places = [(epoch: 0, position: 3), (1, 0), (1, 7)]
        let all = Drawn(loss.draws, seed: 5, at: places)
        for (slot, place) in places.enumerated() {
            let alone = Drawn(loss.draws, seed: 5, at: [place])
            for draw in loss.draws {
                let part = slot * draw.elements..<(slot + 1) * draw.elements
                #expect(Array(all[draw.name][part]) == alone[draw.name], "\(draw.name)")
            }
        }
        let noise = RandomStream(seed: 5, purpose: .noise).normals(count: 8, epoch: 1, position: 7)
        #expect(Array(all["noise"].suffix(8)) == noise)
        #expect(
            all.timesteps[0] == RandomStream(seed: 5, purpose: .timestep).integer(below: 1000, epoch: 0, position: 3))
        #expect(all["noise"] != all["eta"])
    }

    /// What any loss makes are exactly the inputs of its graph, in their sizes.
    @Test(arguments: LossKind.allCases, [true, false]) func everyLossMakesItsInputs(kind: LossKind, smd: Bool) {
        let loss = kind.of(Self.model(smd: smd), DiffusionConfiguration())
        let inputs = loss.inputs(
            x0: [Float](repeating: 0.5, count: 3 * 8), Drawn(loss.draws, seed: 1, at: [(0, 0), (0, 1), (0, 2)]))
        let graph = loss.graph(batch: 3, scale: 1)
        let wanted = graph.values.compactMap { value in
            if case .input(let name) = value.role { (name, value.count) } else { nil }
        }
        #expect(inputs.mapValues(\.count) == Dictionary(uniqueKeysWithValues: wanted))
        #expect(Set(graph.results.keys).isSuperset(of: ["loss", "output"]) && inputs["timestep"]?.count == 3)
    }

    /// Those of the published loss in all its forms.
    @Test(arguments: [(true, EtaDistribution.normal), (true, .zero), (false, .normal)], [0.0, 0.1])
    func inputsAreThoseOfTheGraph(_ network: (smd: Bool, eta: EtaDistribution), offsetNoise: Double) throws {
        var diffusion = DiffusionConfiguration()
        diffusion.offsetNoise = offsetNoise
        let loss = SquaredError(Self.model(smd: network.smd, eta: network.eta), diffusion)
        let drawn = Drawn(loss.draws, seed: 1, at: [(0, 0), (0, 1), (0, 2)])
        let x0 = [Float](repeating: 0.5, count: 3 * 8)
        let inputs = loss.inputs(x0: x0, drawn)
        var wanted: [String: Int] = [:]
        for value in loss.graph(batch: 3, scale: 1).values {
            if case .input(let name) = value.role { wanted[name] = value.count }
        }
        #expect(inputs.mapValues(\.count) == wanted)
        #expect(inputs["timestep"] == drawn["timestep"])
        #expect(inputs["weight"] == drawn.timesteps.map { Float(loss.process.weight($0)) })
        #expect(inputs["eta"].map { $0.contains { $0 != 0 } } == (network.smd ? network.eta == .normal : nil))
        #expect(loss.draws.contains { $0.name == "offset" } == (offsetNoise > 0))
    }

    /// A classifier sees clean images at t = 0, or x_t with its t; its labels come from elsewhere.
    @Test(arguments: [false, true]) func crossEntropySeesWhatItIsToClassify(noised: Bool) {
        var model = Self.model(smd: false)
        model.classes = 3
        let loss = CrossEntropy(model, DiffusionConfiguration(), noised: noised)
        let drawn = Drawn(loss.draws, seed: 1, at: [(0, 0), (0, 1), (0, 2)])
        let x0 = (0..<24).map { Float($0) / 24 }
        let inputs = loss.inputs(x0: x0, drawn)
        var wanted: [String: Int] = [:]
        for value in loss.graph(batch: 3, scale: 1).values {
            if case .input(let name) = value.role { wanted[name] = value.count }
        }
        #expect(inputs.mapValues(\.count).merging([labelInput: 3]) { $1 } == wanted && loss.readsLabels)
        #expect(inputs["weight"] == [1, 1, 1])
        if noised {
            let t = RandomStream(seed: 1, purpose: .timestep).integer(below: 1000, epoch: 0, position: 2)
            let noise = RandomStream(seed: 1, purpose: .noise).normals(count: 8, epoch: 0, position: 2)
            let alphaBar = NoiseSchedule(kind: .sigmoid, timesteps: 1000).alphaBars[t]
            let x = Float(alphaBar.squareRoot()) * x0[16] + Float((1 - alphaBar).squareRoot()) * noise[0]
            #expect(inputs["timestep"]?[2] == Float(t) && abs((inputs["x"]?[16] ?? 0) - x) < 1e-6)
        } else {
            #expect(inputs["timestep"] == [0, 0, 0] && inputs["x"] == x0)
        }
    }
}
