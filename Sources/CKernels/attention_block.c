// Linear attention together with the 1×1 convolutions before and after it, forward and backward: q, k and v are never
// written as a whole. Axis letters: N images, P positions, C channels of x, O channels of y, h heads, d numbers a head,
// D = h·d, R rows of a tile. For an image X [P, C] and one head with W_q, W_k, W_v [d, C] and W_o [O, d],
//
//     Q' = softmax of X W_qᵀ over d · d^-½,  K' = softmax of X W_kᵀ over P
//     context = K'ᵀ V = (K'ᵀ X) W_vᵀ            so that V is not needed, only G = K'ᵀ X [d, C]
//     Y = bias + Σ_h Q' context W_oᵀ = bias + Σ_h Q' M   so that Q' context is not, only M = context W_oᵀ [d, O]
//
// G, the context and M belong to an image, and are small where P > C. What is left for every position are 4 products
// with D rows or columns forward (6 without this) and 8 backward (12), for one tile of R rows and one head at a time,
// which stays in the first cache.
//
// In bfloat16 the factors of these 12 products are rounded, for which they are packed (bfloat16.h); the products that
// belong to an image, the softmaxes and all sums stay float32.
#include "attention.h"
#include "bfloat16.h"
#include <math.h>

enum { ROWS = 32 };

// scratch: total, along [D], tops [tiles, D] | context, dcontext [h, d, d] | M, dM [h, d, O], turned M [h, O, d] |
// dG [h, d, C], turned dG [h, C, d], sums of dW_q and dW_k [2, D, C] | a tile [R, d] | packed for bfloat16, in 32-bit
// pairs: of a tile x and dy as rows and as pairs, one head's numbers as rows, as pairs and turned; of q and k the weights
// that follow x, the weights that follow their gradients; M or turned M; dG and turned dG
typedef struct {
    float *total, *along, *tops, *context, *dcontext, *m, *dm, *turnedM, *dg, *turnedDG, *sums, *tile;
    uint32_t *xRows, *xPairs, *dyRows, *dyPairs, *tileRows, *tilePairs, *tileTurned;
    uint32_t *into, *from, *mPairs, *dgPairs, *turnedDGPairs;
    size_t count;
} layout;

INLINE layout layoutOf(const ck_attention_block_shape *s, float *scratch) {
    const int64_t packed = s->bf16;
    const int64_t D = s->heads * s->headDim, tiles = (s->positions + ROWS - 1) / ROWS;
    layout l;
    size_t next = 0;
#define PLACE(NAME, COUNT) l.NAME = scratch ? (void *)(scratch + next) : NULL, next += (size_t)((COUNT) + 15) / 16 * 16;
    PLACE(total, D)
    PLACE(along, D)
    PLACE(tops, tiles * D)
    PLACE(context, D * s->headDim)
    PLACE(dcontext, D * s->headDim)
    PLACE(m, D * s->outputs)
    PLACE(dm, D * s->outputs)
    PLACE(turnedM, D * s->outputs)
    PLACE(dg, D * s->channels)
    PLACE(turnedDG, D * s->channels)
    PLACE(sums, 2 * D * s->channels)
    PLACE(tile, ROWS * s->headDim)
    PLACE(xRows, packed * ROWS * s->channels / 2)
    PLACE(xPairs, packed * ROWS * s->channels / 2)
    PLACE(dyRows, packed * ROWS * s->outputs / 2)
    PLACE(dyPairs, packed * ROWS * s->outputs / 2)
    PLACE(tileRows, packed * ROWS * s->headDim / 2)
    PLACE(tilePairs, packed * ROWS * s->headDim / 2)
    PLACE(tileTurned, packed * ROWS * s->headDim / 2)
    PLACE(into, packed * D * s->channels)
    PLACE(from, packed * D * s->channels)
    PLACE(mPairs, packed * D * s->outputs / 2)
    PLACE(dgPairs, packed * D * s->channels / 2)
    PLACE(turnedDGPairs, packed * D * s->channels / 2)
#undef PLACE
    l.count = next;
    return l;
}

size_t ck_attention_block_scratch(const ck_attention_block_shape *s) { return layoutOf(s, NULL).count; }

