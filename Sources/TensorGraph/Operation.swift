/// How a convolution walks over its input. Axes: N images, H rows, W columns, C or I input channels, O output channels.
public struct ConvolutionGeometry: Hashable, Sendable {
    public var kernelHeight: Int
    public var kernelWidth: Int
    public var stride: Int
    /// Rows of zeros above and below.
    public var paddingHeight: Int
    /// Columns of zeros at the left and the right.
    public var paddingWidth: Int
    /// Further rows of zeros below, and columns at the right.
    public var paddingAfter = 0

    public init(kernel: Int, stride: Int = 1, padding: Int = 0, paddingAfter: Int = 0) {
        (kernelHeight, kernelWidth, self.stride) = (kernel, kernel, stride)
        (paddingHeight, paddingWidth, self.paddingAfter) = (padding, padding, paddingAfter)
    }

    /// A kernel of odd sides at every pixel, padded so that as many pixels come out as go in.
    public init(oddKernel height: Int, _ width: Int) {
        precondition(height % 2 == 1 && width % 2 == 1, "a kernel of \(height)×\(width) has no middle")
        (kernelHeight, kernelWidth, stride) = (height, width, 1)
        (paddingHeight, paddingWidth) = (height / 2, width / 2)
    }

    /// Rows and columns of the output for those of the input.
    public func outputSize(_ height: Int, _ width: Int) -> (height: Int, width: Int) {
        (
            (height + 2 * paddingHeight + paddingAfter - kernelHeight) / stride + 1,
            (width + 2 * paddingWidth + paddingAfter - kernelWidth) / stride + 1
        )
    }

    /// Pixels of the input that go into one of the output.
    public var taps: Int { kernelHeight * kernelWidth }

    /// Each pixel for itself: a matrix product.
    public var isPointwise: Bool { self == ConvolutionGeometry(kernel: 1) }

    /// A square kernel of odd sides at every pixel, with as many pixels out as in.
    public var isCentredSquare: Bool {
        kernelHeight == kernelWidth && kernelHeight % 2 == 1
            && self == ConvolutionGeometry(kernel: kernelHeight, padding: kernelHeight / 2)
    }
}

/// One operation of a graph: the unit that a backend implements.
///
/// Activations are `[N, H, W, C]` (channels last) or `[N, C]`, float32, contiguous. Parameters keep the shapes of the
/// published PyTorch network (`O, I, H, W`; linear `O, I`). Operands are listed as `inputs → outputs`; a trailing `?`
/// is present exactly when the attribute of that name says so. `d…` is the gradient of the loss with respect to `…`.
/// Activation gradients are assigned; parameter gradients (marked `+=`) accumulate into the gradient arena.
public enum Operation: Hashable, Sendable {
    // MARK: Products
    /// `x [N,H,W,C], w [O,I,kh,kw], bias? [O], addend? [N,H',W',O] → y [N,H',W',O]`.
    /// `y = conv(x, w[:, weightChannels]) (+ bias) (+ addend)`; C is the length of `weightChannels`, I that of the
    /// whole parameter: a convolution of concatenated tensors is a sum of convolutions of the parts.
    /// `y` may share memory with `addend`.
    case convolution(ConvolutionGeometry, weightChannels: Range<Int>, bias: Bool, addend: Bool)
    /// `dy [N,H',W',O], w, addend? [N,H,W,C] → dx [N,H,W,C]`. `dx` may share memory with `addend`.
    case convolutionInputGradient(ConvolutionGeometry, weightChannels: Range<Int>, addend: Bool)
    /// `x, dy → dw +=, dbias? +=`.
    case convolutionParameterGradient(ConvolutionGeometry, weightChannels: Range<Int>, bias: Bool)
    /// `x [...,K], w [O,I], bias? [O], addend? [...,O] → y [...,O]`,
    /// `y = x · w[:, weightChannels]ᵀ (+ bias) (+ addend)`.
    /// w may have the shape `[O,I,1,1]`. `y` may share memory with `addend`.
    case linear(weightChannels: Range<Int>, bias: Bool, addend: Bool)
    /// `dy [...,O], w, addend? [...,K] → dx [...,K]`. `dx` may share memory with `addend`.
    case linearInputGradient(weightChannels: Range<Int>, addend: Bool)
    /// `x, dy → dw +=, dbias? +=`.
    case linearParameterGradient(weightChannels: Range<Int>, bias: Bool)

