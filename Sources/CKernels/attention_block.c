// Linear attention together with the 1×1 convolutions before and after it, forward and backward: q, k and v are never
// written as a whole. Axis letters: N images, P positions, C channels of x, O channels of y, h heads, d numbers a head,
// D = h·d, R rows of a tile. For an image X [P, C] and one head with W_q, W_k, W_v [d, C] and W_o [O, d],
//
//     Q' = softmax of X W_qᵀ over d · d^-½,  K' = softmax of X W_kᵀ over P
//     context = K'ᵀ V = (K'ᵀ X) W_vᵀ            so that V is not needed, only G = K'ᵀ X [d, C]
//     Y = bias + Σ_h Q' context W_oᵀ = bias + Σ_h Q' M   so that Q' context is not, only M = context W_oᵀ [d, O]
//
// G, the context and M belong to an image, and are small where P > C. What is left for every position are 4 products
// with D rows or columns forward (6 without this) and 8 backward (12), for one tile of R rows at a time, which stays in
// L1; of keys, for one head at a time.
//
// Queries are kept transposed, tile by tile [D, R]: down the d rows of columns, the softmax and its gradient take 16
// positions at a time, and all heads are one product.
#include "attention_block.h"
#include <math.h>

// scratch: total, along [D], tops [tiles, D] | context, dcontext [h, d, d] | M, dM [D, O] | dG [D, C],
// transposed dG [h, C, d], sums of dW_q and dW_k [2, D, C] | a tile of x or dy transposed [C or O, R], a tile [D, R]
typedef struct {
    float *total, *along, *tops, *context, *dcontext, *m, *dm, *transposed, *dg, *transposedDG, *sums, *tile;
    size_t count;
} layout;

INLINE layout layoutOf(const ck_attention_block_shape *s, float *scratch) {
    const int64_t D = s->heads * s->headDim, tiles = (s->positions + ROWS - 1) / ROWS;
    layout l;
    size_t next = 0;
#define PLACE(NAME, COUNT) l.NAME = scratch ? scratch + next : NULL, next += (size_t)((COUNT) + 15) / 16 * 16;
    PLACE(total, D)
    PLACE(along, D)
    PLACE(tops, tiles * D)
    PLACE(context, D * s->headDim)
    PLACE(dcontext, D * s->headDim)
    PLACE(m, D * s->outputs)
    PLACE(dm, D * s->outputs)
    PLACE(transposed, ROWS * (s->channels > s->outputs ? s->channels : s->outputs))
    PLACE(dg, D * s->channels)
    PLACE(transposedDG, D * s->channels)
    PLACE(sums, 2 * D * s->channels)
    PLACE(tile, ROWS * D)
#undef PLACE
    l.count = next;
    return l;
}

size_t ck_attention_block_scratch(const ck_attention_block_shape *s) { return layoutOf(s, NULL).count; }

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

// dq' [d, rows] becomes dq: q' = d^-½ p with Σ p = 1, so that dq = q' dq' − p Σ q' dq'.
INLINE void softenQueriesGradient(int64_t d, int64_t rows, float root, const float *q, float *dq) {
    int64_t i = 0;
#define BODY(W)                                                                                                        \
    {                                                                                                                  \
        f##W along = ALL(W, 0.0f);                                                                                     \
        for (int64_t e = 0; e < d; e++) along += READ(W, q + e * rows + i) * READ(W, dq + e * rows + i);               \
        along *= root;                                                                                                 \
        for (int64_t e = 0; e < d; e++) {                                                                              \
            AT(W, dq + e * rows + i) = READ(W, q + e * rows + i) * (READ(W, dq + e * rows + i) - along);               \
        }                                                                                                              \
    }
    FOR_LANES(i, rows, BODY)
#undef BODY
}

KERNEL void ck_attention_block(const ck_attention_block_shape *s, const float *x, const float *wIn,
                               const float *transposedIn, const float *transposedOut, const float *bias, float *y,
                               float *queries, float *keys, float *mean, float *scratch) {
    const int64_t P = s->positions, C = s->channels, O = s->outputs, d = s->headDim, D = s->heads * d;
    const float scale = 1.0f / sqrtf((float)d);
    const layout l = layoutOf(s, scratch);
    for (int64_t image = 0; image < s->images; image++) {
        const float *xi = x + image * P * C;
        float *q = queries + image * D * P, *k = keys + image * D * P, *g = mean + image * D * C, *top = l.tops;
        for (int64_t i0 = 0; i0 < P; i0 += ROWS, top += D) {
            const int64_t rows = P - i0 < ROWS ? P - i0 : ROWS;
            for (int64_t h = 0; h < D; h += d) {
                float *kt = k + h * P + i0 * d;
                float *next = kt + ROWS * d;
                prefetch(0, 2, ROWS * d, next);
                product(rows, d, C, xi + i0 * C, transposedIn + h * C, 0, kt);
                softenKeys(rows, d, C, i0 == 0, kt, top - D + h, top + h, l.total + h, g + h * C);
                prefetch(1, 2, ROWS * d, next);
                productOfTransposed(d, C, rows, kt, xi + i0 * C, i0 > 0, g + h * C);
            }
        }
        const float *last = top - D;
        for (int64_t j = 0; j < D; j++) {
            l.total[j] = 1.0f / l.total[j];
            multiply(C, l.total[j], g + j * C, g + j * C);
        }
        contexts(s, g, transposedIn, transposedOut, l.context, l.m);
        top = l.tops;
        for (int64_t i0 = 0; i0 < P; i0 += ROWS, top += D) {
            const int64_t rows = P - i0 < ROWS ? P - i0 : ROWS;
            float *qt = q + i0 * D, *yt = y + (image * P + i0) * O;
            ck_transpose(rows, C, xi + i0 * C, C, l.transposed);
            prefetch(0, 3, ROWS * D, qt + ROWS * D);
            product(D, rows, C, wIn, l.transposed, 0, qt);
            prefetch(1, 3, ROWS * D, qt + ROWS * D);
            for (int64_t h = 0; h < D; h += d) softenQueries(d, rows, scale, qt + h * rows);
            for (int64_t i = 0; i < rows; i++) memcpy(yt + i * O, bias, (size_t)O * sizeof(float));
            prefetch(2, 3, ROWS * D, qt + ROWS * D);
            productOfTransposed(rows, O, D, qt, l.m, 1, yt);
            for (int64_t h = 0; h < D; h += d) {
                normaliseKeys(rows, d, top + h, last + h, l.total + h, k + h * P + i0 * d);
            }
        }
    }
}

