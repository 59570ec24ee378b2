import NeuralNetwork
import TensorGraph
import Testing

/// Sizes of ADM against those of the published networks.
@Suite struct ADMTests {
    /// A published network: its settings, and its parameters and forward GFLOP an image as counted in PyTorch 2.12 on the
    /// public code (a multiply-add is two; GFLOP where they were counted).
    struct Published: CustomTestStringConvertible, Sendable {
        let name: String
        let (size, dim, blocks): (Int, Int, Int)
        let mults: [Int]
        let attention: [Int]
        let (heads, headDim, classes): (Int, Int, Int)
        let resampling: Resampling
        let isScaled: Bool
        let millions: Double
        let gigaflop: Double?
        var testDescription: String { name }

        var model: ModelConfiguration {
            var model = ModelConfiguration()
            (model.backbone, model.smd, model.learnedVariance) = (.adm, false, true)
            (model.size, model.classes) = (size, classes)
            (model.unet.dim, model.unet.dimMults, model.unet.groups) = (dim, mults, 32)
            (model.unet.heads, model.unet.headDim) = (heads, headDim)
            (model.unet.adm.blocks, model.unet.adm.attentionSizes) = (blocks, attention)
            (model.unet.adm.resampling, model.unet.adm.scaleShift) = (resampling, isScaled)
            return model
        }
    }

    static let published = [
        Published(
            name: "ADM LSUN", size: 256, dim: 256, blocks: 2, mults: [1, 1, 2, 2, 4, 4], attention: [32, 16, 8],
            heads: 1, headDim: 64, classes: 0, resampling: .block, isScaled: true, millions: 552.8, gigaflop: 2240),
        Published(
            name: "ADM ImageNet 64", size: 64, dim: 192, blocks: 3, mults: [1, 2, 3, 4], attention: [32, 16, 8],
            heads: 1, headDim: 64, classes: 1000, resampling: .block, isScaled: true, millions: 295.9, gigaflop: 219),
        Published(
            name: "ADM ImageNet 128", size: 128, dim: 256, blocks: 2, mults: [1, 1, 2, 3, 4], attention: [32, 16, 8],
            heads: 4, headDim: 0, classes: 1000, resampling: .block, isScaled: true, millions: 421.5, gigaflop: nil),
        Published(
            name: "improved CIFAR-10", size: 32, dim: 128, blocks: 3, mults: [1, 2, 2, 2], attention: [16, 8], heads: 4,
            headDim: 0, classes: 0, resampling: .convolution, isScaled: true, millions: 52.5, gigaflop: 16.8),
        Published(
            name: "improved ImageNet 64", size: 64, dim: 128, blocks: 3, mults: [1, 2, 3, 4], attention: [16, 8],
            heads: 4, headDim: 0, classes: 0, resampling: .convolution, isScaled: true, millions: 121.1, gigaflop: nil),
        Published(
            name: "improved LSUN", size: 256, dim: 128, blocks: 2, mults: [1, 1, 2, 2, 4, 4], attention: [16], heads: 1,
            headDim: 0, classes: 0, resampling: .convolution, isScaled: false, millions: 113.7, gigaflop: nil),
    ]

    @Test(arguments: published) func parametersAndWorkArePublished(network: Published) {
        #expect(network.model.fault == nil)
        let graph = Denoiser(network.model).inferenceGraph(batch: 1)
        let millions = Double(graph.parameterCount) / 1e6
        #expect(abs(millions - network.millions) < 0.06, "\(millions)")
        guard let wanted = network.gigaflop else { return }
        let found = Double(ExecutionPlan(graph).floatingPointOperations) / 1e9
        #expect(abs(found / wanted - 1) < 0.005, "\(found)")
    }

    /// What starts at zero: the last convolution of each residual block, of each attention, and of the network; not of the
    /// identifier, whose latent would be the same for every η.
    @Test func endsStartAtZero() {
        var model = Self.published[3].model
        (model.smd, model.latentDim) = (true, 8)
        (model.identifier.groups, model.identifier.headDim) = (8, 0)
        let graph = Denoiser(model).inferenceGraph(batch: 1)
        for parameter in graph.parameters where parameter.name.hasSuffix("weight") {
            let ends = [".out_layers.3.weight", ".proj_out.weight", "model.out.2.weight"]
            #expect(ends.contains { parameter.name.hasSuffix($0) } == (parameter.initializer == .constant(0)))
        }
        #expect(graph.parameters.contains { $0.name == "identifier.out.2.weight" })
    }

    /// Numbers are dropped in training only, and in as many places as there are residual blocks.
    @Test func dropoutIsOfTraining() {
        var model = Self.published[3].model
        model.unet.adm.dropout = 0.3
        func drops(_ graph: Graph) -> [Operation] { graph.nodes.map(\.operation).filter { $0.name == "dropout" } }
        #expect(drops(Denoiser(model).inferenceGraph(batch: 1)).isEmpty)
        let graph = Graph()
        graph.keep(Denoiser(model)(graph, batch: 1).output, as: "output")
        // 12 on the way down, 2 in the middle, 16 up.
        #expect(drops(graph).count == 30 && Set(drops(graph)).count == 30)
    }

    private static let faults: [(words: String, change: @Sendable (inout ModelConfiguration) -> Void)] = [
        ("attention_sizes holds 5; the stages work at 32, 16, 8, 4", { $0.unet.adm.attentionSizes = [5] }),
        ("model.heads is 3, which does not divide the 256", { $0.unet.heads = 3 }),
        ("model.heads_up is 3, which does not divide the 256", { $0.unet.adm.headsUp = 3 }),
        ("model.head_dim is 48, which does not divide the 256", { $0.unet.headDim = 48 }),
        ("model.groups is 48, which does not divide the 128", { $0.unet.groups = 48 }),
        ("model.size is 20, not divisible by 8", { $0.size = 20 }),
        ("model.learned_variance is true, but model.head is mixture", { $0.head = .mixture }),
        ("model.head_dim is 0, wanted", { $0.backbone = .ddpm }),
    ]

    @Test func networksThatCannotBe() {
        for (words, change) in Self.faults {
            var model = Self.published[3].model
            change(&model)
            #expect(model.fault?.contains(words) == true, "\(words): \(model.fault ?? "no fault")")
        }
    }
}