    // MARK: Normalisation and activation
    /// `x [N,H,W,C], gamma [C], beta [C] → y, statistics [N,G,2]` (mean, 1/√(variance + ε)), biased variance.
    case groupNorm(groups: Int, epsilon: Float)
    /// `dy, x, gamma, statistics → dx, dgamma +=, dbeta +=`.
    case groupNormGradient(groups: Int)
    /// `x [N,H,W,C], scaleShift [N,2C] → y = x·(scale + 1) + shift`; scale is the first half of `scaleShift`.
    case modulate
    /// `dy, x, scaleShift → dx, dscaleShift [N,2C]`.
    case modulateGradient
    /// `x → y = x · sigmoid(x)`.
    case silu
    /// `dy, x → dx`.
    case siluGradient
    /// `x → y = x/2 · (1 + erf(x/√2))`.
    case gelu
    /// `dy, x → dx`.
    case geluGradient
    /// `x → y = max(x, 0)`. `y` may share memory with `x`. Without a derivative.
    case relu
    /// GroupNorm, modulation, SiLU and a residual in one:
    /// `x, gamma, beta, scaleShift?, residual? → y, statistics [N,G,2]`.
    /// `y = silu(modulate(groupNorm(x))) (+ residual)`. `y` may share memory with `x` or with `residual`.
    case groupNormSiLU(groups: Int, epsilon: Float, modulated: Bool, residual: Bool)
    /// `dy, x, gamma, beta, scaleShift?, statistics → dx, dgamma +=, dbeta +=, dscaleShift?`. `dx` may share memory
    /// with `dy`. (The gradient of the residual is `dy` itself.)
    case groupNormSiLUGradient(groups: Int, modulated: Bool)
    /// `x [N,H,W,C], g [1,C,1,1], residual? → y = x / max(‖x‖₂ over C, 1e-12) · g · √C (+ residual)`.
    /// `y` may share memory with `x` or `residual`.
    case rmsNorm(residual: Bool)
    /// `dy, x, g → dx, dg +=`. `dx` may share memory with `dy`.
    case rmsNormGradient

    /// `x [N,...], key [N,4] → y`: each element is 0 with probability `rate`, else divided by 1 − `rate` (Srivastava et al.
    /// 2014, with inverted scaling). Element i of a sample is dropped where word i mod 4 of Philox is below rate·2³²: key
    /// (k₀, k₁), counter (⌊i/4⌋, `layer`, k₂, k₃), with k the numbers of `key`, in [0, 1), times 2²⁴.
    /// `y` may share memory with `x`.
    case dropout(rate: Double, layer: UInt32)
    /// `dy, key → dx`. `dx` may share memory with `dy`.
    case dropoutGradient(rate: Double, layer: UInt32)

    // MARK: Attention. qkv is [N,H,W,3·heads·headDim]: q, k, v in turn, each head by head. n runs over the H·W positions.
    /// `qkv → out [N,H,W,heads·headDim], softened [N,H,W,3·heads·headDim], context [N,heads,headDim,headDim]`.
    /// q' = softmax of q over headDim · headDim^-½; k' = softmax of k over positions;
    /// `context[d,e] = Σ_n k'[n,d] v[n,e]`; `out[n,e] = Σ_d q'[n,d] context[d,e]`. softened is q', k', v;
    /// `softened` may share memory with `qkv`.
    case linearAttention(heads: Int, headDim: Int)
    /// `dout, softened, context → dqkv`.
    case linearAttentionGradient(heads: Int, headDim: Int)
    /// ``linearAttention`` with the 1×1 convolutions around it, D = heads·headDim:
    /// `x [N,H,W,C], wIn [3·D,C,1,1], wOut [O,D,1,1], bias [O] → y [N,H,W,O], q' and k' [N,heads,H·W,headDim],
    /// mean [N,D,C]`. q, k, v = wIn·x, `y = wOut·linearAttention(q, k, v) + bias`; `mean[d,c] = Σ_n k'[n,d] x[n,c]`, of
    /// which the context is the product with v's rows of wIn. An image's q' lies in tiles of 32 positions (the last may
    /// have fewer), each `[D,32]`.
    case linearAttentionBlock(heads: Int, headDim: Int)
    /// `dy, x, wIn, wOut, q', k', mean → dx, dwIn +=, dwOut +=, dbias +=`.
    case linearAttentionBlockGradient(heads: Int, headDim: Int)
    /// `qkv → out [N,H,W,heads·headDim], logSumExp [N,heads,H·W]`: softmax over m of `q_n·k_m·headDim^-½`, times v.
    /// With `headsFirst` qkv has head after head, and of each q, k, v in turn.
    case fullAttention(heads: Int, headDim: Int, headsFirst: Bool = false)
    /// `dout, qkv, out, logSumExp → dqkv`.
    case fullAttentionGradient(heads: Int, headDim: Int, headsFirst: Bool = false)

