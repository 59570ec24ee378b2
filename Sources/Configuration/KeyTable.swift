/// Every key: a new one is a property, a row here, and its use. Reading, writing, checking, resuming and
/// `docs/configuration.md` follow.
extension ConfigurationKey {
    /// All keys, in the order of the page.
    public static let all =
        run + model + diffusion + condition + adversary + classifier + autoencoder + density + optimizer + ema

    /// What concerns only how a trained network is sampled.
    public static let sampler = diffusion.filter { $0.rule == .harmless && $0.name != "diffusion.shift_file" }

    /// A number of steps that may be far beyond any run; 0 stands for "not at all".
    private static let everySteps = 0...1_000_000_000

    static let run = [
        ConfigurationKey("method", .choice(\.method), .refused, "What is trained; see [A classifier](#a-classifier):"),
        ConfigurationKey(
            "data", .path(\.data), unit: "path", .warned,
            "The HDF5 data set. Compared by its samples, not by its path. Every rank must find it there."),
        ConfigurationKey(
            "first_stage", .path(\.firstStage), unit: "path", .harmless,
            "Of latents: the checkpoint or run that encoded them, by which previews and `smd sample` show images."),
        ConfigurationKey(
            "cache", .choice(\.cache), .harmless,
            "Where samples lie while a run reads them; see [Sets larger than memory](#sets-larger-than-memory):"),
        ConfigurationKey(
            "shuffle", .choice(\.shuffle), .warned,
            "What the order of an epoch mixes; every sample comes once an epoch. See there:"),
        ConfigurationKey(
            "shuffle_window", .integer(\.shuffleWindow, 1...(1 << 20)), unit: "MiB", .warned,
            "With `shuffle: chunks`, how much of the data set is mixed at a time."),
        ConfigurationKey(
            "crop", .choice(\.crop), .warned,
            "What of images larger than `model.size` is trained on; see [Crops](#crops):"),
        ConfigurationKey(
            "steps", .integer(\.steps, 1...1_000_000_000), unit: "steps", .harmless,
            "Updates of the whole run, with those before a resume; not fewer than done. Warned where a decay reaches over them."
        ),
        ConfigurationKey(
            "batch_size", .integer(\.batchSize, 1...(1 << 20)), unit: "images", .warned,
            "Images in one step, over all ranks. Divisible by ranks × threads × `micro_batch_size`. Reference: 128."),
        ConfigurationKey(
            "micro_batch_size", .integer(\.microBatchSize, 0...(1 << 20)), unit: "images", .warned,
            "Images a thread computes at a time; gradients add up to the same step. 0: [chosen](#micro-batches)."),
        ConfigurationKey(
            "reduction", .choice(\.reduction), .warned,
            "Order of the sums over micro-batches, threads and ranks: `exact`, `fast` or `auto`. See [Sums](#sums)."),
        ConfigurationKey(
            "seed", .seed(\.seed), .warned, "Seed of every random number: initial parameters, order, noise, η."),
        ConfigurationKey(
            "precision", .choice(\.precision), .warned,
            "What products over pixels read: `fp32`, `bf16` or `bf16-emulated`. See [Precision](#precision)."),
        ConfigurationKey(
            "learning_rate", .number(\.learningRate, above: 0, upTo: 10), .warned,
            "Adam's step size, after the warm-up and before the decay. Reference: 1e-4."),
        ConfigurationKey(
            "learning_rate_warmup", .integer(\.learningRateWarmup, everySteps), unit: "steps", .warned,
            "The step size rises linearly to `learning_rate` in so many. 0: at once."),
        ConfigurationKey(
            "learning_rate_decay", .choice(\.learningRateDecay), .warned,
            "How the step size falls after that, over the rest of `steps`; see [Learning rate](#learning-rate):"),
        ConfigurationKey(
            "learning_rate_end", .number(\.learningRateEnd, ", wanted 0 or more, at most 10") { 0...10 ~= $0 }, .warned,
            "Where a decay leads to."),
        ConfigurationKey(
            "checkpoint_every", .integer(\.checkpointEvery, everySteps), unit: "steps", .harmless,
            "Distance of checkpoints. The last step always writes one. 0: only the last."),
        ConfigurationKey(
            "keep_checkpoints", .integer(\.keepCheckpoints, 1...1_000_000), unit: "files", .harmless,
            "Newest checkpoints that are kept; older ones are deleted once a newer one is safe on disk."),
        ConfigurationKey(
            "keep_every", .integer(\.keepEvery, everySteps), unit: "steps", .harmless,
            "Checkpoints of steps that are multiples of this are never deleted. 0: no such."),
        ConfigurationKey(
            "preview_every", .integer(\.previewEvery, everySteps), unit: "steps", .harmless,
            "Distance of sample grids (PNG), or of an autoencoder's reconstructions. 0: none."),
        ConfigurationKey(
            "preview_count", .integer(\.previewCount, 1...1024), unit: "images", .harmless,
            "Images (or points) in one sample grid."),
        ConfigurationKey(
            "log_every", .integer(\.logEvery, everySteps), unit: "steps", .harmless,
            "Distance of progress lines where standard error is no terminal. 0: about one every ten seconds."),
        ConfigurationKey(
            "eta_variance_every", .integer(\.etaVarianceEvery, everySteps), unit: "steps", .harmless,
            needsMixture: true,
            "Distance of measurements of the output's variance over η: near 0, the mixture is one Gaussian. 0: never."),
        ConfigurationKey(
            "check_ranks_every", .integer(\.checkRanksEvery, everySteps), unit: "steps", .harmless,
            "Distance of comparisons of what all ranks hold alike. 0: never. See [Ranks](#ranks)."),
        ConfigurationKey(
            "on_bad_step", .choice(\.onBadStep), .warned,
            "What follows a step whose loss or gradient is not finite, or a spike: `stop`, `skip` or `rollback`. "
                + "See [Bad steps](#bad-steps)."),
        ConfigurationKey(
            "spike_factor",
            .number(\.spikeFactor, ", wanted 0 (off) or a number above 1") { $0 == 0 || ($0 > 1 && $0.isFinite) },
            .warned,
            "A loss or gradient norm of more than this many times the usual is bad too. 0: none is. "
                + "See [Bad steps](#bad-steps)."),
    ]

