import Configuration
import Foundation
import NeuralNetwork
import TestSupport
import Testing

/// The configuration as it is stored, compared and documented.
@Suite struct StoredTests {
    private var unusual: RunConfiguration {
        var result = RunConfiguration()
        result.data = "a \"quoted\" folder/with\\ünïcode and \u{1F600}.h5"
        result.seed = .max
        result.learningRate = 0.1 + 0.2
        result.optimizer.epsilon = 1e-300
        result.model.unet.fullAttention = [false, true, false, true]
        result.model.eta = .zero
        result.model.identifier.dimMults = [3]
        return result
    }

    @Test func jsonRoundTrip() throws {
        for configuration in [RunConfiguration(), unusual] {
            let json = try configuration.resolvedJSON()
            #expect(!json.contains("\n"))
            #expect(try RunConfiguration(json: json) == configuration)
            #expect(try RunConfiguration(json: json).resolvedJSON() == json)
        }
    }

    @Test func jsonIsSortedAndComplete() throws {
        let json = try RunConfiguration().resolvedJSON()
        let adversary =
            #"{"adversary":{"afd_weight":1,"dim":0,"entropy":false,"every":1,"joint":false,"learning_rate":0.0004,"#
        #expect(json.hasPrefix(adversary + #""regularize":0,"weight":1},"autoencoder":{"attention":true,"#))
        #expect(
            json.contains(
                "\"autoencoder\":{\"attention\":true,\"blocks\":1,\"channels\":[32,64,64],\"groups\":32,\"kind\":\"kl\",\"kl_weight\":1e-06,"
                    + "\"latent_channels\":4,\"reconstruction\":\"l1\"},\"batch_size\":128,\"cache\":\"auto\",\"check_ranks_every\":100,\"checkpoint_every\":1000,"
                    + "\"classifier\":{\"noised\":false},\"condition\":{\"score\":false,\"speed\":0},\"crop\":\"none\",\"data\":\"\","
                    + "\"dds\":{\"alpha\":0.6875,\"deviation\":1.075,\"layers\":2,\"steps\":64,\"time\":6.4,\"width\":64},"
                    + "\"diffusion\":{"
            )
        )
        #expect(json.contains("\"learning_rate\":0.0001"))
        #expect(json.contains("\"dim_mults\":[1,2,2,2]"))
    }

    /// An older checkpoint lacks the keys that came later.
    @Test func missingKeysKeepTheirDefaults() throws {
        let found = try RunConfiguration(json: #"{"model":{"dim":64}}"#)
        #expect(found.model.unet.dim == 64)
        #expect(found.model.unet.headDim == 32)
        let error = #expect(throws: ConfigurationError.self) {
            try RunConfiguration(json: #"{"colour":3}"#, name: "step-00001000.h5")
        }
        #expect(error?.description.hasPrefix("unknown key colour in step-00001000.h5 (line 1)") == true)
    }

    @Test func digest() throws {
        let first = try RunConfiguration().digest()
        #expect(first.count == 64)
        #expect(try RunConfiguration().digest() == first)
        var other = RunConfiguration()
        other.seed = 1
        #expect(try other.digest() != first)
    }

    /// All presets, sorted.
    static let presets = [
        "adm-64", "adm-cifar", "autoencoder-fashion", "cifar", "classifier-fashion", "dds-funnel", "dds-gaussians",
        "fashion", "fashion-adversarial", "fashion-classes",
        "fashion-few", "grid", "grid-adversarial", "grid-few", "ldm-celeba", "ldm-fashion", "quickstart",
    ]

    @Test(arguments: presets)
    func everyPresetIsRight(name: String) throws {
        let path = repositoryFolder + "/launch/presets/\(name).yaml"
        let preset = try RunConfiguration.load(path: path)
        for ranks in [1, 2, 4, 8, 16] { try preset.validate(ranks: ranks) }
        #expect(try Preset.path(path) == path)
    }

    @Test func thePresetsAreThoseTested() throws {
        let files = try FileManager.default.contentsOfDirectory(atPath: repositoryFolder + "/launch/presets")
        #expect(Set(files) == Set(Self.presets.map { "\($0).yaml" }))
    }

    /// The names and sizes that other documents promise.
    @Test func presetSizes() throws {
        let fashion = try RunConfiguration.load(path: repositoryFolder + "/launch/presets/fashion.yaml")
        #expect(fashion.model.unet.dim == 32 && fashion.model.unet.dimMults == [1, 2, 2, 2])
        #expect(fashion.model.latentDim == 32)
        #expect(fashion.batchSize == 128 && fashion.model.channels == 1 && fashion.model.identifier.dim == 8)
        let cifar = try RunConfiguration.load(path: repositoryFolder + "/launch/presets/cifar.yaml")
        #expect(cifar.model == ModelConfiguration())
        #expect(cifar.batchSize == 128 && cifar.microBatchSize == 0)
        #expect(try cifar.microBatchSize(ranks: 1) == 4)
    }
}
