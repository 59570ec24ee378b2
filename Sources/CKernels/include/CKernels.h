// Fused loops of smd's CPU backend, one thread, float32, channels last.
//
// Axis letters: N images, P pixels of an image (H·W), C channels, G groups of channels, R rows (N·P), L latent numbers.
// Contracts common to all: pointers need the alignment of float only (64 bytes is faster); memory of two operands is
// distinct unless a function says that it may be one; sizes are positive; results depend on nothing but the operands'
// values (no threads, no addresses). `+=` accumulates, everything else is assigned. Scratch belongs to the caller, need
// not be initialised, and is distinct from every operand.
#pragma once
#include <stddef.h>
#include <stdint.h>

// MARK: Normalisation (norm.c, norm_gradient.c)

typedef struct {
    int64_t images, pixels, channels, groups;  // x is [N, P, C]; G divides C
    float epsilon;                             // added to the variance (forward only)
} ck_group_norm_shape;

/// Floats of scratch (64-byte aligned) that the group-norm functions need.
size_t ck_group_norm_scratch(const ck_group_norm_shape *shape);

/// y = act(modulate(norm(x))) (+ residual), act is SiLU if `silu` else the identity.
/// x, y, residual [N,P,C]; gamma, beta [C]; scaleShift [N,2C] or NULL; residual or NULL; statistics [N,G,2] receives
/// mean and 1/√(biased variance + ε). y may be x or residual.
void ck_group_norm(const ck_group_norm_shape *shape, int silu, const float *x, const float *gamma, const float *beta,
                   const float *scaleShift, const float *residual, float *y, float *statistics, float *scratch);

/// The gradient: dy, x, dx [N,P,C]; dgamma, dbeta [C] +=; dscaleShift [N,2C], NULL exactly when scaleShift is.
/// beta is needed only when `silu` or scaleShift. dx may be dy.
void ck_group_norm_gradient(const ck_group_norm_shape *shape, int silu, const float *dy, const float *x,
                            const float *gamma, const float *beta, const float *scaleShift, const float *statistics,
                            float *dx, float *dgamma, float *dbeta, float *dscaleShift, float *scratch);

/// y = x / max(‖x‖₂ over C, 1e-12) · g · √C (+ residual). x, y, residual [R,C]; g [C]; residual or NULL.
/// y may be x or residual.
void ck_rms_norm(int64_t rows, int64_t channels, const float *x, const float *g, const float *residual, float *y);

/// dy, x, dx [R,C]; dg [C] +=; scratch [3C]. dx may be dy.
void ck_rms_norm_gradient(int64_t rows, int64_t channels, const float *dy, const float *x, const float *g, float *dx,
                          float *dg, float *scratch);

// MARK: Activation (activation.c). Relative errors of sigmoid and Φ: see Vector.h.

/// y = x · sigmoid(x). y may be x.
void ck_silu(size_t count, const float *x, float *y);
/// dx = dy · sigmoid(x) (1 + x (1 − sigmoid(x))). dx may be dy or x.
void ck_silu_gradient(size_t count, const float *dy, const float *x, float *dx);
/// y = x Φ(x), Φ the normal cumulative distribution. y may be x.
void ck_gelu(size_t count, const float *x, float *y);
/// dx = dy (Φ(x) + x φ(x)). dx may be dy or x.
void ck_gelu_gradient(size_t count, const float *dy, const float *x, float *dx);
/// y = x (scale + 1) + shift. x, y [N,P,C]; scaleShift [N,2C], scale first. y may be x.
void ck_modulate(int64_t images, int64_t pixels, int64_t channels, const float *x, const float *scaleShift, float *y);
/// dx = dy (scale + 1); dscaleShift [N,2C]. scratch [2C]. dx may be dy.
void ck_modulate_gradient(int64_t images, int64_t pixels, int64_t channels, const float *dy, const float *x,
                          const float *scaleShift, float *dx, float *dscaleShift, float *scratch);

// MARK: Moving and combining (elementwise.c)

/// y = a + b. y may be a or b.
void ck_add(size_t count, const float *a, const float *b, float *y);
/// sums [O] += Σ over rows of x [R,O]. scratch [O].
void ck_add_column_sums(int64_t rows, int64_t columns, const float *x, float *sums, float *scratch);
/// Copies columns: y [r, yFirst + c] = x [r, xFirst + c] for c < columns; xStride, yStride are the lengths of rows.
void ck_copy_columns(int64_t rows, int64_t columns, const float *x, int64_t xStride, int64_t xFirst, float *y,
                     int64_t yStride, int64_t yFirst);
