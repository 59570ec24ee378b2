import Diffusion
import NeuralNetwork
import Testing

/// Which samples a network is told no class of.
@Suite struct LabelDropoutTests {
    private static func model(_ share: Double) -> ModelConfiguration {
        var model = ModelConfiguration()
        (model.size, model.channels, model.classes, model.labelDropout) = (1, 2, 3, share)
        return model
    }

    /// The share of them is that of the key, within four standard deviations of the binomial distribution, in each class; all
    /// others keep their class.
    @Test(arguments: [0.1, 0.5, 0.9]) func theShareIsTheOneAskedFor(share: Double) {
        let loss = SquaredError(Self.model(share))
        let count = 12_000
        let drawn = Drawn(loss.draws, seed: 5, at: (0..<count).map { (epoch: 2, position: $0) })
        let labels = (0..<count).map { Float($0 % 3) }
        let told = loss.model.told(labels, drawn)
        for label in 0..<3 {
            let ofClass = zip(labels, told).filter { $0.0 == Float(label) }
            let dropped = ofClass.count { $0.1 == 3 }
            let bound = 4 * (share * (1 - share) * Double(ofClass.count)).squareRoot()
            #expect(abs(Double(dropped) - share * Double(ofClass.count)) < bound, "class \(label): \(dropped)")
            #expect(ofClass.allSatisfy { $0.1 == $0.0 || $0.1 == 3 })
        }
    }

    /// It belongs to the sample: its epoch and its place, not to those around it.
    @Test func itBelongsToTheSample() {
        let loss = SquaredError(Self.model(0.5))
        func told(_ places: [(epoch: Int, position: Int)]) -> [Float] {
            loss.model.told(places.map { _ in 1 }, Drawn(loss.draws, seed: 5, at: places))
        }
        let places = (0..<64).map { (epoch: 1, position: $0) }
        let all = told(places)
        #expect(places.indices.map { told([places[$0]])[0] } == all)
        #expect(told(places.map { (epoch: 2, position: $0.position) }) != all)
    }

    /// Where no class is left out nothing is drawn for it, and the table has no row for none.
    @Test func withoutItNothingChanges() {
        let loss = SquaredError(Self.model(0))
        #expect(!loss.draws.contains { $0.name == "label_dropout" })
        #expect(loss.model.told([0, 2], Drawn([:])) == [0, 2])
        func rows(_ model: ModelConfiguration) -> Int? {
            Denoiser(model).inferenceGraph(batch: 1).parameters.first { $0.name == "model.label_emb.weight" }?.shape[0]
        }
        var (plain, guided) = (ModelConfiguration(), ModelConfiguration())
        (plain.classes, guided.classes, guided.labelDropout) = (10, 10, 0.1)
        #expect(rows(ModelConfiguration()) == nil && rows(plain) == 10 && rows(guided) == 11)
    }
}
