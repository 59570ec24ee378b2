import Configuration
import Diffusion
import Testing

@Suite struct DiffusionConfigurationTests {
    @Test func missingKeysHaveTheirDefaults() throws {
        let read = try RunConfiguration(json: #"{"diffusion": {}}"#).diffusion
        #expect(read == DiffusionConfiguration())
        #expect((read.timesteps, read.samplingSteps) == (1000, 50))
        #expect((read.objective, read.schedule, read.sampler) == (.v, .sigmoid, .ddim))
    }

    @Test func everyKeySurvivesARoundTrip() throws {
        let json = #"""
            {"timesteps": 64, "objective": "pred_noise", "schedule": "linear", "min_snr": true, "offset_noise": 0.1,
            "flip": false, "clip_denoised": false, "sampler": "ancestral", "sampling_steps": 9, "ddim_eta": 0.5}
            """#
        let run = try RunConfiguration(json: #"{"diffusion": \#(json)}"#)
        var expected = DiffusionConfiguration()
        expected.timesteps = 64
        expected.objective = .noise
        expected.schedule = .linear
        expected.minSNR = true
        expected.offsetNoise = 0.1
        expected.flip = false
        expected.clipDenoised = false
        expected.sampler = .ancestral
        expected.samplingSteps = 9
        expected.ddimEta = 0.5
        #expect(run.diffusion == expected)
        #expect(try RunConfiguration(json: run.resolvedJSON()).diffusion == expected)
    }

    @Test func theDefaultsAreValid() throws {
        try DiffusionConfiguration().validate()
    }

    @Test(arguments: ["timesteps", "linear", "sampling_steps", "none", "offset_noise", "ddim_eta"])
    func badValuesAreNamed(fault: String) {
        var configuration = DiffusionConfiguration()
        switch fault {
        case "timesteps": configuration.timesteps = 0
        case "linear": (configuration.schedule, configuration.timesteps, configuration.samplingSteps) = (.linear, 20, 5)
        case "sampling_steps": configuration.samplingSteps = 1001
        case "none": configuration.samplingSteps = 0
        case "offset_noise": configuration.offsetNoise = -1
        default: configuration.ddimEta = 1.5
        }
        let error = #expect(throws: ConfigurationError.self) { try configuration.validate() }
        #expect(error?.description.contains(fault == "none" ? "sampling_steps is 0" : fault) == true)
    }
}
