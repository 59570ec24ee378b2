// Linear attention, forward and backward. Axis letters: N images, n positions, h heads, d numbers a head, D = h·d;
// a row of qkv has 3 D numbers.
#include "attention.h"
#include <math.h>

// The softmax of k runs down the columns. Rows are read in their order all the same, because whole rows stream and
// columns do not; each column's maximum and sum wait in scratch: top, part, total [D].

// top = max(top, x), column by column.
INLINE void raise(int64_t columns, const float *x, float *top) {
    int64_t c = 0;
#define BODY(W)                                                                                                        \
    {                                                                                                                  \
        f##W v = READ(W, x + c), t = READ(W, top + c);                                                                 \
        AT(W, top + c) = CHOOSE(W, t > v, t, v);                                                                       \
    }
    FOR_LANES(c, columns, BODY)
#undef BODY
}

// y = exp(x − top), part += y. y may be x.
INLINE void exponentialsOfRow(int64_t columns, const float *x, const float *top, float *y, float *part) {
    int64_t c = 0;
#define BODY(W)                                                                                                        \
    {                                                                                                                  \
        f##W v = READ(W, x + c) - READ(W, top + c);                                                                    \
        exponential##W(&v);                                                                                            \
        AT(W, y + c) = v;                                                                                              \
        AT(W, part + c) += v;                                                                                          \
    }
    FOR_LANES(c, columns, BODY)
#undef BODY
}

// total += part; part = 0. Done every 32 rows: float32 errors of sums of sums stay small.
INLINE void carry(int64_t columns, float *part, float *total) {
    int64_t c = 0;
#define BODY(W)                                                                                                        \
    {                                                                                                                  \
        AT(W, total + c) += READ(W, part + c);                                                                         \
        AT(W, part + c) = ALL(W, 0.0f);                                                                                \
    }
    FOR_LANES(c, columns, BODY)
#undef BODY
}

// scratch: top, part, total [D] | transposed contexts or gradients of them [2, h, d, d]
size_t ck_linear_attention_scratch(const ck_attention_shape *s) {
    return (size_t)(3 * s->heads * s->headDim + 2 * s->heads * s->headDim * s->headDim);
}

// Everything is done for DEPTH rows and all heads before going on to the next rows, which keeps them in cache: one
// sweep for the maxima of k, one for the exponentials and the context, one for the results.
KERNEL void ck_linear_attention(const ck_attention_shape *s, const float *qkv, float *out, float *softened,
                                float *context, float *scratch) {
    int64_t n = s->positions, d = s->headDim, D = s->heads * d, row = 3 * D;
    float scale = 1.0f / sqrtf((float)d), *top = scratch, *part = top + D, *total = part + D;
    for (int64_t image = 0; image < s->images; image++) {
        const float *x = qkv + image * n * row;
        float *soft = softened + image * n * row, *y = out + image * n * D, *c = context + image * D * d;
        memcpy(top, x + D, (size_t)D * sizeof(float));
        memset(part, 0, (size_t)(2 * D) * sizeof(float));
        for (int64_t i = 1; i < n; i++) raise(D, x + i * row + D, top);
        for (int64_t i0 = 0; i0 < n; i0 += DEPTH) {
            int64_t rows = n - i0 < DEPTH ? n - i0 : DEPTH;
            for (int64_t i = i0; i < i0 + rows; i++) {
                const float *from = x + i * row;
                float *to = soft + i * row;
                for (int64_t h = 0; h < D; h += d) {
                    float sum = exponentials(d, from + h, maximum(d, from + h), to + h);
                    multiply(d, scale / sum, to + h, to + h);
                }
                exponentialsOfRow(D, from + D, top, to + D, part);
                if (soft != x) memcpy(to + 2 * D, from + 2 * D, (size_t)D * sizeof(float));
            }
            carry(D, part, total);
            for (int64_t h = 0; h < D; h += d) {
                const float *k = soft + i0 * row + D + h, *v = k + D;
                ck_product(d, d, rows, 1.0f, (ck_matrix){k, 1, row}, v, row, i0 > 0, c + h * d, d);
            }
        }
        for (int64_t h = 0; h < D; h++) {
            total[h] = 1.0f / total[h];
            multiply(d, total[h], c + h * d, c + h * d);
        }
        for (int64_t i0 = 0; i0 < n; i0 += DEPTH) {
            int64_t rows = n - i0 < DEPTH ? n - i0 : DEPTH;
            for (int64_t i = i0; i < i0 + rows; i++) {
                float *k = soft + i * row + D;
                int64_t j = 0;
#define BODY(W) AT(W, k + j) *= READ(W, total + j);
                FOR_LANES(j, D, BODY)
#undef BODY
            }
            for (int64_t h = 0; h < D; h += d) {
                const float *q = soft + i0 * row + h;
                ck_product(rows, d, d, 1.0f, (ck_matrix){q, row, 1}, c + h * d, d, 0, y + i0 * D + h, D);
            }
        }
    }
}