    static let model = [
        ConfigurationKey(
            "model.size", .integer(\.model.size, 1...4096), unit: "pixels", .refused,
            "Rows and columns of an image; 1 for points. Divisible by 2^(stages − 1). Must equal the data's."),
        ConfigurationKey(
            "model.channels", .integer(\.model.channels, 1...1024), unit: "channels", .refused,
            "1 grey, 3 colour; the dimension of a point. Must equal the data's."),
        ConfigurationKey(
            "model.backbone", .choice(\.model.backbone), .refused,
            "The network, see [Networks](networks.md): `ddpm` is the published SMD code's; `adm` that of guided-diffusion."
        ),
        ConfigurationKey(
            "model.dim", .integer(\.model.unet.dim, 4...8192), unit: "channels", .refused,
            "Channels of the first stage. Even, at least 4, divisible by `model.groups`."),
        ConfigurationKey(
            "model.dim_mults", .integers(\.model.unet.dimMults, each: 1...256), unit: "× `dim`", .refused,
            "Channels of each stage; one entry a stage."),
        ConfigurationKey(
            "model.full_attention", .booleans(\.model.unet.fullAttention), .refused, only: .ddpm,
            "Full instead of linear attention, one entry a stage; [] is linear everywhere. The middle is always full."),
        ConfigurationKey(
            "model.groups", .integer(\.model.unet.groups, 1...8192), unit: "groups", .refused,
            "Groups of every GroupNorm. With `adm` 32 where it is not given."),
        ConfigurationKey(
            "model.heads", .integer(\.model.unet.heads, 1...1024), unit: "heads", .refused,
            "Attention heads; with `adm` only where `model.head_dim` is 0."),
        ConfigurationKey(
            "model.head_dim", .integer(\.model.unet.headDim, 0...1024), unit: "channels", .refused,
            "Channels of one attention head. 0 (`adm` only): those of a stage over `model.heads`."),
        ConfigurationKey(
            "model.heads_up", .integer(\.model.unet.adm.headsUp, 0...1024), unit: "heads", .refused, only: .adm,
            "Attention heads on the way up, where `model.head_dim` is 0. 0: `model.heads`."),
        ConfigurationKey(
            "model.blocks", .integer(\.model.unet.adm.blocks, 1...64), unit: "blocks", .refused, only: .adm,
            "Residual blocks a stage on the way down; one more on the way up."),
        ConfigurationKey(
            "model.attention_sizes", .integers(\.model.unet.adm.attentionSizes, each: 1...4096), unit: "pixels",
            .refused, only: .adm,
            "Sides of the feature maps at which attention follows each residual block; the middle always has it."),
        ConfigurationKey(
            "model.scale_shift", .boolean(\.model.unet.adm.scaleShift), .refused, only: .adm,
            "The time scales and shifts the second norm of a block. `false`: it is added before that norm."),
        ConfigurationKey(
            "model.resampling", .choice(\.model.unet.adm.resampling), .refused, only: .adm,
            "How the image is halved and doubled: `block` in a residual block; `convolution` by one of stride 2, or after "
                + "copying; `plain` by means and copies."),
        ConfigurationKey(
            "model.heads_first", .boolean(\.model.unet.adm.headsFirst), .refused, only: .adm,
            "Rows of q, k and v are head by head, as in improved-diffusion; for weights from there."),
        ConfigurationKey(
            "model.dropout",
            .number(\.model.unet.adm.dropout, ", wanted 0 or more and below 1") { $0 >= 0 && $0 < 1 }, .warned,
            only: .adm,
            "Share of numbers that are dropped in training before the last convolution of each residual block."),
        ConfigurationKey(
            "model.learned_variance", .boolean(\.model.learnedVariance), .refused,
            "The network says a variance of each element, too: trained by `hybrid` or `variational`, used by "
                + "`diffusion.variance: learned`."),
        ConfigurationKey(
            "model.time_scale", .number(\.model.timeScale, above: 0, upTo: 1000), .refused,
            "The network is told t times this; improved-diffusion has 1000 / `diffusion.timesteps`."),
        ConfigurationKey(
            "model.self_condition", .boolean(\.model.selfCondition), .refused,
            "Feed the network its own estimate of x0 as further input."),
        ConfigurationKey(
            "model.smd", .boolean(\.model.smd), .refused,
            "Soft Mixture Denoising. `false` is the vanilla DDPM network; the keys below then do nothing."),
        ConfigurationKey(
            "model.latent_dim", .integer(\.model.latentDim, 1...8192), unit: "channels", .refused, needsMixture: true,
            "Channels of the latent z, per pixel."),
        ConfigurationKey(
            "model.hypernet_layers", .integer(\.model.hypernetLayers, 1...64), unit: "layers", .refused,
            needsMixture: true, "Layers of each hypernetwork."),
        ConfigurationKey(
            "model.eta", .choice(\.model.eta), .warned, needsMixture: true,  // the same function of η: like other data
            "What η is drawn from: `normal` is N(0, I), as published; `zero` is always 0, the control without a mixture."
        ),
        ConfigurationKey(
            "model.eta_channels", .integer(\.model.etaChannels, 0...4096), unit: "numbers", .refused,
            needsMixture: true,
            "Numbers of η that all pixels share, beside those of each pixel: with them it can choose for a whole image."
        ),
        ConfigurationKey(
            "model.latent_at", .choice(\.model.latentAt), .refused, needsMixture: true,
            "Where the latent reaches the U-Net: `both` is its first and last activations, as published; `output` the "
                + "last only, so that several draws share the U-Net."),
        ConfigurationKey(
            "model.head", .choice(\.model.head), .refused,
            "What the last layer gives: `single` is one estimate; `mixture` the distribution of each pixel (or point), "
                + "trained by `likelihood`, which it implies."),
        ConfigurationKey(
            "model.components", .integer(\.model.components, 1...1024), unit: "Gaussians", .refused,
            "Gaussians of a mixture head; nothing without."),
        ConfigurationKey(
            "model.classes", .integer(\.model.classes, 0...65_536), unit: "classes", .refused,
            "Classes that the network is told, by the data's labels; 0: none. Of a classifier those that it tells apart; 0: as "
                + "many as the labels have."
        ),
        ConfigurationKey(
            "model.label_dropout",
            .number(\.model.labelDropout, ", wanted 0 or more and below 1") { $0 >= 0 && $0 < 1 }, .refused,
            "Share of training images of which the network is told no class: above 0 it can be "
                + "[guided](equations.md#guidance). 0.1 is usual."),
        ConfigurationKey(
            "model.augment", .number(\.model.augment, ", wanted 0 (off) to 1") { 0...1 ~= $0 }, .refused,
            "Probability of each of several changes of a training image, which the network is told of and draws without; EDM: "
                + "0.12. See [Augmentation](#augmentation)."),
        ConfigurationKey(
            "model.condition_channels", .integer(\.model.conditionChannels, 0...4), unit: "channels", .refused,
            "Channels of the data's `/conditions`, the images that samples are drawn from; 0: they are not shown. See "
                + "[Conditions](#conditions)."),
        ConfigurationKey(
            "model.identifier.dim", .integer(\.model.identifier.dim, 4...8192), unit: "channels", .refused,
            needsMixture: true, "Channels of the identifier's first stage. Even, at least 4, divisible by its groups."),
        ConfigurationKey(
            "model.identifier.dim_mults", .integers(\.model.identifier.dimMults, each: 1...256), unit: "× `dim`",
            .refused, needsMixture: true, "Channels of each of its stages."),
        ConfigurationKey(
            "model.identifier.groups", .integer(\.model.identifier.groups, 1...8192), unit: "groups", .refused,
            needsMixture: true, "Groups of each of its GroupNorms."),
        ConfigurationKey(
            "model.identifier.heads", .integer(\.model.identifier.heads, 1...1024), unit: "heads", .refused,
            needsMixture: true, "Its attention heads."),
        ConfigurationKey(
            "model.identifier.head_dim", .integer(\.model.identifier.headDim, 0...1024), unit: "channels", .refused,
            needsMixture: true, "Channels of one of its attention heads; 0 as above."),
        ConfigurationKey(
            "model.identifier.blocks", .integer(\.model.identifier.adm.blocks, 1...64), unit: "blocks", .refused,
            needsMixture: true, only: .adm, "Its residual blocks a stage."),
        ConfigurationKey(
            "model.identifier.attention_sizes", .integers(\.model.identifier.adm.attentionSizes, each: 1...4096),
            unit: "pixels", .refused, needsMixture: true, only: .adm,
            "Sides of its feature maps with attention; its middle always has it."),
    ]

