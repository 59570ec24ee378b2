// Full attention, forward and backward, in blocks of query rows so that the scores stay in cache. Axis letters:
// N images, n positions, B rows of a block, h heads, d numbers a head, D = h·d; a row of qkv has 3 D numbers.
#include "attention.h"
#include <math.h>

// Rows of scores are spread by 16 floats so that a column of them does not fall into one set of the cache.
INLINE int64_t scoreStride(int64_t n) { return (n + 15) / 16 * 16 + 16; }

// About 128 KiB of scores at once, a multiple of the rows of a tile.
INLINE int64_t blockRows(int64_t n) {
    int64_t rows = 32768 / scoreStride(n) / 8 * 8;
    return rows < 8 ? 8 : rows > n ? n : rows;
}

// scratch: scores, dscores [B, stride] | kᵀ, vᵀ [d, stride]
size_t ck_full_attention_scratch(const ck_attention_shape *s) {
    return (size_t)(2 * (blockRows(s->positions) + s->headDim) * scoreStride(s->positions));
}

// to [d, n] = from [n, d] transposed; rows of from are `row` apart.
INLINE void transpose(int64_t n, int64_t d, const float *from, int64_t row, float *to, int64_t stride) {
    for (int64_t i = 0; i < n; i++) {
        for (int64_t e = 0; e < d; e++) to[e * stride + i] = from[i * row + e];
    }
}

KERNEL void ck_full_attention(const ck_attention_shape *s, const float *qkv, float *out, float *logSumExp,
                              float *scratch) {
    int64_t n = s->positions, d = s->headDim, D = s->heads * d, row = 3 * D, stride = scoreStride(n);
    int64_t block = blockRows(n), head = s->headsFirst ? 3 * d : d, part = s->headsFirst ? d : D;
    float scale = 1.0f / sqrtf((float)d), *scores = scratch, *share = scores + block * stride;
    float *transposed = share + block * stride;
    for (int64_t item = 0; item < s->images * s->heads; item++) {
        int64_t image = item / s->heads, h = item % s->heads;
        const float *q = qkv + image * n * row + h * head, *k = q + part, *v = k + part;
        float *y = out + image * n * D + h * d, *lse = logSumExp + item * n;
        transpose(n, d, k, row, transposed, stride);
        for (int64_t i0 = 0; i0 < n; i0 += block) {
            int64_t rows = n - i0 < block ? n - i0 : block;
            ck_product(rows, n, d, scale, (ck_matrix){q + i0 * row, row, 1}, transposed, stride, 0, scores, stride);
            for (int64_t i = 0; i < rows; i++) {
                float *p = scores + i * stride, top = maximum(n, p), sum = exponentials(n, p, top, p);
                lse[i0 + i] = top + logf(sum);
                share[i] = 1.0f / sum;
            }
            ck_product(rows, d, n, 1.0f, (ck_matrix){scores, stride, 1}, v, row, 0, y + i0 * D, D);
            for (int64_t i = 0; i < rows; i++) multiply(d, share[i], y + (i0 + i) * D, y + (i0 + i) * D);
        }
    }
}

// With P the softmax, δ_i = dout_i · out_i: dv = Pᵀ dout; dS = P (dout vᵀ − δ); dq = dS k · d^-½; dk = dSᵀ q · d^-½.
KERNEL void ck_full_attention_gradient(const ck_attention_shape *s, const float *dout, const float *qkv,
                                       const float *out, const float *logSumExp, float *dqkv, float *scratch) {
    int64_t n = s->positions, d = s->headDim, D = s->heads * d, row = 3 * D, stride = scoreStride(n);
    int64_t block = blockRows(n), head = s->headsFirst ? 3 * d : d, part = s->headsFirst ? d : D;
    float scale = 1.0f / sqrtf((float)d), *scores = scratch, *dscores = scores + block * stride;
    float *keys = dscores + block * stride, *values = keys + d * stride;
    for (int64_t item = 0; item < s->images * s->heads; item++) {
        int64_t image = item / s->heads, h = item % s->heads;
        const float *q = qkv + image * n * row + h * head, *k = q + part, *v = k + part;
        const float *y = out + image * n * D + h * d, *dy = dout + image * n * D + h * d, *lse = logSumExp + item * n;
        float *dq = dqkv + image * n * row + h * head, *dk = dq + part, *dv = dk + part;
        transpose(n, d, k, row, keys, stride);
        transpose(n, d, v, row, values, stride);
        for (int64_t i0 = 0; i0 < n; i0 += block) {
            int64_t rows = n - i0 < block ? n - i0 : block;
            ck_product(rows, n, d, scale, (ck_matrix){q + i0 * row, row, 1}, keys, stride, 0, scores, stride);
            ck_product(rows, n, d, 1.0f, (ck_matrix){dy + i0 * D, D, 1}, values, stride, 0, dscores, stride);
            for (int64_t i = 0; i < rows; i++) {
                float *p = scores + i * stride, *ds = dscores + i * stride;
                float delta = dot(d, dy + (i0 + i) * D, y + (i0 + i) * D);
                (void)exponentials(n, p, lse[i0 + i], p);
                int64_t j = 0;
#define BODY(W) AT(W, ds + j) = READ(W, p + j) * (READ(W, ds + j) - delta);
                FOR_LANES(j, n, BODY)
#undef BODY
            }
            ck_product(rows, d, n, scale, (ck_matrix){dscores, stride, 1}, k, row, 0, dq + i0 * row, row);
            ck_product(n, d, rows, 1.0f, (ck_matrix){scores, 1, stride}, dy + i0 * D, D, i0 > 0, dv, row);
            ck_product(n, d, rows, scale, (ck_matrix){dscores, 1, stride}, q + i0 * row, row, i0 > 0, dk, row);
        }
    }
}
