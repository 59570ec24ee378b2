// The group norm of images of one pixel, where an image is shorter than what norm.c prepares for it. Formulas: see
// norm_gradient.c.
#include "norm.h"
#include <math.h>

/// Σ over a group of f(c), where BODY(W) adds its lanes to sum##W.
#define SUM_OVER(begin, end, total, EXPRESSION)                                                                        \
    {                                                                                                                  \
        f16 lanes = {0};                                                                                               \
        float rest = 0;                                                                                                \
        int64_t c = (begin);                                                                                           \
        for (; c + 16 <= (end); c += 16) lanes += EXPRESSION(16);                                                      \
        for (; c < (end); c++) rest += EXPRESSION(1)[0];                                                               \
        total = sum16(&lanes) + rest;                                                                                  \
    }

KERNEL void ck_group_norm_point(const ck_group_norm_shape *s, int silu, const float *x, const float *gamma,
                                const float *beta, const float *scaleShift, const float *residual, float *y,
                                float *statistics) {
    int64_t C = s->channels, G = s->groups, width = C / G;
    for (int64_t n = 0; n < s->images; n++) {
        const float *xn = x + n * C, *rn = residual ? residual + n * C : NULL;
        const float *scales = scaleShift ? scaleShift + n * 2 * C : NULL;
        for (int64_t g = 0; g < G; g++) {
            int64_t begin = g * width, end = begin + width;
            // Relative to the first value, so that a mean far from 0 costs no digits.
            float first = xn[begin], sum, squares;
#define SHIFTED(W) (READ(W, xn + c) - first)
            SUM_OVER(begin, end, sum, SHIFTED)
            float mean = sum / (float)width;
#define SQUARED(W) ((SHIFTED(W) - mean) * (SHIFTED(W) - mean))
            SUM_OVER(begin, end, squares, SQUARED)
            float inverse = (float)(1 / sqrt((double)squares / (double)width + (double)s->epsilon));
            statistics[(n * G + g) * 2] = first + mean;
            statistics[(n * G + g) * 2 + 1] = inverse;
            int64_t c = begin;
#define BODY(W)                                                                                                        \
    {                                                                                                                  \
        f##W v = (SHIFTED(W) - mean) * inverse * READ(W, gamma + c) + READ(W, beta + c);                               \
        if (scales) v = v * (READ(W, scales + c) + 1.0f) + READ(W, scales + C + c);                                    \
        if (silu) {                                                                                                    \
            f##W sigmoid = v;                                                                                          \
            sigmoid##W(&sigmoid);                                                                                      \
            v *= sigmoid;                                                                                              \
        }                                                                                                              \
        if (rn) v += READ(W, rn + c);                                                                                  \
        AT(W, y + n * C + c) = v;                                                                                      \
    }
            FOR_LANES(c, end, BODY)
#undef BODY
        }
    }
}

KERNEL void ck_group_norm_point_gradient(const ck_group_norm_shape *s, int silu, const float *dy, const float *x,
                                         const float *gamma, const float *beta, const float *scaleShift,
                                         const float *statistics, float *dx, float *dgamma, float *dbeta,
                                         float *dscaleShift, float *scratch) {
    int64_t C = s->channels, G = s->groups, width = C / G;
    float *normal = scratch, *du = normal + C, *blockGamma = du + C, *blockBeta = blockGamma + C;
    double *sumGamma = (double *)(((uintptr_t)(blockBeta + C) + 7) & ~(uintptr_t)7), *sumBeta = sumGamma + C;
    memset(blockGamma, 0, (size_t)(2 * C) * sizeof(float));
    memset(sumGamma, 0, (size_t)(2 * C) * sizeof(double));
    for (int64_t n = 0; n < s->images; n++) {
        const float *scales = scaleShift ? scaleShift + n * 2 * C : NULL;
        float *dscales = dscaleShift ? dscaleShift + n * 2 * C : NULL;
        for (int64_t g = 0; g < G; g++) {
            int64_t begin = g * width, end = begin + width, c = begin;
            float mean = statistics[(n * G + g) * 2], inverse = statistics[(n * G + g) * 2 + 1], m1, m2;
#define BODY(W)                                                                                                        \
    {                                                                                                                  \
        f##W hat = (READ(W, x + n * C + c) - mean) * inverse, d = READ(W, dy + n * C + c), ga = READ(W, gamma + c);    \
        f##W scale = scales ? READ(W, scales + c) + 1.0f : ALL(W, 1.0f), inner = hat * ga;                             \
        if (silu || dscales) inner += READ(W, beta + c);                                                               \
        if (silu) {                                                                                                    \
            f##W u = inner * scale, sigmoid;                                                                           \
            if (scales) u += READ(W, scales + C + c);                                                                  \
            sigmoid = u;                                                                                               \
            sigmoid##W(&sigmoid);                                                                                      \
            d *= sigmoid * (1.0f + u * (1.0f - sigmoid));                                                              \
        }                                                                                                              \
        if (dscales) {                                                                                                 \
            AT(W, dscales + c) = d * inner;                                                                            \
            AT(W, dscales + C + c) = d;                                                                                \
        }                                                                                                              \
        d *= scale;                                                                                                    \
        AT(W, blockGamma + c) += d * hat;                                                                              \
        AT(W, blockBeta + c) += d;                                                                                     \
        AT(W, normal + c) = hat;                                                                                       \
        AT(W, du + c) = d * ga;                                                                                        \
    }
            FOR_LANES(c, end, BODY)
#undef BODY
#define PLAIN(W) READ(W, du + c)
#define WEIGHTED(W) (READ(W, du + c) * READ(W, normal + c))
            SUM_OVER(begin, end, m1, PLAIN)
            SUM_OVER(begin, end, m2, WEIGHTED)
            m1 /= (float)width;
            m2 /= (float)width;
            c = begin;
#define BODY(W) AT(W, dx + n * C + c) = (READ(W, du + c) - m1 - READ(W, normal + c) * m2) * inverse;
            FOR_LANES(c, end, BODY)
#undef BODY
        }
        if (n % BLOCK == BLOCK - 1 || n == s->images - 1) {
            for (int64_t c = 0; c < C; c++) {
                sumGamma[c] += (double)blockGamma[c];
                sumBeta[c] += (double)blockBeta[c];
            }
            memset(blockGamma, 0, (size_t)(2 * C) * sizeof(float));
        }
    }
    for (int64_t c = 0; c < C; c++) {
        dgamma[c] += (float)sumGamma[c];
        dbeta[c] += (float)sumBeta[c];
    }
}