    static let diffusion = [
        ConfigurationKey(
            "diffusion.timesteps", .integer(\.diffusion.timesteps, 1...100_000), unit: "timesteps", .refused,
            "Length T of the diffusion process."),
        ConfigurationKey(
            "diffusion.horizon", .integer(\.diffusion.horizon, 0...100_000), unit: "timesteps", .warned,
            "Only the first, least noisy timesteps up to here are trained and sampled; see [Prior and "
                + "horizon](family.md#prior-and-horizon). 0: all."),
        ConfigurationKey(
            "diffusion.prior", .path(\.diffusion.prior), unit: "path", .harmless,
            "What sampling begins with in place of N(0, I), a file of `smd prior fit`. Small ones are kept in checkpoints."
        ),
        ConfigurationKey(
            "diffusion.objective", .choice(\.diffusion.objective), .refused, "What the network predicts:"),
        ConfigurationKey(
            "diffusion.loss", .choice(\.diffusion.loss), .warned, "What the network is trained by:"),
        ConfigurationKey(
            "diffusion.draws", .integer(\.diffusion.draws, 2...64), unit: "draws", .warned,
            "Draws of the latent for each image that the energy score compares; a step costs as many squared-error ones, "
                + "or far less with `model.latent_at: output`."),
        ConfigurationKey(
            "diffusion.energy_exponent",
            .number(\.diffusion.energyExponent, "; it must be above 0 and below 2") { $0 > 0 && $0 < 2 }, .warned,
            "Exponent of the energy score's distances; smaller ones weigh fine differences more."),
        ConfigurationKey(
            "diffusion.energy_repulsion",
            .number(\.diffusion.energyRepulsion, "; it must be in 0 ... 1") { 0...1 ~= $0 }, .warned,
            "Weight of the distances between draws. 1: draws become true draws; less: they lie closer together."),
        ConfigurationKey(
            "diffusion.energy_softening", .number(\.diffusion.energySoftening, above: 0, upTo: 1), .warned,
            "Softening of the energy score's distances, in units of the target: bounds the gradient where draws meet."),
        ConfigurationKey(
            "diffusion.energy_windows", .integers(\.diffusion.energyWindows, each: 0...4096), unit: "pixels", .warned,
            "Sizes of the square windows in which the energy score compares, of equal weight; 0 is the whole image, 1 a "
                + "pixel. They divide `model.size`."),
        ConfigurationKey(
            "diffusion.energy_handover",
            .number(\.diffusion.energyHandover, "; it must be 0 or more") { $0 >= 0 && $0.isFinite }, .warned,
            "With p above 0 the energy score has the share (1 − ᾱ)^p of the loss, and the squared error the rest: it takes "
                + "over where noise is low."),
        ConfigurationKey(
            "diffusion.timestep_sampling", .choice(\.diffusion.timestepSampling), .warned,
            "How t is drawn in training; `loss_second_moment`, by its last 10 losses, is for `loss: variational`:"),
        ConfigurationKey(
            "diffusion.log_sigma_mean",
            .number(\.diffusion.logNoiseMean, "; it must be in -20 ... 20") { -20...20 ~= $0 }, .warned,
            "With `timestep_sampling: log_normal`, mean of ln σ, σ² = (1 − ᾱ)/ᾱ (EDM's P_mean)."),
        ConfigurationKey(
            "diffusion.log_sigma_deviation", .number(\.diffusion.logNoiseDeviation, above: 0, upTo: 100), .warned,
            "The same, its deviation (EDM's P_std)."),
        ConfigurationKey(
            "diffusion.logistic_location",
            .number(\.diffusion.logisticLocation, "; it must be in -20 ... 20") { -20...20 ~= $0 }, .warned,
            "With `timestep_sampling: logistic`, middle of λ = ln(ᾱ/(1 − ᾱ)); about minus the mean logarithm of the "
                + "data's variances. CIFAR-10: 6.26."),
        ConfigurationKey(
            "diffusion.logistic_scale", .number(\.diffusion.logisticScale, above: 0, upTo: 100), .warned,
            "The same, its scale. CIFAR-10: 3.1."),
        ConfigurationKey(
            "diffusion.sigma_data",
            .number(\.diffusion.dataDeviation, "; it must be 0 or more, at most 100") { 0...100 ~= $0 }, .warned,
            "Weigh the loss as EDM does, for data of this deviation (there 0.5). 0: not; see [Losses](equations.md#training)."
        ),
        ConfigurationKey(
            "diffusion.bound_weight", .number(\.diffusion.boundWeight, above: 0, upTo: 1e6), .warned,
            "Factor of the bound in the hybrid loss; improved-diffusion has `diffusion.timesteps` / 1000."),
        ConfigurationKey(
            "diffusion.jump", .integer(\.diffusion.jump, 1...100_000), unit: "timesteps", .warned,
            "With `loss: adversarial`, timesteps that a step of the sampler spans; divides `diffusion.timesteps`, or the horizon."
        ),
        ConfigurationKey(
            "diffusion.schedule", .choice(\.diffusion.schedule), .refused, "Noise schedule:"),
        ConfigurationKey(
            "diffusion.beta_start", .number(\.diffusion.betaStart, above: 0, upTo: 0.5), .refused,
            "The first β of the schedule `sqrt_linear`."),
        ConfigurationKey(
            "diffusion.beta_end", .number(\.diffusion.betaEnd, above: 0, upTo: 0.5), .refused,
            "The last β of the schedule `sqrt_linear`, not below the first."),
        ConfigurationKey(
            "diffusion.logsnr_max",
            .number(\.diffusion.logSNRMax, "; it must be above -20 and at most 20") { $0 > -20 && $0 <= 20 }, .refused,
            "The first and largest λ = ln(ᾱ/(1 − ᾱ)) of the schedule `logsnr`."),
        ConfigurationKey(
            "diffusion.logsnr_min",
            .number(\.diffusion.logSNRMin, "; it must be at least -20 and below 20") { $0 >= -20 && $0 < 20 }, .refused,
            "The last λ of the schedule `logsnr`, below the first."),
        ConfigurationKey(
            "diffusion.min_snr", .boolean(\.diffusion.minSNR), .warned,
            "Cap the signal-to-noise ratio in the loss weight at 5."),
        ConfigurationKey(
            "diffusion.offset_noise",
            .number(\.diffusion.offsetNoise, "; it must be 0 or more") { $0 >= 0 && $0.isFinite }, .warned,
            "Strength of noise shared by all pixels of a channel, added in training."),
        ConfigurationKey(
            "diffusion.shift", .choice(\.diffusion.shift), .refused,
            "How x_t moves towards u, which its class has: `none`, `prior`, `data`, `quadratic`; [Shift](equations.md#shift)."
        ),
        ConfigurationKey(
            "diffusion.shift_by", .choice(\.diffusion.shiftBy), .refused,
            "What u is: `class-mean` of the data, `file`: of another data set, or `class-table`: trained with the network."
        ),
        ConfigurationKey(
            "diffusion.shift_classes", .integer(\.diffusion.shiftClasses, 0...65536), unit: "classes", .refused,
            "Classes of `class-table`: as many as the data's labels have."),
        ConfigurationKey(
            "diffusion.shift_file", .path(\.diffusion.shiftFile), unit: "path", .harmless,
            "The data set of `file`, with labels: one image or more a class. Compared by its means, which checkpoints hold."
        ),
        ConfigurationKey(
            "diffusion.scales", .integer(\.diffusion.scales, 1...8), unit: "scales", .refused,
            "Scales n of a multi-scale diffusion in Haar space, each a run of its own; 1: none. See [Scales](family.md#scales)."
        ),
        ConfigurationKey(
            "diffusion.scale", .integer(\.diffusion.scale, 1...8), .refused,
            "Which of them is trained, from the finest, 1, to n. `model.size` is then the data's over 2^(scale − 1)."),
        ConfigurationKey(
            "diffusion.flip", .boolean(\.diffusion.flip), .warned,
            "Mirror each training image left to right with probability ½. Off for points, digits and letters."),
        ConfigurationKey(
            "diffusion.clip_denoised", .boolean(\.diffusion.clipDenoised), .harmless,
            "Clamp the estimate of x0 to [−1, 1] when sampling. Off for points."),
        ConfigurationKey(
            "diffusion.sampler", .choice(\.diffusion.sampler), .harmless,
            "How previews and `smd sample` draw; see [Sampling](equations.md#sampling):"),
        ConfigurationKey(
            "diffusion.variance", .choice(\.diffusion.variance), .harmless,
            "Variance of a step of `ancestral`: `small` β̃; `large` β; `learned` the network's; `optimal` (of `ddim`, too) the "
                + "best number, see `smd evaluate variance`."),
        ConfigurationKey(
            "diffusion.sampling_steps", .integer(\.diffusion.samplingSteps), unit: "steps", .harmless,
            "Steps of the sampler, one evaluation of the network each, `heun` two; at most `diffusion.timesteps`."),
        ConfigurationKey(
            "diffusion.spacing", .choice(\.diffusion.spacing), .harmless,
            "Which times they visit; see there:"),
        ConfigurationKey(
            "diffusion.respacing", .text(\.diffusion.respacing), .harmless,
            "Times visited, in OpenAI's spelling, in place of `sampling_steps`: `ddim25` (one stride), `250` or `10,10,20` "
                + "(sections)."),
        ConfigurationKey(
            "diffusion.ddim_eta", .number(\.diffusion.ddimEta, "; it must be in 0 ... 1") { 0...1 ~= $0 }, .harmless,
            "Noise of the DDIM sampler: 0 is deterministic, 1 as much as DDPM."),
        ConfigurationKey(
            "diffusion.langevin_moves", .integer(\.diffusion.langevinMoves, 1...10_000), unit: "moves", .harmless,
            "Moves of the sampler `langevin` at each visited time but the noisiest, an evaluation of the network each."),
        ConfigurationKey(
            "diffusion.langevin_rate",
            .number(\.diffusion.langevinRate, ", wanted above 0, at most 2") { $0 > 0 && $0 <= 2 }, .harmless,
            "Size of such a move, in units of the variance of the noise: the smaller, the more exact, and the slower."),
        ConfigurationKey(
            "diffusion.guidance",
            .number(\.diffusion.guidance.weight, ", wanted 0 or more, at most 1000") { 0...1000 ~= $0 }, .harmless,
            "Weight w of the class in classifier-free [guidance](equations.md#guidance), 1: none. Needs `model.label_dropout`."
        ),
        ConfigurationKey(
            "diffusion.guidance_low",
            .number(\.diffusion.guidance.low, ", wanted 0 or more and below 1") { $0 >= 0 && $0 < 1 }, unit: "of T",
            .harmless, "The network is guided only above this t, as a share of `diffusion.timesteps`."),
        ConfigurationKey(
            "diffusion.guidance_high",
            .number(\.diffusion.guidance.high, ", wanted above 0, at most 1") { $0 > 0 && $0 <= 1 }, unit: "of T",
            .harmless,
            "The network is guided only up to this t, as a share of `diffusion.timesteps`; above `guidance_low`."),
    ]