// C [m,n] = A [m,k] B [k,n] with contiguous rows; `add` accumulates.
INLINE void product(int64_t m, int64_t n, int64_t k, const float *a, const float *b, int add, float *c) {
    ck_product(m, n, k, 1.0f, (ck_matrix){a, k, 1}, b, n, add, c, n);
}

// C [m,n] += Aᵀ B of A [k,m], B [k,n]; assigned unless `add`.
INLINE void productOfTurned(int64_t m, int64_t n, int64_t k, const float *a, const float *b, int add, float *c) {
    ck_product(m, n, k, 1.0f, (ck_matrix){a, 1, m}, b, n, add, c, n);
}

// MARK: Products over positions, in float32 or bfloat16

// A factor: its numbers, or the same packed.
typedef struct {
    const float *numbers;
    const uint32_t *packed;
} factor;

// A [m,k] as the first factor of a product.
INLINE factor asRows(int bf16, int64_t m, int64_t k, const float *a, uint32_t *room) {
    if (bf16) packRows(m * k, a, (uint16_t *)room);
    return (factor){a, room};
}

// B [k,n] as the second.
INLINE factor asPairs(int bf16, int64_t k, int64_t n, const float *b, uint32_t *room) {
    for (int64_t i = 0; bf16 && i < k; i += 2) pairUp(n, b + i * n, b + (i + 1) * n, room + i / 2 * n);
    return (factor){b, room};
}

// A [k,m] as the first factor of a product of Aᵀ.
INLINE factor asTurned(int bf16, int64_t k, int64_t m, const float *a, uint32_t *pairs, uint32_t *room) {
    if (bf16) {
        asPairs(bf16, k, m, a, pairs);
        ck_transpose(k / 2, m, (const float *)pairs, m, (float *)room);
    }
    return (factor){a, room};
}

// As product and productOfTurned, of factors made for that.
INLINE void multiplyFactors(int bf16, int64_t m, int64_t n, int64_t k, factor a, factor b, int add, float *c) {
    if (bf16) bf16_product(m, n, k, (const uint16_t *)a.packed, k, b.packed, n, add, c, n);
    else product(m, n, k, a.numbers, b.numbers, add, c);
}

INLINE void multiplyTurned(int bf16, int64_t m, int64_t n, int64_t k, factor a, factor b, int add, float *c) {
    if (bf16) bf16_product(m, n, k, (const uint16_t *)a.packed, k, b.packed, n, add, c, n);
    else productOfTurned(m, n, k, a.numbers, b.numbers, add, c);
}

// The heads' contexts, and M.
INLINE void contexts(const ck_attention_block_shape *s, const float *g, const float *turnedIn, const float *turnedOut,
                     float *context, float *m) {
    const int64_t C = s->channels, O = s->outputs, d = s->headDim, D = s->heads * d;
    for (int64_t h = 0; h < D; h += d) {
        product(d, d, C, g + h * C, turnedIn + (2 * D + h) * C, 0, context + h * d);
        product(d, O, d, context + h * d, turnedOut + h * O, 0, m + h * O);
    }
}

// The columns' maxima so far, top [d], go up to those of the tile, whose numbers become exponentials above them; total
// [d] and G [d, C] are brought to the new maxima, and total takes in the tile.
INLINE void softenKeys(int64_t rows, int64_t d, int64_t C, int first, float *k, const float *before, float *top,
                       float *total, float *g) {
    int64_t j = 0;
#define BODY(W)                                                                                                        \
    {                                                                                                                  \
        f##W high = READ(W, k + j), sum = ALL(W, 0.0f), old = ALL(W, 0.0f);                                            \
        for (int64_t i = 1; i < rows; i++) {                                                                           \
            f##W v = READ(W, k + i * d + j);                                                                           \
            high = CHOOSE(W, high > v, high, v);                                                                       \
        }                                                                                                              \
        if (!first) {                                                                                                  \
            f##W last = READ(W, before + j);                                                                           \
            high = CHOOSE(W, last > high, last, high);                                                                 \
            old = last - high;                                                                                         \
            exponential##W(&old);                                                                                      \
        }                                                                                                              \
        AT(W, top + j) = high;                                                                                         \
        for (int64_t i = 0; i < rows; i++) {                                                                           \
            f##W v = READ(W, k + i * d + j) - high;                                                                    \
            exponential##W(&v);                                                                                        \
            AT(W, k + i * d + j) = v;                                                                                  \
            sum += v;                                                                                                  \
        }                                                                                                              \
        AT(W, total + j) = first ? sum : READ(W, total + j) * old + sum;                                               \
        for (int l = 0; l < W && !first; l++) {                                                                        \
            if (old[l] != 1.0f) multiply(C, old[l], g + (j + l) * C, g + (j + l) * C);                                 \
        }                                                                                                              \
    }
    FOR_LANES(j, d, BODY)
#undef BODY
}