/// y [N,2H,2W,C] from x [N,H,W,C], each pixel to a 2×2 square.
void ck_upsample_nearest(int64_t images, int64_t height, int64_t width, int64_t channels, const float *x, float *y);
/// dx [N,H,W,C] = sums of the 2×2 squares of dy [N,2H,2W,C].
void ck_upsample_nearest_gradient(int64_t images, int64_t height, int64_t width, int64_t channels, const float *dy,
                                  float *dx);
/// y [N,C] = the mean over P of x [N,P,C].
void ck_mean_over_positions(int64_t images, int64_t pixels, int64_t channels, const float *x, float *y);
/// dx [N,P,C] = dy [N,C] / P.
void ck_mean_over_positions_gradient(int64_t images, int64_t pixels, int64_t channels, const float *dy, float *dx);
/// y = max(x, 0); y may be x. NaN stays NaN.
void ck_relu(size_t count, const float *x, float *y);
/// Windows of an image [N,H,W,C], with the results [N,H',W',C]; padding is less than the window.
typedef struct {
    int64_t images, height, width, channels, outputHeight, outputWidth;
    int64_t kernelHeight, kernelWidth, stride, paddingHeight, paddingWidth;
} ck_pool_shape;
/// y = the largest of each window of x, of what lies inside the image.
void ck_max_pool(const ck_pool_shape *shape, const float *x, float *y);
/// y = the mean of each window of x over what lies inside the image.
void ck_average_pool(const ck_pool_shape *shape, const float *x, float *y);
/// dx [N,H,W,C] of dy [N,H',W',C].
void ck_average_pool_gradient(const ck_pool_shape *shape, const float *dy, float *dx);
/// y [N,E] = x / (1 − rate), or 0 where word i mod 4 of Philox 4×32-10 is below rate·2³², with key (k0, k1) and counter
/// (⌊i/4⌋, layer, k2, k3), k = key [N,4] · 2²⁴. y may be x.
void ck_dropout(int64_t images, int64_t elements, double rate, uint32_t layer, const float *x, const float *key,
                float *y);
/// y [N,E]: of weight [K,E] the row of each label [N], a whole number in 0 ..< K.
void ck_embedding(int64_t images, int64_t width, const float *label, const float *weight, float *y);
/// The rows of dweight [K,E] += dy [N,E], image by image.
void ck_embedding_gradient(int64_t images, int64_t width, const float *label, const float *dy, float *dweight);
/// y [N,D]: sines, then cosines, of t_n · exp(−k ln(10000) / (D/2 − 1)), k < D/2; float64 inside. D even. With
/// `cosinesFirst` cosines, then sines, of t_n · exp(−k ln(10000) / ⌊D/2⌋), and a zero where D is odd.
void ck_sinusoidal_embedding(int64_t images, int64_t dimension, int cosinesFirst, const float *timestep, float *y);
/// loss_n = weight_n · mean of (prediction − target)² over E elements. prediction, target [N,E]; weight, loss [N].
void ck_weighted_squared_error(int64_t images, int64_t elements, const float *prediction, const float *target,
                               const float *weight, float *loss);
/// dprediction = dloss_n · weight_n · 2 (prediction − target) / E.
void ck_weighted_squared_error_gradient(int64_t images, int64_t elements, const float *dloss, const float *prediction,
                                        const float *target, const float *weight, float *dprediction);
/// loss_n = weight_n · mean of |prediction − target| over E elements.
void ck_weighted_absolute_error(int64_t images, int64_t elements, const float *prediction, const float *target,
                                const float *weight, float *loss);
/// dprediction = dloss_n · weight_n · sign(prediction − target) / E; 0 where they are equal.
void ck_weighted_absolute_error_gradient(int64_t images, int64_t elements, const float *dloss, const float *prediction,
                                         const float *target, const float *weight, float *dprediction);
/// z [P,C] = mean + e^(l/2) · noise; moments [P,2C] are the means of a pixel, then its l = ln σ², clamped to [−30, 20].
void ck_gaussian_draw(int64_t pixels, int64_t channels, const float *moments, const float *noise, float *z);
/// dmoments of it; 0 for an l outside.
void ck_gaussian_draw_gradient(int64_t pixels, int64_t channels, const float *dz, const float *moments,
                               const float *noise, float *dmoments);