    static let condition = [
        ConfigurationKey(
            "condition.speed", .number(\.diffusion.conditionSpeed, "; it must be in 0 ... 1") { 0...1 ~= $0 }, .refused,
            "κ: how fast a condition is noised beside its image: 0 not at all, 1 as fast."),
        ConfigurationKey(
            "condition.score", .boolean(\.model.conditionScore), .refused,
            "Estimate the noise of the condition, too. Needs a speed above 0."),
    ]

    static let adversary = [
        ConfigurationKey(
            "adversary.weight",
            .number(\.diffusion.adversary.weight, ", wanted 0 or more, at most 1000") { 0...1000 ~= $0 },
            .warned,
            "With `diffusion.loss: adversarial`, factor of the discriminator's judgement in the generator's loss; see "
                + "[Adversarial steps](family.md#adversarial-steps)."),
        ConfigurationKey(
            "adversary.afd_weight",
            .number(\.diffusion.adversary.conditionalWeight, ", wanted 0 or more, at most 1000") { 0...1000 ~= $0 },
            .warned,
            "Factor of the term that keeps a step near the x_t that it began at."),
        ConfigurationKey(
            "adversary.every", .integer(\.diffusion.adversary.every, 1...1000), unit: "steps", .warned,
            "Distance of the discriminator's updates."),
        ConfigurationKey(
            "adversary.learning_rate", .number(\.diffusion.adversary.learningRate, above: 0, upTo: 10), .warned,
            "The discriminator's step size; it warms up and decays as `learning_rate` does."),
        ConfigurationKey(
            "adversary.dim", .integer(\.diffusion.adversary.dim, 0...8192), unit: "channels", .refused,
            "Channels of the discriminator's first stage; the rest is as in the network. 0: `model.dim`."),
        ConfigurationKey(
            "adversary.joint", .boolean(\.diffusion.adversary.joint), .refused,
            "Show the discriminator x_t, too (DDGAN), so that it judges pairs."),
        ConfigurationKey(
            "adversary.entropy", .boolean(\.diffusion.adversary.entropy), .refused,
            "Take the entropy off the term of x_t, by a regressor; without it x' is drawn too near to x_t."),
        ConfigurationKey(
            "adversary.regularize",
            .number(\.diffusion.adversary.regularize, ", wanted 0 or more, at most 1000") { 0...1000 ~= $0 },
            .warned,
            "Factor of half the squared slope of the discriminator, at samples of the data and of the network (R1 and R2)."
        ),
    ]