// keys *= exp(top − last) · share, column by column: from a tile's own maxima to those of all, and to a sum of 1.
INLINE void normaliseKeys(int64_t rows, int64_t d, const float *top, const float *last, const float *share, float *k) {
    int64_t j = 0;
#define BODY(W)                                                                                                        \
    {                                                                                                                  \
        f##W factor = READ(W, top + j) - READ(W, last + j);                                                            \
        exponential##W(&factor);                                                                                       \
        factor *= READ(W, share + j);                                                                                  \
        for (int64_t i = 0; i < rows; i++) AT(W, k + i * d + j) *= factor;                                             \
    }
    FOR_LANES(j, d, BODY)
#undef BODY
}

INLINE void forward(int bf16, const ck_attention_block_shape *s, const float *x, const float *turnedIn,
                    const float *turnedOut, const float *bias, float *y, float *queries, float *keys, float *mean,
                    float *scratch) {
    const int64_t P = s->positions, C = s->channels, O = s->outputs, d = s->headDim, D = s->heads * d;
    const float scale = 1.0f / sqrtf((float)d);
    const layout l = layoutOf(s, scratch);
    for (int64_t h = 0; h < 2 * D; h += d) asPairs(bf16, C, d, turnedIn + h * C, l.into + h * C / 2);
    for (int64_t image = 0; image < s->images; image++) {
        const float *xi = x + image * P * C;
        float *q = queries + image * D * P, *k = keys + image * D * P, *g = mean + image * D * C, *top = l.tops;
        for (int64_t i0 = 0; i0 < P; i0 += ROWS, top += D) {
            const int64_t rows = P - i0 < ROWS ? P - i0 : ROWS;
            const factor xRows = asRows(bf16, rows, C, xi + i0 * C, l.xRows);
            const factor xPairs = asPairs(bf16, rows, C, xi + i0 * C, l.xPairs);
            for (int64_t h = 0; h < D; h += d) {
                float *kt = k + h * P + i0 * d;
                const factor wk = {turnedIn + (D + h) * C, l.into + (D + h) * C / 2};
                multiplyFactors(bf16, rows, d, C, xRows, wk, 0, kt);
                softenKeys(rows, d, C, i0 == 0, kt, top - D + h, top + h, l.total + h, g + h * C);
                const factor keyTurned = asTurned(bf16, rows, d, kt, l.tilePairs, l.tileTurned);
                multiplyTurned(bf16, d, C, rows, keyTurned, xPairs, i0 > 0, g + h * C);
            }
        }
        const float *last = top - D;
        for (int64_t j = 0; j < D; j++) {
            l.total[j] = 1.0f / l.total[j];
            multiply(C, l.total[j], g + j * C, g + j * C);
        }
        contexts(s, g, turnedIn, turnedOut, l.context, l.m);
        for (int64_t h = 0; h < D; h += d) asPairs(bf16, d, O, l.m + h * O, l.mPairs + h * O / 2);
        top = l.tops;
        for (int64_t i0 = 0; i0 < P; i0 += ROWS, top += D) {
            const int64_t rows = P - i0 < ROWS ? P - i0 : ROWS;
            const factor xRows = asRows(bf16, rows, C, xi + i0 * C, l.xRows);
            float *yt = y + (image * P + i0) * O;
            for (int64_t i = 0; i < rows; i++) memcpy(yt + i * O, bias, (size_t)O * sizeof(float));
            for (int64_t h = 0; h < D; h += d) {
                float *qt = q + h * P + i0 * d;
                multiplyFactors(bf16, rows, d, C, xRows, (factor){turnedIn + h * C, l.into + h * C / 2}, 0, qt);
                for (int64_t i = 0; i < rows * d; i += d) {
                    float sum = exponentials(d, qt + i, maximum(d, qt + i), qt + i);
                    multiply(d, scale / sum, qt + i, qt + i);
                }
                const factor qRows = asRows(bf16, rows, d, qt, l.tileRows);
                multiplyFactors(bf16, rows, O, d, qRows, (factor){l.m + h * O, l.mPairs + h * O / 2}, 1, yt);
                normaliseKeys(rows, d, top + h, last + h, l.total + h, k + h * P + i0 * d);
            }
        }
    }
}