/// loss_n = weight_n · Σ ½ (mean² + e^l − 1 − l) over P pixels of C channels; float64 inside.
void ck_gaussian_divergence(int64_t images, int64_t pixels, int64_t channels, const float *moments,
                            const float *weight, float *loss);
/// dmoments of it; 0 for an l outside.
void ck_gaussian_divergence_gradient(int64_t images, int64_t pixels, int64_t channels, const float *dloss,
                                     const float *moments, const float *weight, float *dmoments);

/// y [N·m,E]: each sample of x [N,E] m times in a row.
void ck_repeat_samples(int64_t images, int64_t repeats, int64_t elements, const float *x, float *y);
/// dx [N,E] = sums over the m rows of each sample in dy [N·m,E].
void ck_repeat_samples_gradient(int64_t images, int64_t repeats, int64_t elements, const float *dy, float *dx);

// MARK: Losses of distributions (energy.c, mixture.c)

/// What an energy score consists of: m draws a sample, the sizes of its windows (0: all of the image), and its constants.
typedef struct {
    int64_t draws, height, width, channels, windowSizes;
    const int64_t *windows;
    float exponent, repulsion, softening;
} ck_energy;
/// loss [N] of m draws a sample, prediction [N·m,H,W,C], against target [N,H,W,C]; weights [N].
void ck_energy_score(const ck_energy *settings, int64_t images, const float *prediction, const float *target,
                     const float *energyWeight, const float *errorWeight, float *loss);
/// dprediction [N·m,H,W,C].
void ck_energy_score_gradient(const ck_energy *settings, int64_t images, const float *dloss, const float *prediction,
                              const float *target, const float *energyWeight, const float *errorWeight,
                              float *dprediction);
/// Most components of a mixture.
#define CK_MOST_COMPONENTS 1024
/// The logarithm of a mixture's deviation, in −5 ... 1, of what the network gives.
float ck_log_deviation(float s);
/// loss [N] of prediction [N,P,K(C+1)+1] against target [N,P,C]; weight [N].
void ck_mixture_likelihood(int64_t images, int64_t pixels, int64_t channels, int64_t components,
                           const float *prediction, const float *target, const float *weight, float *loss);
/// dprediction [N,P,K(C+1)+1].
void ck_mixture_likelihood_gradient(int64_t images, int64_t pixels, int64_t channels, int64_t components,
                                    const float *dloss, const float *prediction, const float *target,
                                    const float *weight, float *dprediction);
typedef struct {
    int64_t images, pixels, channels;
} ck_bound_shape;
/// prediction [N,P,2C] (C estimates, then C numbers v), target, x0 [N,P,C], terms [N,4], weights [N].
typedef struct {
    const float *prediction, *target, *x0, *terms, *errorWeight, *boundWeight;
} ck_bound;
/// loss [N]: squared error and a term of the variational bound, see Operation.variationalBound; float64 inside.
void ck_variational_bound(ck_bound_shape shape, const ck_bound *bound, float *loss);
/// dprediction [N,P,2C]; with `held` the bound counts as constant in the estimates.
void ck_variational_bound_gradient(ck_bound_shape shape, const ck_bound *bound, int held, const float *dloss,
                                   float *dprediction);
/// loss_n = weight_n · (ln Σ_k exp(logits_nk) − logits at label_n); float64 inside. logits [N,K]; label, a whole number
/// in 0 ..< K, weight, loss [N].
void ck_softmax_cross_entropy(int64_t images, int64_t classes, const float *logits, const float *label,
                              const float *weight, float *loss);
/// dlogits_nk = dloss_n · weight_n · (softmax_k(logits_n) − [k is label_n]); float64 inside.
void ck_softmax_cross_entropy_gradient(int64_t images, int64_t classes, const float *dloss, const float *logits,
                                       const float *label, const float *weight, float *dlogits);

// MARK: Small products of matrices (product.c)

/// Where a matrix lies: element (i, j) at base[i * row + j * column]. One of row and column is 1.
typedef struct {
    const float *base;
    int64_t row, column;
} ck_matrix;

/// C [m,n] (+)= alpha A [m,k] B [k,n]; B and C have rows of contiguous elements, bRow and cRow apart. For products too
/// small for oneDNN's general one, which would pack and dispatch at every call; 0.8 to 0.9 of peak in cache.
void ck_product(int64_t m, int64_t n, int64_t k, float alpha, ck_matrix a, const float *b, int64_t bRow, int accumulate,
                float *c, int64_t cRow);