    static let classifier = [
        ConfigurationKey(
            "classifier.noised", .boolean(\.classifier.noised), .warned,
            "Train it on x_t with its t, noised as the diffusion's images are, instead of on clean images.")
    ]

    static let autoencoder = [
        ConfigurationKey(
            "autoencoder.kind", .choice(\.autoencoder.sizes.kind), .refused,
            "`kl`, which is trained, or `tiny`, the network of TAESD, which is imported."),
        ConfigurationKey(
            "autoencoder.channels", .integers(\.autoencoder.sizes.channels, each: 1...8192), .refused,
            "Channels of each stage; between two of them sides are halved. Divisible by `autoencoder.groups`."),
        ConfigurationKey(
            "autoencoder.blocks", .integer(\.autoencoder.sizes.blocks, 1...64), unit: "blocks", .refused,
            "Residual blocks of a stage of the encoder; the decoder has one more."),
        ConfigurationKey(
            "autoencoder.latent_channels", .integer(\.autoencoder.sizes.latentChannels, 1...1024), unit: "channels",
            .refused, "Channels of a latent."),
        ConfigurationKey(
            "autoencoder.groups", .integer(\.autoencoder.sizes.groups, 1...8192), unit: "groups", .refused,
            "Groups of every GroupNorm."),
        ConfigurationKey(
            "autoencoder.attention", .boolean(\.autoencoder.sizes.attention), .refused,
            "Attention in the middle of encoder and decoder."),
        ConfigurationKey(
            "autoencoder.reconstruction", .choice(\.autoencoder.reconstruction), .warned,
            "What judges a decoded image, summed over its numbers: absolute or squared differences:"),
        ConfigurationKey(
            "autoencoder.kl_weight",
            .number(\.autoencoder.klWeight, ", wanted 0 or more") { $0 >= 0 && $0.isFinite }, .warned,
            "Weight of the divergence of the latents to N(0, 1), a sum over their numbers."),
    ]