    // MARK: The hypernetwork; a layer is W = p pᵀ + softplus(scales[layer])·I per pixel, never built (SMD, section 4)
    /// `r [...,L], p [...,L], scales [layers] → y = p (p·r) + softplus(scales[layer]) r`. `y` may share memory with `r`.
    case rankOneUpdate(layer: Int)
    /// `dy, r, p, scales → dr, dp, dscales[layer] +=`. `dr` may share memory with `dy`.
    case rankOneUpdateGradient(layer: Int)
    /// ``rankOneUpdate`` for each layer with the products around it, and the residual:
    /// `x [...,C], z [...,L], wIn [L,C], bIn [L], wOut [C,L], bOut [C], scales [layers]`, and for each layer
    /// `w [L,L], b [L] → y [...,C]`. r = wIn·x + bIn; then layer by layer p = w·z + b, r = rankOneUpdate(r, p);
    /// `y = x + wOut·r + bOut`. `y` may share memory with `x`.
    case hyperNetwork(layers: Int)
    /// `dy, x, z, the parameters as above, addend? [...,L] → dx, dz (+ addend), dparameters +=`, all as the inputs of
    /// ``hyperNetwork``. `dx` may share memory with `dy`, `dz` with `addend`.
    case hyperNetworkGradient(layers: Int, addend: Bool)

    // MARK: Moving and combining
    /// `a, b → a + b`. The output may share memory with either.
    case add
    /// `a [...,A], b [...,B] → [...,A+B]`.
    case concatenateChannels
    /// `x [...,C] → x[..., channels]`.
    case sliceChannels(Range<Int>)
    /// `x [N,H,W,C] → [N,2H,2W,C]`, each value to a 2×2 square.
    case upsampleNearest
    /// `dy [N,2H,2W,C] → dx [N,H,W,C]`, sums of 2×2 squares.
    case upsampleNearestGradient
    /// `x → y`, the same numbers in the same order under another shape.
    case reshape
    /// `x [N,...] → [N·m,...]`, each sample m times in a row.
    case repeatSamples(Int)
    /// `dy [N·m,...] → dx [N,...]`, sums over the m rows of each sample.
    case repeatSamplesGradient(Int)
    /// `x [N,H,W,C] → y [N,C]`, the mean over all positions.
    case meanOverPositions
    /// `dy [N,C] → dx [N,H,W,C]`: `dy / (H·W)` at each position.
    case meanOverPositionsGradient
    /// `x [N,H,W,C] → y [N,H',W',C]`, the largest of each window, of what lies inside the image. Without a derivative.
    case maxPool(ConvolutionGeometry)
    /// `x [N,H,W,C] → y [N,H',W',C]`, the mean of each window over what lies inside the image.
    case averagePool(ConvolutionGeometry)
    /// `dy [N,H',W',C] → dx [N,H,W,C]`.
    case averagePoolGradient(ConvolutionGeometry)
    /// `label [N], weight [K,E] → y [N,E]`, the row of each label; labels are whole numbers in 0 ..< K.
    case embedding
    /// `dy [N,E], label → dweight [K,E] +=`.
    case embeddingGradient
    /// `timestep [N] → [N,dimension]`: sines, then cosines, of `t · exp(-k ln(10000)/(dimension/2 − 1))`; with
    /// `cosinesFirst` cosines, then sines, of `t · exp(-k ln(10000)/⌊dimension/2⌋)`, and a zero where dimension is odd.
    case sinusoidalEmbedding(dimension: Int, cosinesFirst: Bool = false)
    /// `→ y`, each element the given number.
    case constant(Float)