/// y [R,O] = x [R,I] w [I,O] (+ bias [O]) (+ addend [R,O]); bias and addend may be NULL, y may be addend.
void ck_linear(int64_t rows, int64_t inputs, int64_t outputs, const float *x, const float *w, const float *bias,
               const float *addend, float *y);
/// to [n,m] = from [m,n] transposed; rows of from are `row` elements apart.
void ck_transpose(int64_t m, int64_t n, const float *from, int64_t row, float *to);

// MARK: Winograd's convolution F(2x2, 3x3) (winograd.c): 3x3 windows, stride 1, padding 1, H and W even. Between the
// changes of basis lie 16 products of matrices, one for each k. Axis letters: t tiles of 2x2 pixels in the order
// [N, H/2, W/2], k one of 16, O outputs and C channels of the slice, I inputs of the whole weight [O,I,3,3]; `stride` is
// the distance of two k in elements.

typedef struct {
    int64_t images, height, width, channels;  // of the activation that is transformed
} ck_winograd_shape;

/// u [16,C,O], or [16,O,C] of windows rotated by 180 degrees, from the slice of C channels that begins at w.
void ck_winograd_weights(int64_t outputs, int64_t channels, int64_t weightInputs, int rotated, const float *w, float *u,
                         int64_t stride);
/// The slice of dw that begins at dw += the gradient that belongs to u [16,C,O].
void ck_winograd_weights_gradient(int64_t outputs, int64_t channels, int64_t weightInputs, const float *u,
                                  int64_t stride, float *dw);
/// v [16,count,C] from the tiles first ..< first + count of x [N,H,W,C], zeros around it. scratch [C].
void ck_winograd_input(const ck_winograd_shape *shape, int64_t first, int64_t count, const float *x, float *v,
                       int64_t stride, float *scratch);
/// The tiles first ..< first + count of y [N,H,W,C] from m [16,count,C] (+ bias [C]) (+ addend [N,H,W,C]); both may be
/// NULL, y may be addend.
void ck_winograd_output(const ck_winograd_shape *shape, int64_t first, int64_t count, const float *m, int64_t stride,
                        const float *bias, const float *addend, float *y);
/// Prefetches part k of 16 of the pixels of y in the tiles first ..< first + count into L2. Called before product k, so
/// that ck_winograd_output does not wait for them.
void ck_winograd_prefetch(const ck_winograd_shape *shape, int64_t first, int64_t count, int64_t k, const float *y);
/// v [16,count,C] from the tiles of dy [N,H,W,C]: what the gradient of the weights is a product with. sums [C] = the sum
/// of these tiles' dy.
void ck_winograd_output_gradient(const ck_winograd_shape *shape, int64_t first, int64_t count, const float *dy,
                                 float *v, int64_t stride, float *sums);

/// The same with factors in bfloat16 (winograd_bfloat16.c), for multiples of 32 channels: v [16,count,C], two channels a
/// pair, or `paired`, [16,count/2,C] of pairs of tiles (rounded up, zeros behind); stride is in pairs. scratch [C].
void ck_winograd_bfloat16_input(const ck_winograd_shape *shape, int64_t first, int64_t count, int paired,
                                const float *x, uint32_t *v, int64_t stride, float *scratch);
/// v [16,count/2,C], pairs of tiles; sums [C] of dy as it is.
void ck_winograd_bfloat16_output_gradient(const ck_winograd_shape *shape, int64_t first, int64_t count,
                                          const float *dy, uint32_t *v, int64_t stride, float *sums, float *scratch);
/// u [16,C/2,O], two channels a pair, or rotated [16,O/2,C], two outputs a pair.
void ck_winograd_bfloat16_weights(int64_t outputs, int64_t channels, int64_t weightInputs, int rotated, const float *w,
                                  uint32_t *u, int64_t stride);
/// c [rows,columns] = a [rows,depth/2] b [depth/2,columns] of pairs; columns is a multiple of 16.
void ck_winograd_bfloat16_product(int64_t rows, int64_t columns, int64_t depth, const uint32_t *a, const uint32_t *b,
                                  float *c);