// For every head dM = Q'ᵀ dY, dQ' = dY Mᵀ;  dcontext = dM W_o, dG = dcontext W_v, dK' = X dGᵀ;  dX = Σ_h dQ W_q + dK W_k
// + K' dG. A softmax's own gradient wants Σ_P K' dK', which is Σ_C G dG.
KERNEL void ck_attention_block_gradient(const ck_attention_block_shape *s, const float *dy, const float *x,
                                        const float *wIn, const float *wOut, const float *transposedIn,
                                        const float *transposedOut, const float *queries, const float *keys,
                                        const float *mean, float *dx, float *dwIn, float *dwOut, float *dbias,
                                        float *scratch) {
    const int64_t P = s->positions, C = s->channels, O = s->outputs, d = s->headDim, D = s->heads * d;
    const float root = sqrtf((float)d);
    const layout l = layoutOf(s, scratch);
    for (int64_t image = 0; image < s->images; image++) {
        const float *xi = x + image * P * C, *dyi = dy + image * P * O, *g = mean + image * D * C;
        const float *q = queries + image * D * P, *k = keys + image * D * P;
        float *dxi = dx + image * P * C;
        contexts(s, g, transposedIn, transposedOut, l.context, l.m);
        for (int64_t i0 = 0; i0 < P; i0 += ROWS) {
            const int64_t rows = P - i0 < ROWS ? P - i0 : ROWS;
            const float *xt = xi + i0 * C, *dyt = dyi + i0 * O, *qt = q + i0 * D;
            ck_transpose(rows, O, dyt, O, l.transposed);
            prefetch(0, 4, ROWS * D, qt + ROWS * D);
            product(D, rows, O, l.m, l.transposed, 0, l.tile);
            for (int64_t h = 0; h < D; h += d) softenQueriesGradient(d, rows, root, qt + h * rows, l.tile + h * rows);
            prefetch(1, 4, ROWS * D, qt + ROWS * D);
            product(D, O, rows, qt, dyt, i0 > 0, l.dm);
            prefetch(2, 4, ROWS * D, qt + ROWS * D);
            product(D, C, rows, l.tile, xt, i0 > 0, l.sums);
            prefetch(3, 4, ROWS * D, qt + ROWS * D);
            productOfTransposed(rows, C, D, l.tile, wIn, 0, dxi + i0 * C);
        }
        contextsGradient(s, g, l.context, l.dm, wIn, wOut, l.dcontext, l.dg, dwIn, dwOut, l.along);
        for (int64_t h = 0; h < D; h += d) ck_transpose(d, C, l.dg + h * C, C, l.transposedDG + h * C);
        for (int64_t i0 = 0; i0 < P; i0 += ROWS) {
            const int64_t rows = P - i0 < ROWS ? P - i0 : ROWS;
            const float *xt = xi + i0 * C;
            for (int64_t h = 0; h < D; h += d) {
                const float *kt = k + h * P + i0 * d;
                const float *next = kt + ROWS * d;
                prefetch(0, 3, ROWS * d, next);
                product(rows, d, C, xt, l.transposedDG + h * C, 0, l.tile);
                for (int64_t i = 0; i < rows * d; i += d) {
                    int64_t j = 0;
#define BODY(W) AT(W, l.tile + i + j) = READ(W, kt + i + j) * (READ(W, l.tile + i + j) - READ(W, l.along + h + j));
                    FOR_LANES(j, d, BODY)
#undef BODY
                }
                prefetch(1, 3, ROWS * d, next);
                productOfTransposed(d, C, rows, l.tile, xt, i0 > 0, l.sums + (D + h) * C);
                prefetch(2, 3, ROWS * d, next);
                product(rows, C, d, l.tile, wIn + (D + h) * C, 1, dxi + i0 * C);
                product(rows, C, d, kt, l.dg + h * C, 1, dxi + i0 * C);
            }
        }
        ck_add((size_t)(2 * D * C), l.sums, dwIn, dwIn);
    }
    ck_add_column_sums(s->images * P, O, dy, dbias, scratch);
}
