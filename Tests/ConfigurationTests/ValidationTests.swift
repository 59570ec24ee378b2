import Configuration
import NeuralNetwork
import Testing

/// Every absurdity is refused with its key and what is wanted.
@Suite struct ValidationTests {
    @Test func theDefaultsAreRight() {
        #expect(complaint { _ in } == "(accepted)")
        #expect(complaint { $0.data = "" } == "data is not set, wanted the path of a data set: data: fashion-mnist.h5")
    }

    /// What a classifier has not is refused, not passed over.
    @Test func classifiers() {
        func complaint(_ settings: String...) -> String {
            do {
                let all = ["data=a.h5", "method=classifier"] + settings
                try RunConfiguration.load(text: "{}", name: "test", overrides: all).validate()
                return "(accepted)"
            } catch { return "\(error)" }
        }
        #expect(complaint() == "model.smd is true, but a classifier has no mixture: model.smd=false")
        #expect(complaint("model.smd=false") == "(accepted)")
        #expect(
            complaint("model.smd=false", "model.self_condition=true")
                == "model.self_condition is true, but a classifier estimates no x0: model.self_condition=false")
        #expect(
            complaint("model.smd=false", "model.classes=1")
                == "model.classes is 1, wanted 2 or more, or 0: those of the data set's labels")
    }

    /// What a density has not is refused, not passed over, and so is a density that is none.
    @Test(arguments: [
        ([], "(accepted)"),
        (["target.kind=funnel", "model.channels=10"], "(accepted)"),
        (["target.kind=mixture", "target.file=m.h5", "model.channels=7"], "(accepted)"),
        (["model.dim_mults=[1, 2, 3]", "model.groups=7"], "(accepted)"),  // of no network here
        (
            ["data=a.h5"],
            "data is a.h5, but method dds draws from a density and has no data: leave it out"
        ),
        (["model.smd=true"], "model.smd is true, but a diffusion sampler has no mixture: model.smd=false"),
        (["model.size=2"], "model.size is 2, but a density is one of points: model.size=1"),
        (["model.channels=3"], "model.channels is 3, but target.kind gaussians is of the plane: model.channels=2"),
        (
            ["target.kind=funnel", "model.channels=1"],
            "model.channels is 1, but a funnel has 2 dimensions or more: model.channels=10"
        ),
        (["target.kind=prior"], "target.file is none, wanted the file of the prior: target.file=FILE"),
        (
            ["target.file=m.h5"],
            "target.file is m.h5, but target.kind is gaussians, of no file: target.file=none"
        ),
        (
            ["micro_batch_size=0"],
            "micro_batch_size is 0, but each path is compared with the others of its micro-batch: micro_batch_size=128"
        ),
        (
            ["micro_batch_size=1"],
            "micro_batch_size is 1, but each path is compared with the others of its micro-batch: micro_batch_size=128"
        ),
        (
            ["spike_factor=5"],
            "spike_factor is 5.0, but the loss of method dds may be below 0, and has no usual size: spike_factor=0"
        ),
        (["model.classes=3"], "model.classes is 3, but a density has none: model.classes=0"),
        (["crop=random"], "crop is random, but a density has no images: crop=none"),
        (["first_stage=a.h5"], "first_stage is a.h5, but a density has no latents: leave it out"),
        (["dds.width=7"], "dds.width is 7, wanted an even number"),
        (["dds.steps=1"], "dds.steps is 1, wanted an integer from 2 to 100000"),
        (["dds.deviation=0"], "dds.deviation is 0.0, wanted a number above 0.0, at most 1000000.0"),
    ])
    func densities(settings: [String], wanted: String) {
        let base = ["method=dds", "model.smd=false", "model.size=1", "model.channels=2", "micro_batch_size=64"]
        do {
            try RunConfiguration.load(text: "{}", name: "test", overrides: base + settings).validate()
            #expect(wanted == "(accepted)")
        } catch { #expect("\(error)" == wanted) }
    }

    @Test func aDecayLeadsDown() {
        let wanted = "learning_rate_end is 0.01, above the 0.0001 of learning_rate that it is a decay from"
        #expect(complaint { ($0.learningRateEnd, $0.learningRateDecay) = (0.01, .linear) } == wanted)
        #expect(complaint { $0.learningRateEnd = 0.01 } == "(accepted)")
    }

    @Test(arguments: [
        ("steps=0", "steps is 0, wanted an integer from 1 to 1000000000"),
        ("batch_size=-1", "batch_size is -1, wanted an integer from 1 to 1048576"),
        ("micro_batch_size=-1", "micro_batch_size is -1, wanted an integer from 0 to 1048576"),
        ("learning_rate=0", "learning_rate is 0.0, wanted a number above 0.0, at most 10.0"),
        ("learning_rate_warmup=-1", "learning_rate_warmup is -1, wanted an integer from 0 to 1000000000"),
        ("learning_rate_end=11", "learning_rate_end is 11.0, wanted 0 or more, at most 10"),
        ("ema.half_life_images=-1", "ema.half_life_images is -1.0, wanted 0 (off: `ema.decay`) or more"),
        ("ema.ramp=-0.5", "ema.ramp is -0.5, wanted 0 (off) or more"),
        ("model.classes=70000", "model.classes is 70000, wanted an integer from 0 to 65536"),
        ("checkpoint_every=-5", "checkpoint_every is -5, wanted an integer from 0 to 1000000000"),
        ("keep_checkpoints=0", "keep_checkpoints is 0, wanted an integer from 1 to 1000000"),
        ("preview_every=-1", "preview_every is -1, wanted an integer from 0 to 1000000000"),
        ("preview_count=0", "preview_count is 0, wanted an integer from 1 to 1024"),
        ("log_every=-1", "log_every is -1, wanted an integer from 0 to 1000000000"),
        ("eta_variance_every=-1", "eta_variance_every is -1, wanted an integer from 0 to 1000000000"),
        ("optimizer.beta1=1", "optimizer.beta1 is 1.0, wanted 0 or more and below 1"),
        ("optimizer.beta2=-0.1", "optimizer.beta2 is -0.1, wanted 0 or more and below 1"),
        ("optimizer.epsilon=0", "optimizer.epsilon is 0.0, wanted a number above 0.0, at most 1.0"),
        ("optimizer.clip_norm=-1", "optimizer.clip_norm is -1.0, wanted 0 (no clip) or more"),
        ("ema.decay=1", "ema.decay is 1.0, wanted 0 or more and below 1"),
        ("ema.every=0", "ema.every is 0, wanted an integer from 1 to 1000000000"),
        ("ema.start=-1", "ema.start is -1, wanted an integer from 0 to 1000000000"),
        ("diffusion.timesteps=0", "diffusion.timesteps is 0"),
        ("diffusion.sampling_steps=0", "diffusion.sampling_steps is 0"),
        ("diffusion.sampling_steps=1001", "diffusion.sampling_steps is 1001; it must be in 1 ... 1000"),
        ("diffusion.ddim_eta=-1", "diffusion.ddim_eta is -1.0"),
        ("diffusion.offset_noise=-1", "diffusion.offset_noise is -1.0"),
        ("model.size=0", "model.size is 0, wanted an integer from 1 to 4096"),
        (
            "model.size=36",
            "model.size is 36, not divisible by 8: the 4 stages of model.dim_mults halve it 3 times; 32 or 40 would fit, "
                + "or fewer stages"
        ),
        ("model.size=4", "model.size is 4, not divisible by 8"),
        ("model.channels=0", "model.channels is 0, wanted an integer from 1 to 1024"),
        ("model.dim=0", "model.dim is 0, wanted an integer from 4 to 8192"),
        ("model.dim=2", "model.dim is 2, wanted an integer from 4 to 8192"),
        ("model.dim=33", "model.dim is 33, wanted an even number (sines and cosines)"),
        (
            "model.dim=30",
            "model.groups is 4, which does not divide the 30 channels of the first stage and the final block; "
                + "groups that fit: 1, 2, 3, 5, 6, 10, 15, 30"
        ),
        ("model.dim_mults=[]", "model.dim_mults has 0 entries, wanted 1 to 12: one a stage"),
        ("model.dim_mults=[1,0]", "model.dim_mults is 0, wanted an integer from 1 to 256"),
        ("model.full_attention=[true]", "model.full_attention has 1 entries for the 4 stages of model.dim_mults"),
        ("model.groups=0", "model.groups is 0, wanted an integer from 1 to 8192"),
        ("model.heads=0", "model.heads is 0, wanted an integer from 1 to 1024"),
        ("model.head_dim=0", "model.head_dim is 0, wanted the channels of one attention head"),
        ("model.head_dim=-1", "model.head_dim is -1, wanted an integer from 0 to 1024"),
        ("model.learned_variance=true", "model.learned_variance is true, but diffusion.loss is squared_error"),
        ("diffusion.loss=hybrid", "diffusion.loss is hybrid, which trains the variance of a step"),
        ("diffusion.variance=learned", "diffusion.variance is learned, but the network says nothing of it"),
        ("diffusion.respacing=ddim999", "diffusion.respacing is 'ddim999', but no whole stride over 1000 steps"),
        ("model.label_dropout=1", "model.label_dropout is 1.0, wanted 0 or more and below 1"),
        ("model.label_dropout=0.1", "model.label_dropout is 0.1, but the network is told no classes to leave out"),
        ("model.classes=1", "model.classes is 1, wanted 2 or more, or 0: none"),
        ("model.latent_dim=0", "model.latent_dim is 0, wanted an integer from 1 to 8192"),
        ("model.hypernet_layers=0", "model.hypernet_layers is 0, wanted an integer from 1 to 64"),
        ("model.identifier.dim=7", "model.identifier.dim is 7, wanted an even number (sines and cosines)"),
        (
            "model.identifier.dim_mults=1,2,2,2,2,2,2",
            "model.size is 32, not divisible by 64: the 7 stages of "
                + "model.identifier.dim_mults halve it 6 times; 64 would fit, or fewer stages"
        ),
        ("model.augment=1.5", "model.augment is 1.5, wanted 0 (off) to 1"),
        ("ema.widths=0.05,0.3", "ema.widths is 0.3, wanted a number from 0.005 to 0.28"),
        ("ema.widths=0.05,0.05", "ema.widths is [0.05, 0.05], wanted at most 8 different widths"),
        ("ema.snapshot_every=10", "ema.snapshot_every is 10, but there are no averages to keep"),
        ("model.identifier.groups=5", "model.identifier.groups is 5, which does not divide the 32 channels"),
        ("model.identifier.heads=0", "model.identifier.heads is 0"),
        ("model.identifier.head_dim=0", "model.identifier.head_dim is 0"),
    ])
    func refused(override: String, message: String) throws {
        let found = try RunConfiguration.load(text: "data: x.h5", name: "run.yaml", overrides: [override])
        let error = #expect(throws: ConfigurationError.self) { try found.validate() }
        #expect(error?.description.hasPrefix(message) == true, "\(error?.description ?? "accepted")")
    }

    /// Values that a file cannot hold but code can.
    @Test func notFinite() {
        #expect(complaint { $0.learningRate = .nan }.hasPrefix("learning_rate is nan"))
        #expect(complaint { $0.learningRate = .infinity }.hasPrefix("learning_rate is inf"))
        #expect(complaint { $0.optimizer.clipNorm = .nan }.hasPrefix("optimizer.clip_norm is nan"))
        #expect(complaint { $0.optimizer.beta1 = .nan }.hasPrefix("optimizer.beta1 is nan"))
        #expect(complaint { $0.optimizer.epsilon = .nan }.hasPrefix("optimizer.epsilon is nan"))
        #expect(complaint { $0.ema.decay = .nan }.hasPrefix("ema.decay is nan"))
        var configuration = RunConfiguration()
        configuration.learningRate = .nan
        #expect(throws: ConfigurationError.self) { try configuration.resolvedJSON() }
    }

    @Test func productsBeyondMemoryAreRefused() {
        let message = complaint {
            $0.batchSize = 1 << 20
            $0.microBatchSize = 1 << 20
            $0.model.size = 4096
            $0.model.unet.dim = 8192
            $0.model.unet.dimMults = [1, 256]
        }
        #expect(message.hasPrefix("micro_batch_size 1048576 × model.size 4096² × 2097152 channels is"))
    }

    /// The identifier's sizes mean nothing to a vanilla network.
    @Test func unusedSizesDoNotCount() {
        #expect(
            complaint {
                $0.model.smd = false
                $0.model.latentDim = 0
                $0.model.identifier.dim = 7
            } == "(accepted)")
    }

    @Test func points() {
        #expect(
            complaint {
                $0.model.size = 1
                $0.model.channels = 2
                $0.model.unet.dimMults = [1]
                $0.model.identifier.dimMults = [1]
            } == "(accepted)")
        #expect(complaint { $0.model.size = 1 }.contains("; 8 would fit, or fewer stages"))
    }
}