/// u [16,C,O] (+)= the product over `count` tiles of v [16,tiles/2,C], transposed, and m [16,tiles/2,O]; both have room
/// for whole sixteens of pairs, and the rest of the last may be cleared. scratch: as large as a matrix of v.
void ck_winograd_bfloat16_gradient(int64_t outputs, int64_t channels, int64_t count, uint32_t *v, int64_t vStride,
                                   uint32_t *m, int64_t mStride, int accumulate, float *u, int64_t uStride,
                                   float *scratch);

// MARK: Convolutions with 8 results a pixel (narrow.c): KxK windows, K 3 or 7, stride 1, padding (K - 1) / 2.

typedef struct {
    int64_t images, height, width, channels;  // of the activation that is read; channels are even
    int64_t kernel;
} ck_narrow_shape;

/// Floats of scratch that the functions below need.
size_t ck_narrow_scratch(const ck_narrow_shape *shape);
/// The slice of C channels of a weight [O,I,K,K] that begins at w, rearranged: [K*K,C/2,8,2] where O is 8; rotated, for
/// the gradient of the input, [K*K,O/2,8,2] where C is 8.
void ck_narrow_weights(int64_t kernel, int64_t outputs, int64_t channels, int64_t weightInputs, int rotated,
                       const float *w, float *to);
/// y [N,H,W,8] = the convolution of x [N,H,W,C] with rearranged weights (+ bias [8]) (+ addend); both may be NULL, y may
/// be addend.
void ck_narrow(const ck_narrow_shape *shape, const float *x, const float *w, const float *bias, const float *addend,
               float *y, float *scratch);
/// The slice of dw [8,I,K,K] that begins at dw += the gradient for x [N,H,W,C] and dy [N,H,W,8]; dbias [8] += the sum of
/// dy, unless NULL.
void ck_narrow_weights_gradient(const ck_narrow_shape *shape, int64_t weightInputs, const float *x, const float *dy,
                                float *dw, float *dbias, float *scratch);

// MARK: Attention (attention_linear.c, attention_full.c, attention_block.c). qkv, softened, dqkv [N, P, 3·heads·d]: q,
// k, v in turn, each head by head; d numbers a head; out, dout [N, P, heads·d]. i, j run over the P positions.

typedef struct {
    int64_t images, positions, heads, headDim;
    int headsFirst;  // of full attention: a row of qkv is head by head, each q, k, v
} ck_attention_shape;

/// Floats of scratch (64-byte aligned) that the two functions below need.
size_t ck_linear_attention_scratch(const ck_attention_shape *shape);
/// softened: q' = softmax of q over d · d^-½, k' = softmax of k over positions, v; context [N, heads, d, d] = Σ k'_i v_i;
/// out_i = q'_i · context. softened may be qkv.
void ck_linear_attention(const ck_attention_shape *shape, const float *qkv, float *out, float *softened,
                         float *context, float *scratch);
/// The gradient.
void ck_linear_attention_gradient(const ck_attention_shape *shape, const float *dout, const float *softened,
                                  const float *context, float *dqkv, float *scratch);

typedef struct {
    int64_t images, positions, channels, outputs, heads, headDim;
} ck_attention_block_shape;

/// Floats of scratch (64-byte aligned) that the two functions below need.
size_t ck_attention_block_scratch(const ck_attention_block_shape *shape);
/// Linear attention between 1x1 convolutions: q, k, v = x wInT, y = attention(q, k, v) wOutT + bias. C channels of x, O
/// of y, D = heads·d. x [N, P, C]; wIn [3 D, C]; transposedIn [2, heads, C, d]: k's and v's part of it, each head
/// transposed; wOut [O, D]; transposedOut [D, O]; bias [O]; y [N, P, O]; queries [N, D P]: q' = softmax of q over d ·
/// d^-½, [D, 32] for every 32 positions (the last may be fewer) in turn; keys [N, heads, P, d]: k' = softmax of k over
/// positions; mean [N, D, C] = k'T x.
void ck_attention_block(const ck_attention_block_shape *shape, const float *x, const float *wIn,
                        const float *transposedIn, const float *transposedOut, const float *bias, float *y,
                        float *queries, float *keys, float *mean, float *scratch);
/// The gradient; dwIn, dwOut, dbias +=.
void ck_attention_block_gradient(const ck_attention_block_shape *shape, const float *dy, const float *x,
                                 const float *wIn, const float *wOut, const float *transposedIn,
                                 const float *transposedOut, const float *queries, const float *keys,
                                 const float *mean, float *dx, float *dwIn, float *dwOut, float *dbias,
                                 float *scratch);

