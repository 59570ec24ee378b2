import Diffusion
import Foundation
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

    /// What any loss makes are exactly the inputs of its graph, in their sizes, for each network that it can train.
    @Test(arguments: LossKind.allCases, [(true, Head.single), (true, .mixture), (false, .single), (false, .mixture)])
    func everyLossMakesItsInputs(kind: LossKind, network: (smd: Bool, head: Head)) {
        var model = Self.model(smd: network.smd)
        (model.head, model.etaChannels) = (network.head, 3)
        model.learnedVariance = [.hybrid, .variational].contains(kind)
        if kind.fault(model, DiffusionConfiguration()) != nil { return }
        let loss = kind.of(model, DiffusionConfiguration())
        let inputs = loss.inputs(
            x0: [Float](repeating: 0.5, count: 3 * 8), Drawn(loss.draws, seed: 1, at: [(0, 0), (0, 1), (0, 2)]))
        let graph = loss.graph(batch: 3, scale: 1)
        let wanted = graph.values.compactMap { value in
            if case .input(let name) = value.role { (name, value.count) } else { nil }
        }
        #expect(inputs.mapValues(\.count) == Dictionary(uniqueKeysWithValues: wanted))
        #expect(Set(graph.results.keys).isSuperset(of: ["loss", "output"]) && inputs["timestep"]?.count == 3)
    }

    /// Exactly these train something; what is refused says what to set.
    @Test func eachLossNamesTheNetworksThatItTrains() {
        for kind in LossKind.allCases {
            for smd in [true, false] {
                for (head, learned) in Head.allCases.flatMap({ [($0, false), ($0, true)] }) {
                    var model = Self.model(smd: smd)
                    (model.head, model.learnedVariance) = (head, learned)
                    let fault = kind.fault(model, DiffusionConfiguration())
                    let trains =
                        switch kind {
                        case .squaredError, .adversarial: head == .single && !learned
                        case .energyScore: smd && head == .single && !learned
                        case .likelihood: head == .mixture && !learned
                        case .hybrid, .variational: head == .single && learned
                        }
                    #expect((fault == nil) == trains)
                    #expect(fault.map { $0.contains("set ") } ?? true)
                }
            }
        }
        var diffusion = DiffusionConfiguration()
        diffusion.energyWindows = [0, 3]
        #expect(LossKind.energyScore.fault(Self.model(), diffusion)?.contains("does not divide model.size 2") == true)
    }

    /// A sample's draws of the latent follow each other, and the first ones do not depend on how many there are.
    @Test func aSampleHasAsManyDrawsAsTheScoreCompares() {
        func eta(_ draws: Int, at places: [(epoch: Int, position: Int)]) -> [Float] {
            var (diffusion, model) = (DiffusionConfiguration(), Self.model())
            (diffusion.draws, model.etaChannels) = (draws, 4)
            return Drawn(EnergyScoreLoss(model, diffusion).draws, seed: 3, at: places)["eta"]
        }
        let (two, three) = (eta(2, at: [(0, 1)]), eta(3, at: [(0, 0), (0, 1)]))
        #expect(two.count == 2 * 12 && three.count == 6 * 12)
        #expect(Array(three[36..<60]) == two)
        #expect(Set(three).count > 60)
    }

    /// In front of the score stands the squared error's weight to the power β/2, so that v and x_0 weigh noise alike.
    @Test func theScoreHandsOverToTheErrorWhereNoiseIsLow() {
        var diffusion = DiffusionConfiguration()
        (diffusion.objective, diffusion.energyExponent, diffusion.energyHandover) = (.x0, 1.5, 2)
        let loss = EnergyScoreLoss(Self.model(), diffusion)
        let drawn = Drawn(loss.draws, seed: 1, at: (0..<9).map { (0, $0) })
        let inputs = loss.inputs(x0: [Float](repeating: 0.5, count: 9 * 8), drawn)
        for (n, t) in drawn.timesteps.enumerated() {
            let (alphaBar, weight) = (loss.process.schedule.alphaBars[t], loss.process.weight(t))
            let share = (1 - alphaBar) * (1 - alphaBar)
            let (energy, error) = (inputs["energy_weight"]?[n] ?? 0, inputs["error_weight"]?[n] ?? 0)
            #expect(abs(Double(energy) / (share * pow(weight, 0.75)) - 1) < 1e-5)
            #expect(abs(Double(error) - (1 - share) * weight) <= 1e-5 * weight)
        }
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
