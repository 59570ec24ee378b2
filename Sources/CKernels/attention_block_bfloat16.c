// Linear attention's block (attention_block.c) with factors in bfloat16: the same 4 products over positions forward and
// 8 backward, on tiles of R = 32 positions and all heads at once. Axis letters are those of attention_block.c, M [D, O]
// and G [D, C] those of all heads, one below the other; W_q and W_k are [D, C].
//
// Where a tile lies with positions along its rows, [D, R], the softmax over d of queries runs down columns, and its
// numbers are factors of the next product as they are:
//
//     Q'ᵀ = softmax of W_q Xᵀ,  Yᵀ = bias + Mᵀ Q'ᵀ          K' = softmax of X W_kᵀ,  G = K'ᵀ X
//     dQ'ᵀ = M dYᵀ,  dM = Q'ᵀ dY,  dW_q = dQᵀ X,  dXᵀ = W_qᵀ dQᵀ
//     dK'ᵀ = dG Xᵀ,  dW_k = dKᵀ X,  dXᵀ += W_kᵀ dKᵀ + dGᵀ K'ᵀ
//
// The products that belong to an image, softmaxes and all sums are float32. Saved are Q'ᵀ as pairs [D/2, R] of every
// tile and K'ᵀ as rows [D, R], each in half of the memory that float32 takes.
#include "attention_block.h"
#include "bfloat16.h"
#include <math.h>

// scratch: total, along, factor [D], tops [tiles, D] | context, dcontext [h, d, d] | M, dM [D, O], dG [D, C], sums of
// dW_q and dW_k [2, D, C] | a tile [D, R], one of x or dy [C or O, R] or its transpose, a transposed matrix [C or O,
// D] | packed: rows of x [P, C]; pairs of a tile of x [R/2, C] and of its transpose [C/2, R]; of dy the same and rows;
// pairs and rows of a tile [D, R]; weights
typedef struct {
    float *total, *along, *factor, *tops, *context, *dcontext, *m, *dm, *dg, *sums, *tile, *narrow, *transposed;
    uint16_t *xRows, *dyRows, *rows, *into, *query, *key, *back;
    uint32_t *xPairs, *xTransposed, *dyPairs, *dyTransposed, *pairs, *keyPairs;
    size_t count;
} layout;

INLINE layout layoutOf(const ck_attention_block_shape *s, float *scratch) {
    const int64_t P = s->positions, C = s->channels, O = s->outputs, d = s->headDim, D = s->heads * d;
    const int64_t widest = C > O ? C : O;
    layout l;
    size_t next = 0;
#define PLACE(NAME, HALVES)                                                                                            \
    l.NAME = scratch ? (void *)(scratch + next) : NULL;                                                                \
    next += (size_t)((HALVES) + 31) / 32 * 16;
    PLACE(total, 2 * D)
    PLACE(along, 2 * D)
    PLACE(factor, 2 * D)
    PLACE(tops, 2 * P / ROWS * D)
    PLACE(context, 2 * D * d)
    PLACE(dcontext, 2 * D * d)
    PLACE(m, 2 * D * O)
    PLACE(dm, 2 * D * O)
    PLACE(dg, 2 * D * C)
    PLACE(sums, 4 * D * C)
    PLACE(tile, 2 * D * ROWS)
    PLACE(narrow, 2 * widest * ROWS)
    PLACE(transposed, 2 * widest * D)
    PLACE(xRows, P * C)
    PLACE(dyRows, ROWS * O)
    PLACE(rows, D * ROWS)
    PLACE(into, D * widest)
    PLACE(query, D * C)
    PLACE(key, D * C)
    PLACE(back, D * C)
    PLACE(xPairs, ROWS * C)
    PLACE(xTransposed, ROWS * C)
    PLACE(dyPairs, ROWS * O)
    PLACE(dyTransposed, ROWS * O)
    PLACE(pairs, D * ROWS)
    PLACE(keyPairs, D * C)
#undef PLACE
    l.count = next;
    return l;
}

int ck_attention_block_takes_bfloat16(const ck_attention_block_shape *s) {
    return s->positions % ROWS == 0 && s->channels % TILE_DEPTH == 0 && s->outputs % TILE_DEPTH == 0
        && s->headDim % TILE_DEPTH == 0;
}

size_t ck_attention_block_bfloat16_scratch(const ck_attention_block_shape *s) { return layoutOf(s, NULL).count; }