    static let density = [
        ConfigurationKey(
            "target.kind", .choice(\.target.kind), .warned,
            "The density of `method: dds`: ten `gaussians` of the plane, a `funnel`, the `mixture` of a data set of points, or of "
                + "a file of a `prior`."),
        ConfigurationKey(
            "target.file", .path(\.target.file), unit: "path", .warned,
            "The file of a mixture or prior, or `none`. Compared by what it holds. Small mixtures are kept in checkpoints."
        ),
        ConfigurationKey(
            "dds.deviation", .number(\.paths.deviation, above: 0, upTo: 1e6), .warned,
            "s: standard deviation of where paths begin; about that of the density or more."),
        ConfigurationKey(
            "dds.alpha", .number(\.paths.alpha, above: 0, upTo: 1000), .warned,
            "α: how fast a path forgets where it began."),
        ConfigurationKey(
            "dds.steps", .integer(\.paths.steps, 2...100_000), unit: "steps", .warned,
            "N: steps of a path, an evaluation of the network each."),
        ConfigurationKey(
            "dds.time", .number(\.paths.time, above: 0, upTo: 1e6), .warned,
            "T: time of a path; exp(−α T) of where it began is left at its end, to be 0.1 or less."),
        ConfigurationKey(
            "dds.width", .integer(\.paths.width, 4...8192), unit: "units", .refused,
            "Units of each hidden layer of the network; even."),
        ConfigurationKey(
            "dds.layers", .integer(\.paths.layers, 1...64), unit: "layers", .refused, "Hidden layers of the network."),
    ]