/// The same with the factors of products over positions in bfloat16; queries and keys then hold these, in an order of the
/// kernels' own, in half of their memory (attention_block_bfloat16.c). Takes multiples of 32: positions, channels,
/// outputs, headDim.
int ck_attention_block_takes_bfloat16(const ck_attention_block_shape *shape);
size_t ck_attention_block_bfloat16_scratch(const ck_attention_block_shape *shape);
void ck_attention_block_bfloat16(const ck_attention_block_shape *shape, const float *x, const float *wIn,
                                 const float *transposedIn, const float *transposedOut, const float *bias, float *y,
                                 float *queries, float *keys, float *mean, float *scratch);
void ck_attention_block_bfloat16_gradient(const ck_attention_block_shape *shape, const float *dy, const float *x,
                                          const float *wIn, const float *wOut, const float *transposedIn,
                                          const float *transposedOut, const float *queries, const float *keys,
                                          const float *mean, float *dx, float *dwIn, float *dwOut, float *dbias,
                                          float *scratch);

/// Floats of scratch (64-byte aligned) that the two functions below need.
size_t ck_full_attention_scratch(const ck_attention_shape *shape);
/// out_i = Σ_j softmax_j(q_i · k_j · d^-½) v_j; logSumExp [N, heads, P] of the scaled scores.
void ck_full_attention(const ck_attention_shape *shape, const float *qkv, float *out, float *logSumExp,
                       float *scratch);
/// The gradient; the scores are computed again.
void ck_full_attention_gradient(const ck_attention_shape *shape, const float *dout, const float *qkv,
                                const float *out, const float *logSumExp, float *dqkv, float *scratch);

// MARK: Hypernetwork (hypernet.c)

/// y = p (p·r) + softplus(scale) r. r, p, y [R,L]; scale [1]. y may be r.
void ck_rank_one_update(int64_t rows, int64_t length, const float *r, const float *p, const float *scale, float *y);
/// dr = p (p·dy) + softplus(scale) dy; dp = dy (p·r) + r (p·dy); dscale [1] += sigmoid(scale) Σ dy·r. dr may be dy.
void ck_rank_one_update_gradient(int64_t rows, int64_t length, const float *dy, const float *r, const float *p,
                                 const float *scale, float *dr, float *dp, float *dscale);

typedef struct {
    int64_t rows, channels, latent, layers;
} ck_hypernetwork_shape;

/// Floats that ck_hypernetwork_arrange writes, and of scratch (both 64-byte aligned) that the others need.
size_t ck_hypernetwork_weights(const ck_hypernetwork_shape *shape);
size_t ck_hypernetwork_scratch(const ck_hypernetwork_shape *shape);
/// `to` from the parameters: wIn [L,C], bIn [L], wOut [C,L], bOut [C], scales [K], then w_i [L,L] and b_i [L] of each of
/// K layers. To be called again when they change.
void ck_hypernetwork_arrange(const ck_hypernetwork_shape *shape, const float *const *parameters, float *to);
/// y = x + wOut r_K + bOut; r_0 = wIn x + bIn, p_i = w_i z + b_i, r_i = p_i (p_i·r_{i-1}) + softplus(scales_i) r_{i-1}.
/// x, y [R,C]; z [R,L]. y may be x.
void ck_hypernetwork(const ck_hypernetwork_shape *shape, const float *const *parameters, const float *arranged,
                     const float *x, const float *z, float *y, float *scratch);
/// The gradient: dy, dx [R,C]; dz [R,L] (+ addend [R,L], or NULL); gradients +=, in the parameters' order. dx may be dy,
/// dz may be addend.
void ck_hypernetwork_gradient(const ck_hypernetwork_shape *shape, const float *const *parameters,
                              const float *arranged, const float *dy, const float *x, const float *z,
                              const float *addend, float *dx, float *dz, float *const *gradients, float *scratch);

// MARK: Optimiser (optimizer.c), over flat arenas

/// Σ x², in float64.
double ck_sum_of_squares(size_t count, const float *x);

typedef struct {
    double learningRate, beta1, beta2, epsilon;
    int64_t step;          // 1 for the first
    double gradientScale;  // factor on the gradients, 1 when they are not clipped
    double weightDecay;    // λ
} ck_adam_settings;