/// The batch, the micro-batch and the ranks.
@Suite struct BatchTests {
    private func configuration(_ batch: Int, _ micro: Int) -> RunConfiguration {
        var result = RunConfiguration()
        result.data = "x.h5"
        result.batchSize = batch
        result.microBatchSize = micro
        // 32 channels of 32×32 pixels: 128 KiB an image, 16 images in 2 MiB.
        result.model.unet.dim = 32
        return result
    }

    /// 2 MiB of the first stage's activations, but never less than one image or more than 32.
    @Test(arguments: [(128, 32, 4), (32, 32, 16), (32, 16, 32), (512, 256, 1)])
    func microBatchesSuitTheCaches(dim: Int, size: Int, wanted: Int) throws {
        var found = configuration(256, 0)
        (found.model.unet.dim, found.model.size) = (dim, size)
        #expect(try found.microBatchSize(ranks: 1) == wanted)
    }

    @Test(arguments: [
        (128, 0, 1, 16), (128, 0, 4, 16), (128, 0, 16, 8), (96, 0, 2, 12), (128, 8, 2, 8), (20, 0, 1, 10),
        (37, 0, 1, 1), (1, 0, 1, 1), (66, 0, 1, 11),
    ])
    func microBatch(batch: Int, micro: Int, ranks: Int, wanted: Int) throws {
        let found = configuration(batch, micro)
        #expect(try found.microBatchSize(ranks: ranks) == wanted)
        #expect(try found.batchPlan(ranks: ranks).microBatchesPerRank * ranks * wanted == batch)
    }