// MARK: Packing

// to [n, m] rows = from [m, n] transposed and rounded; through room [n, m].
INLINE void packTransposed(int64_t m, int64_t n, const float *from, float *room, uint16_t *to) {
    ck_transpose(m, n, from, n, room);
    bf16_pack_rows(m * n, room, to);
}

// to [n/2, m] = pairs of the transpose of rows [m, n].
INLINE void transposeRows(int64_t m, int64_t n, const uint16_t *rows, uint32_t *to) {
    ck_transpose(m, n / 2, (const float *)(const void *)rows, n / 2, (float *)to);
}

INLINE float first(uint32_t pair) {
    pair <<= 16;
    float value;
    memcpy(&value, &pair, sizeof value);
    return value;
}

INLINE float second(uint32_t pair) {
    pair &= 0xffff0000;
    float value;
    memcpy(&value, &pair, sizeof value);
    return value;
}

// rows [D, R] of pairs [D/2, R], and back.
INLINE void pairsToRows(int64_t D, const uint32_t *pairs, uint16_t *rows) {
    for (int64_t j = 0; j < D; j += 2, pairs += ROWS, rows += 2 * ROWS) {
#pragma clang loop vectorize(assume_safety)
        for (int i = 0; i < ROWS; i++) {
            rows[i] = (uint16_t)pairs[i];
            rows[ROWS + i] = (uint16_t)(pairs[i] >> 16);
        }
    }
}

INLINE void rowsToPairs(int64_t D, const uint16_t *rows, uint32_t *pairs) {
    for (int64_t j = 0; j < D; j += 2, pairs += ROWS, rows += 2 * ROWS) {
#pragma clang loop vectorize(assume_safety)
        for (int i = 0; i < ROWS; i++) pairs[i] = rows[i] | (uint32_t)rows[ROWS + i] << 16;
    }
}

// MARK: Softmaxes

// dq' becomes dq: q' = d^-½ p with Σ p = 1, so that dq = q' dq' − p Σ q' dq'. q' is given as pairs [d/2, R].
INLINE void softenQueriesGradient(int64_t d, const uint32_t *q, float *dq) {
    const float root = sqrtf((float)d);
    for (int64_t j = 0; j < ROWS; j += 16) {
        f16 along = {0};
        for (int pass = 0; pass < 2; pass++) {
            for (int64_t e = 0; e < d; e += 2) {
                i16 pair;
                memcpy(&pair, q + e / 2 * ROWS + j, sizeof pair);
                const f16 q0 = (f16)(pair << 16), q1 = (f16)(pair & (int32_t)0xffff0000);
                float *d0 = dq + e * ROWS + j, *d1 = d0 + ROWS;
                if (pass == 0) {
                    along += q0 * READ(16, d0) + q1 * READ(16, d1);
                } else {
                    AT(16, d0) = q0 * (READ(16, d0) - along);
                    AT(16, d1) = q1 * (READ(16, d1) - along);
                }
            }
            if (pass == 0) along *= root;
        }
    }
}

// dk' [D, R] becomes dk = k' (dk' − along [D]), of rows k' [D, R].
INLINE void softenKeysGradient(int64_t D, const uint16_t *k, const float *along, float *dk) {
    for (int64_t j = 0; j < D; j++, k += ROWS, dk += ROWS) {
        const float sum = along[j];
#pragma clang loop vectorize(assume_safety)
        for (int i = 0; i < ROWS; i++) dk[i] = first(k[i]) * (dk[i] - sum);
    }
}

// keys [D, R] *= exp(top − last) · share [D]: from a tile's own maxima to those of all, and to a sum of 1. factor [D].
INLINE void normaliseKeys(int64_t D, const float *top, const float *last, const float *share, float *factor,
                          uint32_t *keys) {
    int64_t j = 0;
#define BODY(W)                                                                                                        \
    {                                                                                                                  \
        f##W v = READ(W, top + j) - READ(W, last + j);                                                                 \
        exponential##W(&v);                                                                                            \
        AT(W, factor + j) = v * READ(W, share + j);                                                                    \
    }
    FOR_LANES(j, D, BODY)
#undef BODY
    for (j = 0; j < D; j++) {
        uint32_t *row = keys + j * (ROWS / 2);
        const float own = factor[j];
#pragma clang loop vectorize(assume_safety)
        for (int i = 0; i < ROWS / 2; i++) {
            row[i] = nearestBFloat16(first(row[i]) * own) >> 16 | nearestBFloat16(second(row[i]) * own);
        }
    }
}