// First sweep: dcontext [d,d] = q'ᵀ dout, dq' = dout contextᵀ and q's softmax. Second: dv = k' dcontext,
// dk' = v dcontextᵀ and k's softmax, whose sum over positions Σ_n k'[n,d] dk'[n,d] is Σ_e dcontext[d,e] context[d,e].
KERNEL void ck_linear_attention_gradient(const ck_attention_shape *s, const float *dout, const float *softened,
                                         const float *context, float *dqkv, float *scratch) {
    int64_t n = s->positions, d = s->headDim, D = s->heads * d, row = 3 * D;
    float root = sqrtf((float)d), *total = scratch, *dcontext = scratch + 3 * D, *transposed = dcontext + D * d;
    for (int64_t image = 0; image < s->images; image++) {
        const float *soft = softened + image * n * row, *dy = dout + image * n * D, *c = context + image * D * d;
        float *dx = dqkv + image * n * row;
        for (int64_t h = 0; h < D; h += d) ck_transpose(d, d, c + h * d, d, transposed + h * d);
        for (int64_t i0 = 0; i0 < n; i0 += DEPTH) {
            int64_t rows = n - i0 < DEPTH ? n - i0 : DEPTH;
            for (int64_t h = 0; h < D; h += d) {
                const float *q = soft + i0 * row + h, *dyh = dy + i0 * D + h;
                float *dq = dx + i0 * row + h;
                ck_product(d, d, rows, 1.0f, (ck_matrix){q, 1, row}, dyh, D, i0 > 0, dcontext + h * d, d);
                ck_product(rows, d, d, 1.0f, (ck_matrix){dyh, D, 1}, transposed + h * d, d, 0, dq, row);
                for (int64_t i = 0; i < rows; i++) {
                    // q' = d^-½ p with Σ p = 1: dq = q' dq' − p Σ q' dq'
                    const float *qi = q + i * row;
                    float *dqi = dq + i * row, along = root * dot(d, qi, dqi);
                    int64_t e = 0;
#define BODY(W) AT(W, dqi + e) = READ(W, qi + e) * (READ(W, dqi + e) - along);
                    FOR_LANES(e, d, BODY)
#undef BODY
                }
            }
        }
        for (int64_t h = 0; h < D; h += d) ck_transpose(d, d, dcontext + h * d, d, transposed + h * d);
        for (int64_t h = 0; h < D; h++) total[h] = dot(d, dcontext + h * d, c + h * d);
        for (int64_t i0 = 0; i0 < n; i0 += DEPTH) {
            int64_t rows = n - i0 < DEPTH ? n - i0 : DEPTH;
            for (int64_t h = 0; h < D; h += d) {
                const float *k = soft + i0 * row + D + h, *v = k + D;
                float *dk = dx + i0 * row + D + h, *dv = dk + D;
                ck_product(rows, d, d, 1.0f, (ck_matrix){k, row, 1}, dcontext + h * d, d, 0, dv, row);
                ck_product(rows, d, d, 1.0f, (ck_matrix){v, row, 1}, transposed + h * d, d, 0, dk, row);
            }
            for (int64_t i = i0; i < i0 + rows; i++) {
                const float *k = soft + i * row + D;
                float *dk = dx + i * row + D;
                int64_t j = 0;
#define BODY(W) AT(W, dk + j) = READ(W, k + j) * (READ(W, dk + j) - READ(W, total + j));
                FOR_LANES(j, D, BODY)
#undef BODY
            }
        }
    }
}
