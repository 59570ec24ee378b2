// Shared by linear attention's block in float32 and in bfloat16. Private to this target.
#pragma once
#include "attention.h"
#include "product.h"

/// Positions of a tile.
enum { ROWS = 32 };

// Prefetches one of several parts of a tile of `count` numbers: queries and keys are written and read once a step, so
// they are not in cache. Far fewer lines than a tile has can be on their way at once, so a part of the next tile is
// prefetched before each product of the present one.
INLINE void prefetch(int part, int parts, int64_t count, const float *tile) {
    for (int64_t i = count * part / parts; i < count * (part + 1) / parts; i += 16) __builtin_prefetch(tile + i);
}

// The heads' contexts, and M.
INLINE void contexts(const ck_attention_block_shape *s, const float *g, const float *transposedIn,
                     const float *transposedOut,
                     float *context, float *m) {
    const int64_t C = s->channels, O = s->outputs, d = s->headDim, D = s->heads * d;
    for (int64_t h = 0; h < D; h += d) {
        product(d, d, C, g + h * C, transposedIn + (D + h) * C, 0, context + h * d);
        product(d, O, d, context + h * d, transposedOut + h * O, 0, m + h * O);
    }
}

// From dM [D, O]: dcontext = dM W_o, dG = dcontext W_v [D, C] and along = Σ_C G dG [D] of all heads; the parts of dW_o
// and dW_v are added.
INLINE void contextsGradient(const ck_attention_block_shape *s, const float *g, const float *context, const float *dm,
                             const float *wIn, const float *wOut, float *dcontext, float *dg, float *dwIn,
                             float *dwOut, float *along) {
    const int64_t C = s->channels, O = s->outputs, d = s->headDim, D = s->heads * d;
    for (int64_t h = 0; h < D; h += d) {
        float *dch = dcontext + h * d;
        ck_product(d, d, O, 1.0f, (ck_matrix){dm + h * O, O, 1}, wOut + h, D, 0, dch, d);
        ck_product(O, d, d, 1.0f, (ck_matrix){dm + h * O, 1, O}, context + h * d, d, 1, dwOut + h, D);
        product(d, C, d, dch, wIn + (2 * D + h) * C, 0, dg + h * C);
        productOfTransposed(d, C, d, dch, g + h * C, 1, dwIn + (2 * D + h) * C);
    }
    for (int64_t j = 0; j < D; j++) along[j] = dot(C, dg + j * C, g + j * C);
}

// The softmax down the columns of q [d, rows], times `scale`.
INLINE void softenQueries(int64_t d, int64_t rows, float scale, float *q) {
    int64_t i = 0;
#define BODY(W)                                                                                                        \
    {                                                                                                                  \
        f##W high = READ(W, q + i), sum = ALL(W, 0.0f);                                                                \
        for (int64_t e = 1; e < d; e++) {                                                                              \
            f##W v = READ(W, q + e * rows + i);                                                                        \
            high = CHOOSE(W, high > v, high, v);                                                                       \
        }                                                                                                              \
        for (int64_t e = 0; e < d; e++) {                                                                              \
            f##W v = READ(W, q + e * rows + i) - high;                                                                 \
            exponential##W(&v);                                                                                        \
            AT(W, q + e * rows + i) = v;                                                                               \
            sum += v;                                                                                                  \
        }                                                                                                              \
        const f##W share = scale / sum;                                                                                \
        for (int64_t e = 0; e < d; e++) AT(W, q + e * rows + i) *= share;                                              \
    }
    FOR_LANES(i, rows, BODY)
#undef BODY
}

// The columns' maxima so far, top [d], go up to those of the tile, whose numbers become exponentials above them; total
// [d] and G [d, C] are brought to the new maxima, and total takes in the tile.
INLINE void softenKeys(int64_t rows, int64_t d, int64_t C, int first, float *k, const float *before, float *top,
                       float *total, float *g) {
    int64_t j = 0;
#define BODY(W)                                                                                                        \
    {                                                                                                                  \
        f##W high = READ(W, k + j), sum = ALL(W, 0.0f), old = ALL(W, 1.0f);                                            \
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
        const f##W risen = CHOOSE(W, old != 1.0f, ALL(W, 1.0f), ALL(W, 0.0f));                                         \
        for (int l = 0; l < W && sum##W(&risen) > 0; l++) {                                                            \
            if (old[l] != 1.0f) multiply(C, old[l], g + (j + l) * C, g + (j + l) * C);                                 \
        }                                                                                                              \
    }
    FOR_LANES(j, d, BODY)
#undef BODY
}
