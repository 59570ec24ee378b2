// Linear attention, forward and backward. Axis letters: N images, n positions, h heads, d numbers a head, D = h·d;
// a row of qkv has 3 D numbers.
#include "attention.h"
#include <math.h>

// y [n, columns] = softmax of x over the n rows, column by column; rows are `stride` apart in both. y may be x.
INLINE void softmaxOverRows(int64_t n, int64_t columns, int64_t stride, const float *x, float *y) {
    int64_t c = 0;
#define BODY(W)                                                                                                        \
    {                                                                                                                  \
        f##W top = READ(W, x + c), total = {0};                                                                        \
        for (int64_t r = 1; r < n; r++) {                                                                              \
            f##W v = READ(W, x + r * stride + c);                                                                      \
            top = CHOOSE(W, top > v, top, v);                                                                          \
        }                                                                                                              \
        for (int64_t r0 = 0; r0 < n; r0 += 32) { /* sums of sums: float32 errors stay small */                         \
            f##W sum = {0};                                                                                            \
            for (int64_t r = r0; r < n && r < r0 + 32; r++) {                                                          \
                f##W v = READ(W, x + r * stride + c) - top;                                                            \
                exponential##W(&v);                                                                                    \
                AT(W, y + r * stride + c) = v;                                                                         \
                sum += v;                                                                                              \
            }                                                                                                          \
            total += sum;                                                                                              \
        }                                                                                                              \
        f##W inverse = 1.0f / total;                                                                                   \
        for (int64_t r = 0; r < n; r++) AT(W, y + r * stride + c) *= inverse;                                          \
    }
    FOR_LANES(c, columns, BODY)
#undef BODY
}

// dk [n, columns] = k' (dk' − Σ_n dk' k'), column by column; dk holds dk' before.
INLINE void softmaxOverRowsGradient(int64_t n, int64_t columns, int64_t stride, const float *soft, float *dk) {
    int64_t c = 0;
#define BODY(W)                                                                                                        \
    {                                                                                                                  \
        f##W total = {0};                                                                                              \
        for (int64_t r0 = 0; r0 < n; r0 += 32) {                                                                       \
            f##W sum = {0};                                                                                            \
            for (int64_t r = r0; r < n && r < r0 + 32; r++) {                                                          \
                sum += READ(W, soft + r * stride + c) * READ(W, dk + r * stride + c);                                  \
            }                                                                                                          \
            total += sum;                                                                                              \
        }                                                                                                              \
        for (int64_t r = 0; r < n; r++) {                                                                              \
            AT(W, dk + r * stride + c) = READ(W, soft + r * stride + c) * (READ(W, dk + r * stride + c) - total);      \
        }                                                                                                              \
    }
    FOR_LANES(c, columns, BODY)
#undef BODY
}

KERNEL void ck_linear_attention(const ck_attention_shape *s, const float *qkv, float *out, float *softened,
                                float *context) {
    int64_t n = s->positions, d = s->headDim, D = s->heads * d, row = 3 * D;
    float scale = 1.0f / sqrtf((float)d);
    for (int64_t image = 0; image < s->images; image++) {
        const float *x = qkv + image * n * row;
        float *soft = softened + image * n * row;
        for (int64_t i = 0; i < n; i++) {
            for (int64_t h = 0; h < s->heads; h++) {
                const float *q = x + i * row + h * d;
                float *to = soft + i * row + h * d, sum = exponentials(d, q, maximum(d, q), to);
                multiply(d, scale / sum, to, to);
            }
            if (soft != x) memcpy(soft + i * row + 2 * D, x + i * row + 2 * D, (size_t)D * sizeof(float));
        }
        softmaxOverRows(n, D, row, x + D, soft + D);
        for (int64_t h = 0; h < s->heads; h++) {
            float *c = context + (image * s->heads + h) * d * d;
            matrix keys = {soft + D + h * d, 1, row}, queries = {soft + h * d, row, 1};
            product(d, d, n, 1.0f, keys, soft + 2 * D + h * d, row, 0, c, d);
            product(n, d, d, 1.0f, queries, c, d, 0, out + image * n * D + h * d, D);
        }
    }
}

// dcontext [d,d] = q'ᵀ dout; dq' = dout contextᵀ; dk' = v dcontextᵀ; dv = k' dcontext; then through both softmaxes.
KERNEL void ck_linear_attention_gradient(const ck_attention_shape *s, const float *dout, const float *softened,
                                         const float *context, float *dqkv, float *scratch) {
    int64_t n = s->positions, d = s->headDim, D = s->heads * d, row = 3 * D;
    float root = sqrtf((float)d), *dcontext = scratch, *turned = scratch + d * d;
    for (int64_t image = 0; image < s->images; image++) {
        const float *soft = softened + image * n * row, *dy = dout + image * n * D;
        float *dx = dqkv + image * n * row;
        for (int64_t h = 0; h < s->heads; h++) {
            const float *q = soft + h * d, *k = q + D, *v = k + D, *c = context + (image * s->heads + h) * d * d;
            float *dq = dx + h * d, *dk = dq + D, *dv = dk + D;
            product(d, d, n, 1.0f, (matrix){q, 1, row}, dy + h * d, D, 0, dcontext, d);
            product(n, d, d, 1.0f, (matrix){k, row, 1}, dcontext, d, 0, dv, row);
            for (int64_t i = 0; i < d; i++) {
                for (int64_t j = 0; j < d; j++) turned[j * d + i] = c[i * d + j];
            }
            product(n, d, d, 1.0f, (matrix){dy + h * d, D, 1}, turned, d, 0, dq, row);
            for (int64_t i = 0; i < d; i++) {
                for (int64_t j = 0; j < d; j++) turned[j * d + i] = dcontext[i * d + j];
            }
            product(n, d, d, 1.0f, (matrix){v, row, 1}, turned, d, 0, dk, row);
            for (int64_t i = 0; i < n; i++) {
                // q' = d^-½ p with Σ p = 1: dq = q' dq' − p Σ q' dq'
                const float *qi = q + i * row;
                float *dqi = dq + i * row, along = root * dot(d, qi, dqi);
                int64_t e = 0;
#define BODY(W) AT(W, dqi + e) = READ(W, qi + e) * (READ(W, dqi + e) - along);
                FOR_LANES(e, d, BODY)
#undef BODY
            }
        }
        softmaxOverRowsGradient(n, D, row, soft + D, dx + D);
    }
}