// MARK: Forward

KERNEL void ck_attention_block_bfloat16(const ck_attention_block_shape *s, const float *x, const float *wIn,
                                        const float *transposedIn, const float *transposedOut, const float *bias,
                                        float *y, float *queries, float *keys, float *mean, float *scratch) {
    const int64_t P = s->positions, C = s->channels, O = s->outputs, d = s->headDim, D = s->heads * d;
    const float scale = 1.0f / sqrtf((float)d);
    const layout l = layoutOf(s, scratch);
    bf16_pack_rows(D * C, wIn, l.query);
    bf16_pack_rows(D * C, wIn + D * C, l.key);
    transposeRows(D, C, l.key, l.keyPairs);
    bf16_begin();
    for (int64_t image = 0; image < s->images; image++) {
        const float *xi = x + image * P * C;
        uint32_t *q = (uint32_t *)(queries + image * D * P), *k = (uint32_t *)(keys + image * D * P);
        float *g = mean + image * D * C, *top = l.tops;
        for (int64_t i0 = 0; i0 < P; i0 += ROWS, top += D) {
            uint32_t *kt = k + i0 * D / 2;
            bf16_pack_rows(ROWS * C, xi + i0 * C, l.xRows + i0 * C);
            bf16_pack_pairs(ROWS, C, xi + i0 * C, l.xPairs);
            prefetch(0, 2, ROWS * D / 2, (const float *)kt + ROWS * D / 2);
            bf16_product(ROWS, D, C, l.xRows + i0 * C, C, l.keyPairs, D, 0, l.tile, D);
            softenKeys(ROWS, D, C, i0 == 0, l.tile, top - D, top, l.total, g);
            bf16_pack_pairs(ROWS, D, l.tile, l.pairs);
            ck_transpose(ROWS / 2, D, (const float *)l.pairs, D, (float *)kt);
            prefetch(1, 2, ROWS * D / 2, (const float *)kt + ROWS * D / 2);
            bf16_product(D, C, ROWS, (const uint16_t *)kt, ROWS, l.xPairs, C, i0 > 0, g, C);
        }
        const float *last = top - D;
        for (int64_t j = 0; j < D; j++) {
            l.total[j] = 1.0f / l.total[j];
            multiply(C, l.total[j], g + j * C, g + j * C);
        }
        contexts(s, g, transposedIn, transposedOut, l.context, l.m);
        packTransposed(D, O, l.m, l.transposed, l.into);
        top = l.tops;
        for (int64_t i0 = 0; i0 < P; i0 += ROWS, top += D) {
            uint32_t *qt = q + i0 * D / 2;
            transposeRows(ROWS, C, l.xRows + i0 * C, l.xTransposed);
            prefetch(0, 1, ROWS * D / 2, (const float *)qt + ROWS * D / 2);
            bf16_product(D, ROWS, C, l.query, C, l.xTransposed, ROWS, 0, l.tile, ROWS);
            for (int64_t h = 0; h < D; h += d) softenQueries(d, ROWS, scale, l.tile + h * ROWS);
            bf16_pack_pairs(D, ROWS, l.tile, qt);
            for (int64_t o = 0; o < O; o++) {
                for (int64_t i = 0; i < ROWS; i++) l.narrow[o * ROWS + i] = bias[o];
            }
            prefetch(0, 1, ROWS * D / 2, (const float *)(k + i0 * D / 2) + ROWS * D / 2);
            bf16_product(O, ROWS, D, l.into, D, qt, ROWS, 1, l.narrow, ROWS);
            ck_transpose(O, ROWS, l.narrow, ROWS, y + (image * P + i0) * O);
            normaliseKeys(D, top, last, l.total, l.factor, k + i0 * D / 2);
        }
    }
    bf16_end();
}

// MARK: Backward