    @Test(arguments: [
        (
            128, 0, 3,
            "batch_size 128 is not divisible by 3 ranks; what would fit: batch_size 126 or 129; or 2 or 4 ranks"
        ),
        (
            128, 32, 3,
            "batch_size 128 is not divisible by 3 ranks × micro_batch_size 32; what would fit: batch_size 96 or 192; "
                + "or 2 or 4 ranks"
        ),
        (
            128, 32, 8,
            "batch_size 128 is not divisible by 8 ranks × micro_batch_size 32; what would fit: batch_size 256; "
                + "or micro_batch_size 16; or 4 ranks"
        ),
        (
            96, 32, 2,
            "batch_size 96 is not divisible by 2 ranks × micro_batch_size 32; what would fit: batch_size 64 or 128; "
                + "or micro_batch_size 24 or 48; or 1 or 3 ranks"
        ),
        (
            100, 32, 1,
            "batch_size 100 is not divisible by 1 rank × micro_batch_size 32; what would fit: batch_size 96 or 128; "
                + "or micro_batch_size 25 or 50"
        ),
        (
            100, 32, 2,
            "batch_size 100 is not divisible by 2 ranks × micro_batch_size 32; what would fit: batch_size 64 or 128; "
                + "or micro_batch_size 25 or 50"
        ),
        (4, 0, 8, "batch_size 4 is not divisible by 8 ranks; what would fit: batch_size 8; or 4 ranks"),
    ])
    func whatWouldFit(batch: Int, micro: Int, ranks: Int, message: String) {
        #expect(
            complaint(ranks: ranks) {
                $0.batchSize = batch
                $0.microBatchSize = micro
            } == message)
    }

    /// Micro-batch, leaves, and the leaves of a thread; whether sums are exact.
    @Test(arguments: [
        (128, 0, 1, 1, 16, 8, 8, true), (128, 0, 4, 2, 16, 8, 1, true), (128, 0, 16, 1, 8, 16, 1, false),
        (128, 8, 16, 1, 8, 16, 1, true), (32, 0, 2, 1, 4, 8, 4, true), (96, 0, 3, 1, 16, 3, 1, false),
        (24, 2, 2, 2, 2, 4, 1, true), (24, 2, 1, 3, 2, 3, 1, false), (37, 0, 1, 1, 1, 1, 1, true),
    ])
    func exactSums(
        batch: Int, micro: Int, ranks: Int, threads: Int, size: Int, leaves: Int, ofThread: Int, exact: Bool
    ) throws {
        var found = configuration(batch, micro)
        let plan = try found.batchPlan(ranks: ranks, threads: threads)
        #expect(plan.microBatchSize == size && plan.leaves == leaves && plan.leavesPerThread == ofThread)
        #expect(plan.isExact == exact && (plan.whyNotExact == nil) == exact)
        found.reduction = .fast
        #expect(try found.batchPlan(ranks: ranks, threads: threads).isExact == false)
        found.reduction = .exact
        if exact {
            #expect(try found.batchPlan(ranks: ranks, threads: threads) == plan)
        } else {
            #expect(throws: ConfigurationError.self) { try found.batchPlan(ranks: ranks, threads: threads) }
        }
    }

    /// Points come at least 128 at a time.
    @Test func pointsAreNotCutSmall() throws {
        var found = configuration(256, 0)
        found.model.size = 1
        #expect(try found.batchPlan(ranks: 2).microBatchSize == 128)
        found.batchSize = 64
        #expect(try found.batchPlan(ranks: 1).microBatchSize == 64)
    }

    /// Where the sum is exact, the micro-batch and the tree do not depend on ranks and threads.
    @Test func theTreeIsTheConfigurations() throws {
        for batch in 1...200 {
            for micro in [0, 1, 3, 4] where micro == 0 || batch.isMultiple(of: micro) {
                let found = configuration(batch, micro)
                let alone = try found.batchPlan(ranks: 1)
                #expect(alone.isExact && batch.isMultiple(of: alone.microBatchSize))
                for ranks in [1, 2, 4, 8] {
                    for threads in [1, 2, 4] {
                        guard let plan = try? found.batchPlan(ranks: ranks, threads: threads), plan.isExact else {
                            #expect(alone.leaves % (ranks * threads) != 0)
                            continue
                        }
                        #expect(plan.microBatchSize == alone.microBatchSize && plan.leaves == alone.leaves)
                        let parts = (0..<ranks).flatMap { rank in
                            (0..<threads).flatMap { plan.microBatches(rank: rank, thread: $0, of: threads) }
                        }
                        #expect(parts == Array(0..<batch / plan.microBatchSize))
                    }
                }
            }
        }
    }

    @Test func exactSumsThatDoNotFitAreExplained() {
        func complaintOf(_ ranks: Int, _ threads: Int, _ micro: Int) -> String {
            var found = configuration(128, micro)
            found.reduction = .exact
            do {
                try found.validate(ranks: ranks, threads: threads)
                return "(accepted)"
            } catch { return "\(error)" }
        }
        let start = "reduction is exact, but batch_size 128 in micro-batches of 16 makes 8 equal parts, which "
        #expect(
            complaintOf(16, 2, 0) == start + "16 ranks × 2 threads cannot share; what would fit: ranks × threads = a "
                + "power of two, at most 8; or micro_batch_size 4; or reduction fast")
        #expect(
            complaintOf(3, 1, 16) == start + "3 ranks × 1 thread cannot share; what would fit: ranks × threads = a "
                + "power of two, at most 8")
        #expect(complaintOf(1, 1, 48).contains("batch_size 128 is not divisible by 1 rank × micro_batch_size 48"))
        #expect(complaintOf(256, 1, 0).hasSuffix("ranks × threads = a power of two, at most 8"))
    }

    /// Threads divide the batch as ranks do.
    @Test func threads() throws {
        for (batch, micro, ranks, threads, wanted) in [(128, 0, 2, 2, 16), (128, 0, 1, 16, 8), (96, 8, 3, 4, 8)] {
            let found = configuration(batch, micro)
            #expect(try found.microBatchSize(ranks: ranks, threads: threads) == wanted)
            #expect(
                try found.batchPlan(ranks: ranks, threads: threads).microBatchesPerRank * ranks * wanted == batch)
            #expect(try found.batchPlan(ranks: ranks, threads: threads).microBatchesPerRank.isMultiple(of: threads))
        }
        let message = "batch_size 64 is not divisible by 2 ranks × 4 threads × micro_batch_size 16; what would fit: "
        #expect(
            throws: ConfigurationError(message + "batch_size 128; or micro_batch_size 8; or 1 rank")
        ) {
            try configuration(64, 16).validate(ranks: 2, threads: 4)
        }
    }

    @Test func eachSuggestionFits() throws {
        for ranks in 1...12 {
            for batch in 1...40 {
                for micro in 1...6 where !batch.isMultiple(of: ranks * micro) {
                    let message = complaint(ranks: ranks) {
                        $0.batchSize = batch
                        $0.microBatchSize = micro
                    }
                    let parts = message.components(separatedBy: "what would fit: ").last ?? ""
                    #expect(parts != message)
                    for part in parts.components(separatedBy: "; or ") {
                        for number in part.matches(of: /[0-9]+/).compactMap({ Int($0.output) }) {
                            let isBatch = part.hasPrefix("batch_size")
                            let isMicro = part.hasPrefix("micro_batch_size")
                            let found = configuration(isBatch ? number : batch, isMicro ? number : micro)
                            #expect(throws: Never.self, "\(message)") {
                                try found.validate(ranks: isBatch || isMicro ? ranks : number)
                            }
                        }
                    }
                }
            }
        }
    }
}