    // MARK: Loss
    /// `prediction [N,...], target [N,...], weight [N] → loss [N]`, `weight · mean of (prediction − target)²` per sample.
    case weightedSquaredError
    /// `dloss [N], prediction, target, weight → dprediction`.
    case weightedSquaredErrorGradient
    /// `prediction [N,...], target [N,...], weight [N] → loss [N]`, `weight · mean of |prediction − target|` per sample.
    case weightedAbsoluteError
    /// `dloss [N], prediction, target, weight → dprediction`, 0 where they are equal.
    case weightedAbsoluteErrorGradient
    /// `moments [N,H,W,2C], noise [N,H,W,C] → z [N,H,W,C]`, `μ + e^(l/2) · noise`: moments are μ, then l = ln σ², which counts
    /// within −30 … 20.
    case gaussianDraw
    /// `dz, moments, noise → dmoments`.
    case gaussianDrawGradient
    /// `moments [N,H,W,2C], weight [N] → loss [N]`, `weight · Σ ½ (μ² + e^l − 1 − l)` per sample: KL(N(μ, σ²) ‖ N(0, 1)).
    case gaussianDivergence
    /// `dloss [N], moments, weight → dmoments`.
    case gaussianDivergenceGradient
    /// `predictions [N·m,H,W,C], target [N,H,W,C], energyWeight [N], errorWeight [N] → loss [N]`:
    /// ``EnergyScore`` of the m draws of each sample, and beside it the mean of their squared errors.
    case energyScore(EnergyScore)
    /// `dloss [N], predictions, target, energyWeight, errorWeight → dpredictions`.
    case energyScoreGradient(EnergyScore)
    /// `prediction [N,H,W,K(C+1)+1], target [N,H,W,C], weight [N] → loss [N]`, K components. A pixel's prediction is K
    /// means μ_k of C numbers, K logits of the weights π, and s, of which `ln σ = −2 + 3 tanh(s/3)` (in −5 … 1).
    /// `weight · mean over pixels of −ln Σ_k π_k N(target; μ_k, σ² I) / C`: nats a number.
    case mixtureLikelihood(components: Int)
    /// `dloss [N], prediction, target, weight → dprediction`.
    case mixtureLikelihoodGradient(components: Int)
    /// `prediction [N,H,W,2C], target [N,H,W,C], x0 [N,H,W,C], terms [N,4], errorWeight [N], boundWeight [N] → loss [N]`.
    /// A pixel's prediction is C estimates o, then C numbers v. `errorWeight · mean (o − target)² + boundWeight · mean b`,
    /// where b, in bits, is a term of the variational bound of a diffusion (Nichol and Dhariwal 2021, section 3.1). With
    /// (k, s, δ, ends) the image's terms, `d = k (o − target)` the distance of the two means, `l = s + (v + 1)/2 · δ` the
    /// logarithm of the step's variance and s that of the true step:
    /// b is `½(l − s − 1 + e^(s−l) + d² e^(−l))`, or where `ends` is 1 minus the logarithm of the mass that N(x0 + d, e^l)
    /// has in x0's bin (±1/255; below −0.999 and above 0.999 the bin is open), at least 1e-12, with `½(1 + tanh(√(2/π)
    /// (u + 0.044715 u³)))` as the distribution function. float64 inside.
    /// With `held` b is not differentiated with respect to o.
    case variationalBound(held: Bool)
    /// `dloss [N], prediction, target, x0, terms, errorWeight, boundWeight → dprediction`.
    case variationalBoundGradient(held: Bool)
    /// `logits [N,K], label [N], weight [N] → loss [N]`, `weight · (ln Σ_k e^(logit_k) − logit_label)`; labels are whole
    /// numbers in 0 ..< K.
    case softmaxCrossEntropy
    /// `dloss [N], logits, label, weight → dlogits`, `dloss · weight · (softmax − 1 at the label)`.
    case softmaxCrossEntropyGradient
}

/// The energy score of m draws x_j against y (Gneiting and Raftery 2007, section 4.3; De Bortoli et al. 2025), with
/// `s_ab = c² + mean (a − b)²` over a window, P windows of a size, and the mean over sizes:
/// `mean_p [1/m Σ_j s_jy^(β/2) − λ/(2m(m−1)) Σ_{j≠k} s_jk^(β/2)]`. Beside it stands the error `1/m Σ_j mean (x_j − y)²`;
/// the loss is `energyWeight · score + errorWeight · error`.
public struct EnergyScore: Hashable, Sendable {
    /// m, at least 1.
    public var draws: Int
    /// Sizes of square windows, which divide height and width; 0 is the whole image.
    public var windows: [Int]
    /// β, in 0 … 2.
    public var exponent: Float
    /// λ; with 1 the score is proper.
    public var repulsion: Float
    /// c, above 0: bounds the gradient where draws coincide.
    public var softening: Float

    public init(draws: Int, windows: [Int] = [0], exponent: Float = 1, repulsion: Float = 1, softening: Float = 1e-3) {
        precondition(
            draws > 0 && !windows.isEmpty && softening > 0, "\(draws) draws, windows \(windows), c \(softening)")
        self.draws = draws
        self.windows = windows
        self.exponent = exponent
        self.repulsion = repulsion
        self.softening = softening
    }
}

extension Operation {
    /// The case's name alone, for tables.
    public var name: String {
        let text = String(describing: self)
        return String(text.prefix { $0 != "(" })
    }
}