/// One step of Adam (Kingma & Ba 2015, algorithm 1, in PyTorch's order of operations), everything in one pass,
/// with decoupled weight decay (Loshchilov & Hutter 2019): first parameter *= 1 − lr λ, then
/// m += (1 − β1)(g − m); v = β2 v + (1 − β2) g²; parameter −= lr/(1 − β1^t) · m / (√v/√(1 − β2^t) + ε).
void ck_adam_step(size_t count, const ck_adam_settings *settings, const float *gradients, float *parameters,
                  float *firstMoment, float *secondMoment);
/// ema += (1 − decay) (parameters − ema).
void ck_ema_update(size_t count, double decay, const float *parameters, float *ema);

// MARK: bfloat16, float32 with 8 bits of significand instead of 24 (bfloat16.c)

/// to[i] = from[i] rounded to the nearest bfloat16, ties to even; half a step beyond the largest one, and further, is
/// infinity. Subnormal numbers are rounded like others. A NaN stays a NaN. `to` may be `from`; otherwise they are
/// distinct.
void ck_round_bfloat16(size_t count, const float *from, float *to);
/// Whether the processor multiplies tiles of bfloat16 (AMX) and the system lets this process; asks it once. Without, the
/// kernels below do the same sums with vectors of float32.
int ck_has_tiles(void);
/// Whether its vectors of bfloat16 (AVX512_BF16) give twice the rate of float32: on AMD's processors, not on Intel's.
int ck_has_fast_bfloat16_vectors(void);

/// Floats of scratch that ck_linear_bfloat16 and its gradient need.
size_t ck_linear_bfloat16_scratch(int64_t inputs, int64_t outputs);
/// to [depth/2,columns] = pairs of rows of w, whose rows and columns are `row` and `column` elements apart.
void ck_linear_bfloat16_weights(int64_t depth, int64_t columns, const float *w, int64_t row, int64_t column,
                                uint32_t *to);
/// y [rows,outputs] = x [rows,inputs] · w (+ bias) (+ addend, which may be y), factors in bfloat16 (linear_bfloat16.c):
/// w as pairs. inputs and outputs are multiples of 16.
void ck_linear_bfloat16(int64_t rows, int64_t inputs, int64_t outputs, const float *x, const uint32_t *w,
                        const float *bias, const float *addend, float *y, float *scratch);
/// dw [outputs,inputs], rows dwRow apart, += dyᵀ x.
void ck_linear_bfloat16_gradient(int64_t rows, int64_t inputs, int64_t outputs, const float *x, const float *dy,
                                 float *dw, int64_t dwRow, float *scratch);

/// Convolutions of stride 1, windows of kernel×kernel with kernel odd, padding (kernel − 1) / 2. x has the `channels` of
/// a slice of the weight's weightChannels.
typedef struct {
    int64_t images, height, width, channels, outputs, kernel, weightChannels;
} ck_window_shape;

/// Elements of scratch for ck_window_gradient.
size_t ck_window_gradient_scratch(const ck_window_shape *shape);
/// dw [O,I,k,k] += the gradient of the slice that begins at dw, of factors x [N,H,W,C] and dy [N,H,W,O] rounded to
/// bfloat16, summed in float32; dbias [O] += the sum of the same dy, unless NULL (window_gradient.c).
void ck_window_gradient(const ck_window_shape *shape, const float *x, const float *dy, float *dw, float *dbias,
                        float *scratch);

// MARK: The machine (peak.c). Each works for about `milliseconds` and gives the best rate of its parts.

/// Multiply-adds of float32 in GFLOP/s; a multiply-add is two.
double ck_measure_peak(double milliseconds);
/// Multiply-adds of bfloat16 into float32 (of tiles, else vdpbf16ps) in GFLOP/s; 0 where the processor has neither.
double ck_measure_bf16_peak(double milliseconds);
/// a = b + c/2 over three thirds of `memory` (`count` floats, much more than the last cache holds), in GB/s of what is
/// read and written. Goes on at `position`, which it moves on, so that short calls find the memory out of the caches.
double ck_measure_bandwidth(double milliseconds, size_t count, float *memory, size_t *position);

/// Blocks of a mebibyte or more go back to the system when they are freed. By itself glibc raises that bound to 32 MiB as
/// it sees larger blocks, and keeps what was freed below it. Does nothing elsewhere.
void ck_return_large_blocks(void);