KERNEL void ck_attention_block(const ck_attention_block_shape *s, const float *x, const float *turnedIn,
                               const float *turnedOut, const float *bias, float *y, float *queries, float *keys,
                               float *mean, float *scratch) {
    if (s->bf16) {
        bf16_begin();
        forward(1, s, x, turnedIn, turnedOut, bias, y, queries, keys, mean, scratch);
        bf16_end();
    } else {
        forward(0, s, x, turnedIn, turnedOut, bias, y, queries, keys, mean, scratch);
    }
}

// For every head dM = Q'ᵀ dY, dQ' = dY Mᵀ;  dcontext = dM W_o, dG = dcontext W_v, dK' = X dGᵀ;  dX = Σ_h dQ W_q + dK W_k
// + K' dG. A softmax's own gradient wants Σ_P K' dK', which is Σ_C G dG.
INLINE void backward(int bf16, const ck_attention_block_shape *s, const float *dy, const float *x, const float *wIn,
                     const float *wOut, const float *turnedIn, const float *turnedOut, const float *queries,
                     const float *keys, const float *mean, float *dx, float *dwIn, float *dwOut, float *dbias,
                     float *scratch) {
    const int64_t P = s->positions, C = s->channels, O = s->outputs, d = s->headDim, D = s->heads * d;
    const float root = sqrtf((float)d);
    const layout l = layoutOf(s, scratch);
    for (int64_t h = 0; h < 2 * D; h += d) asPairs(bf16, d, C, wIn + h * C, l.from + h * C / 2);
    for (int64_t image = 0; image < s->images; image++) {
        const float *xi = x + image * P * C, *dyi = dy + image * P * O, *g = mean + image * D * C;
        const float *q = queries + image * D * P, *k = keys + image * D * P;
        float *dxi = dx + image * P * C;
        contexts(s, g, turnedIn, turnedOut, l.context, l.m);
        for (int64_t h = 0; h < D; h += d) {
            ck_transpose(d, O, l.m + h * O, O, l.turnedM + h * O);
            asPairs(bf16, O, d, l.turnedM + h * O, l.mPairs + h * O / 2);
        }
        for (int64_t i0 = 0; i0 < P; i0 += ROWS) {
            const int64_t rows = P - i0 < ROWS ? P - i0 : ROWS;
            const factor xPairs = asPairs(bf16, rows, C, xi + i0 * C, l.xPairs);
            const factor dyRows = asRows(bf16, rows, O, dyi + i0 * O, l.dyRows);
            const factor dyPairs = asPairs(bf16, rows, O, dyi + i0 * O, l.dyPairs);
            for (int64_t h = 0; h < D; h += d) {
                const float *qt = q + h * P + i0 * d;
                const factor m = {l.turnedM + h * O, l.mPairs + h * O / 2}, wq = {wIn + h * C, l.from + h * C / 2};
                multiplyFactors(bf16, rows, d, O, dyRows, m, 0, l.tile);
                for (int64_t i = 0; i < rows * d; i += d) {
                    // q' = d^-½ p with Σ p = 1: dq = q' dq' − p Σ q' dq'
                    const float *qi = qt + i;
                    float *dqi = l.tile + i, along = root * dot(d, qi, dqi);
                    int64_t e = 0;
#define BODY(W) AT(W, dqi + e) = READ(W, qi + e) * (READ(W, dqi + e) - along);
                    FOR_LANES(e, d, BODY)
#undef BODY
                }
                const factor qTurned = asTurned(bf16, rows, d, qt, l.tilePairs, l.tileTurned);
                multiplyTurned(bf16, d, O, rows, qTurned, dyPairs, i0 > 0, l.dm + h * O);
                const factor dqTurned = asTurned(bf16, rows, d, l.tile, l.tilePairs, l.tileTurned);
                multiplyTurned(bf16, d, C, rows, dqTurned, xPairs, i0 > 0, l.sums + h * C);
                const factor dqRows = asRows(bf16, rows, d, l.tile, l.tileRows);
                multiplyFactors(bf16, rows, C, d, dqRows, wq, h > 0, dxi + i0 * C);
            }
        }
        for (int64_t h = 0; h < D; h += d) {
            float *ch = l.context + h * d, *dch = l.dcontext + h * d, *dmh = l.dm + h * O, *dgh = l.dg + h * C;
            ck_product(d, d, O, 1.0f, (ck_matrix){dmh, O, 1}, wOut + h, D, 0, dch, d);
            ck_product(O, d, d, 1.0f, (ck_matrix){dmh, 1, O}, ch, d, 1, dwOut + h, D);
            product(d, C, d, dch, wIn + (2 * D + h) * C, 0, dgh);
            productOfTurned(d, C, d, dch, g + h * C, 1, dwIn + (2 * D + h) * C);
            ck_transpose(d, C, dgh, C, l.turnedDG + h * C);
            asPairs(bf16, d, C, dgh, l.dgPairs + h * C / 2);
            asPairs(bf16, C, d, l.turnedDG + h * C, l.turnedDGPairs + h * C / 2);
        }
        for (int64_t j = 0; j < D; j++) l.along[j] = dot(C, l.dg + j * C, g + j * C);
        for (int64_t i0 = 0; i0 < P; i0 += ROWS) {
            const int64_t rows = P - i0 < ROWS ? P - i0 : ROWS;
            const factor xRows = asRows(bf16, rows, C, xi + i0 * C, l.xRows);
            const factor xPairs = asPairs(bf16, rows, C, xi + i0 * C, l.xPairs);
            for (int64_t h = 0; h < D; h += d) {
                const float *kt = k + h * P + i0 * d;
                const factor turnedDG = {l.turnedDG + h * C, l.turnedDGPairs + h * C / 2};
                const factor wk = {wIn + (D + h) * C, l.from + (D + h) * C / 2}, dg = {l.dg + h * C, l.dgPairs + h * C / 2};
                multiplyFactors(bf16, rows, d, C, xRows, turnedDG, 0, l.tile);
                for (int64_t i = 0; i < rows * d; i += d) {
                    int64_t j = 0;
#define BODY(W) AT(W, l.tile + i + j) = READ(W, kt + i + j) * (READ(W, l.tile + i + j) - READ(W, l.along + h + j));
                    FOR_LANES(j, d, BODY)
#undef BODY
                }
                const factor dkTurned = asTurned(bf16, rows, d, l.tile, l.tilePairs, l.tileTurned);
                multiplyTurned(bf16, d, C, rows, dkTurned, xPairs, i0 > 0, l.sums + (D + h) * C);
                multiplyFactors(bf16, rows, C, d, asRows(bf16, rows, d, l.tile, l.tileRows), wk, 1, dxi + i0 * C);
                multiplyFactors(bf16, rows, C, d, asRows(bf16, rows, d, kt, l.tileRows), dg, 1, dxi + i0 * C);
            }
        }
        ck_add((size_t)(2 * D * C), l.sums, dwIn, dwIn);
    }
    ck_add_column_sums(s->images * P, O, dy, dbias, scratch);
}

KERNEL void ck_attention_block_gradient(const ck_attention_block_shape *s, const float *dy, const float *x,
                                        const float *wIn, const float *wOut, const float *turnedIn,
                                        const float *turnedOut, const float *queries, const float *keys,
                                        const float *mean, float *dx, float *dwIn, float *dwOut, float *dbias,
                                        float *scratch) {
    if (s->bf16) {
        bf16_begin();
        backward(1, s, dy, x, wIn, wOut, turnedIn, turnedOut, queries, keys, mean, dx, dwIn, dwOut, dbias, scratch);
        bf16_end();
    } else {
        backward(0, s, dy, x, wIn, wOut, turnedIn, turnedOut, queries, keys, mean, dx, dwIn, dwOut, dbias, scratch);
    }
}