    static let optimizer = [
        ConfigurationKey(
            "optimizer.beta1", .decay(\.optimizer.beta1), .warned, "Adam's decay of the first moment."),
        ConfigurationKey(
            "optimizer.beta2", .decay(\.optimizer.beta2), .warned, "Adam's decay of the second moment."),
        ConfigurationKey(
            "optimizer.epsilon", .number(\.optimizer.epsilon, above: 0, upTo: 1), .warned,
            "Added to the root of the second moment."),
        ConfigurationKey(
            "optimizer.clip_norm",
            .number(\.optimizer.clipNorm, ", wanted 0 (no clip) or more") { $0 >= 0 && $0.isFinite }, unit: "L2 norm",
            .warned, "The gradient of all parameters together is scaled down to this norm. 0: no clip."),
        ConfigurationKey(
            "optimizer.weight_decay",
            .number(\.optimizer.weightDecay, ", wanted 0 (none) or more, at most 1") { 0...1 ~= $0 }, .warned,
            "AdamW: a parameter first loses this share of itself times the learning rate. 0: Adam."),
        ConfigurationKey(
            "optimizer.sharded", .boolean(\.optimizer.sharded), .harmless,
            "Each of N ranks keeps 1/N of Adam's moments and of the average. Same results, less memory. "
                + "See [Ranks](#ranks)."),
    ]