KERNEL void ck_attention_block_bfloat16_gradient(const ck_attention_block_shape *s, const float *dy, const float *x,
                                                 const float *wIn, const float *wOut, const float *transposedIn,
                                                 const float *transposedOut, const float *queries, const float *keys,
                                                 const float *mean, float *dx, float *dwIn, float *dwOut, float *dbias,
                                                 float *scratch) {
    const int64_t P = s->positions, C = s->channels, O = s->outputs, d = s->headDim, D = s->heads * d;
    const layout l = layoutOf(s, scratch);
    packTransposed(D, C, wIn, l.transposed, l.query);
    packTransposed(D, C, wIn + D * C, l.transposed, l.key);
    bf16_begin();
    for (int64_t image = 0; image < s->images; image++) {
        const float *xi = x + image * P * C, *dyi = dy + image * P * O, *g = mean + image * D * C;
        const uint32_t *q = (const uint32_t *)(queries + image * D * P);
        const uint16_t *k = (const uint16_t *)(keys + image * D * P);
        float *dxi = dx + image * P * C;
        contexts(s, g, transposedIn, transposedOut, l.context, l.m);
        bf16_pack_rows(D * O, l.m, l.into);
        for (int64_t i0 = 0; i0 < P; i0 += ROWS) {
            const uint32_t *qt = q + i0 * D / 2;
            bf16_pack_pairs(ROWS, C, xi + i0 * C, l.xPairs);
            bf16_pack_pairs(ROWS, O, dyi + i0 * O, l.dyPairs);
            bf16_pack_rows(ROWS * O, dyi + i0 * O, l.dyRows);
            transposeRows(ROWS, O, l.dyRows, l.dyTransposed);
            prefetch(0, 2, ROWS * D / 2, (const float *)qt + ROWS * D / 2);
            bf16_product(D, ROWS, O, l.into, O, l.dyTransposed, ROWS, 0, l.tile, ROWS);
            for (int64_t h = 0; h < D; h += d) softenQueriesGradient(d, qt + h * ROWS / 2, l.tile + h * ROWS);
            pairsToRows(D, qt, l.rows);
            prefetch(1, 2, ROWS * D / 2, (const float *)qt + ROWS * D / 2);
            bf16_product(D, O, ROWS, l.rows, ROWS, l.dyPairs, O, i0 > 0, l.dm, O);
            bf16_pack_rows(D * ROWS, l.tile, l.rows);
            bf16_pack_pairs(D, ROWS, l.tile, l.pairs);
            bf16_product(D, C, ROWS, l.rows, ROWS, l.xPairs, C, i0 > 0, l.sums, C);
            // The tile's place in dx holds its transpose [C, R] until the second pass is done with it.
            bf16_product(C, ROWS, D, l.query, D, l.pairs, ROWS, 0, dxi + i0 * C, ROWS);
        }
        contextsGradient(s, g, l.context, l.dm, wIn, wOut, l.dcontext, l.dg, dwIn, dwOut, l.along);
        bf16_pack_rows(D * C, l.dg, l.into);
        packTransposed(D, C, l.dg, l.transposed, l.back);
        for (int64_t i0 = 0; i0 < P; i0 += ROWS) {
            const uint16_t *kt = k + i0 * D;
            bf16_pack_pairs(ROWS, C, xi + i0 * C, l.xPairs);
            bf16_pack_rows(ROWS * C, xi + i0 * C, l.xRows);
            transposeRows(ROWS, C, l.xRows, l.xTransposed);
            prefetch(0, 2, ROWS * D / 2, (const float *)(const void *)kt + ROWS * D / 2);
            bf16_product(D, ROWS, C, l.into, C, l.xTransposed, ROWS, 0, l.tile, ROWS);
            softenKeysGradient(D, kt, l.along, l.tile);
            bf16_pack_rows(D * ROWS, l.tile, l.rows);
            bf16_pack_pairs(D, ROWS, l.tile, l.pairs);
            prefetch(1, 2, ROWS * D / 2, (const float *)(const void *)kt + ROWS * D / 2);
            bf16_product(D, C, ROWS, l.rows, ROWS, l.xPairs, C, i0 > 0, l.sums + D * C, C);
            bf16_product(C, ROWS, D, l.key, D, l.pairs, ROWS, 1, dxi + i0 * C, ROWS);
            rowsToPairs(D, kt, l.pairs);
            bf16_product(C, ROWS, D, l.back, D, l.pairs, ROWS, 1, dxi + i0 * C, ROWS);
            ck_transpose(C, ROWS, dxi + i0 * C, ROWS, l.narrow);
            memcpy(dxi + i0 * C, l.narrow, (size_t)(ROWS * C) * sizeof(float));
        }
        ck_add((size_t)(2 * D * C), l.sums, dwIn, dwIn);
    }
    bf16_end();
    ck_add_column_sums(s->images * P, O, dy, dbias, l.narrow);
}