    static let ema = [
        ConfigurationKey(
            "ema.decay", .decay(\.ema.decay), .warned,
            "Weight of the old average in an update, once warmed up. Without effect where `ema.half_life_images` is not 0."
        ),
        ConfigurationKey(
            "ema.every", .integer(\.ema.every, 1...1_000_000_000), unit: "steps", .warned,
            "Distance of updates. The average looks back over about `every` / (1 − `decay`) steps."),
        ConfigurationKey(
            "ema.start", .integer(\.ema.start, everySteps), unit: "steps", .warned,
            "The average equals the parameters until here."),
        ConfigurationKey(
            "ema.half_life_images",
            .number(\.ema.halfLifeImages, ", wanted 0 (off: `ema.decay`) or more") { $0 >= 0 && $0.isFinite },
            unit: "images", .warned,
            "Images of training after which a parameter's weight has halved. 0: by `ema.decay`. See [Average](#average)."
        ),
        ConfigurationKey(
            "ema.ramp", .number(\.ema.ramp, ", wanted 0 (off) or more") { $0 >= 0 && $0.isFinite }, .warned,
            "The half-life is at most this share of the images seen so far. 0: no such limit. Reference (EDM): 0.05."),
        ConfigurationKey(
            "ema.widths", .numbers(\.ema.widths, each: EMAConfiguration.possibleWidths), .refused,
            "Relative widths of power-function averages (EDM2) that are kept as well, an arena each: `[0.05, 0.1]`. See "
                + "[Average](#average)."),
        ConfigurationKey(
            "ema.snapshot_every", .integer(\.ema.snapshotEvery, everySteps), unit: "steps", .harmless,
            "Distance of snapshots of these averages, `averages/step-N.h5`; from them `smd checkpoint average` makes one "
                + "of any width. 0: none."),
    ]
}
