// RMS norm over the channels of each pixel. Axis letters: R rows (pixels), C channels. Rows are taken 16 at a time:
// their sums over channels lie in one vector, and so do the square roots and quotients made of these.
#include "CKernels.h"
#include "Vector.h"

// Rows taken at a time; `rows` of them are there, and the last stands in for those that are not.
enum { GROUP = 16 };

// Σ_c a·b·g of one row as 16 parts; g may be NULL, for ones.
INLINE void parts(int64_t channels, const float *a, const float *b, const float *g, f16 *v) {
    int64_t c = 0;
    f16 sum = ALL(16, 0.0f);
    for (; c + 16 <= channels; c += 16) sum += READ(16, a + c) * READ(16, b + c) * (g ? READ(16, g + c) : 1.0f);
    if (c + 8 <= channels) {
        const f8 rest = READ(8, a + c) * READ(8, b + c) * (g ? READ(8, g + c) : 1.0f);
        sum += __builtin_shufflevector(rest, ALL(8, 0.0f), 0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 8, 8, 8, 8, 8);
        c += 8;
    }
    if (c < channels) {
        float rest = 0;
        for (; c < channels; c++) rest += a[c] * b[c] * (g ? g[c] : 1.0f);
        sum += (f16){rest};
    }
    *v = sum;
}

// c = a and b, halves of their quarters of 4 lanes added: (a0 + a1, a2 + a3, b0 + b1, b2 + b3).
INLINE void addQuarters(const f16 *a, const f16 *b, f16 *c) {
    *c = __builtin_shufflevector(*a, *b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27)
        + __builtin_shufflevector(*a, *b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
}

// The same of single lanes within every quarter.
INLINE void addPairs(const f16 *a, const f16 *b, f16 *c) {
    *c = __builtin_shufflevector(*a, *b, 0, 2, 16, 18, 4, 6, 20, 22, 8, 10, 24, 26, 12, 14, 28, 30)
        + __builtin_shufflevector(*a, *b, 1, 3, 17, 19, 5, 7, 21, 23, 9, 11, 25, 27, 13, 15, 29, 31);
}

// Lane r of sums: Σ_c a·b·g of row r.
INLINE void sumsOfRows(int64_t rows, int64_t channels, const float *a, const float *b, const float *g, f16 *sums) {
    f16 v[GROUP], quarters[4], pairs[2];
#pragma clang loop unroll(disable)
    for (int64_t r = 0; r < GROUP; r++) {
        const int64_t row = (r < rows ? r : rows - 1) * channels;
        parts(channels, a + row, b + row, g, v + r);
    }
    for (int i = 0; i < 4; i++) {  // quarter q of quarters[i]: row i + 4 q
        f16 low, high;
        addQuarters(v + i, v + i + 4, &low);
        addQuarters(v + i + 8, v + i + 12, &high);
        addQuarters(&low, &high, quarters + i);
    }
    addPairs(quarters, quarters + 1, pairs);
    addPairs(quarters + 2, quarters + 3, pairs + 1);
    addPairs(pairs, pairs + 1, sums);
}

// norm = ‖x‖ of the rows, inverse = 1 / max(norm, 1e-12).
INLINE void norms(int64_t rows, int64_t channels, const float *x, f16 *norm, f16 *inverse) {
    sumsOfRows(rows, channels, x, x, NULL, norm);
    *norm = __builtin_elementwise_sqrt(*norm);
    *inverse = 1.0f / CHOOSE(16, *norm < 1e-12f, ALL(16, 1e-12f), *norm);
}

INLINE void normRows(int64_t rows, int64_t channels, const float *x, const float *g, const float *residual,
                        float *y) {
    const float root = __builtin_sqrtf((float)channels);
    for (int64_t r0 = 0; r0 < rows; r0 += GROUP) {
        const int64_t count = rows - r0 < GROUP ? rows - r0 : GROUP;
        float factor[GROUP];
        f16 norm, inverse;
        norms(count, channels, x + r0 * channels, &norm, &inverse);
        AT(16, factor) = root * inverse;
        for (int64_t r = 0; r < count; r++) {
            const int64_t row = (r0 + r) * channels;
            int64_t c = 0;
            if (residual) {
#define BODY(W)                                                                                                        \
    AT(W, y + row + c) = READ(W, x + row + c) * factor[r] * READ(W, g + c) + READ(W, residual + row + c);
                FOR_LANES(c, channels, BODY)
#undef BODY
            } else {
#define BODY(W) AT(W, y + row + c) = READ(W, x + row + c) * factor[r] * READ(W, g + c);
                FOR_LANES(c, channels, BODY)
#undef BODY
            }
        }
    }
}

// With i = 1/max(‖x‖, 1e-12): dx = √C i (g dy − x i² Σ_c g dy x), the second term only where ‖x‖ > 1e-12;
// dg += √C Σ_rows dy x i.
INLINE void gradientRows(int64_t rows, int64_t channels, const float *dy, const float *x, const float *g,
                                 float *dx, float *dg, float *scratch) {
    const int64_t block = 4 * GROUP;  // rows summed in float32 before they go to float64
    const float root = __builtin_sqrtf((float)channels);
    float *part = scratch + 2 * channels;
    double *total = (double *)scratch;
    memset(total, 0, (size_t)channels * sizeof(double));
    for (int64_t r0 = 0; r0 < rows; r0 += GROUP) {
        const int64_t count = rows - r0 < GROUP ? rows - r0 : GROUP;
        const float *xr = x + r0 * channels, *dyr = dy + r0 * channels;
        float *dxr = dx + r0 * channels;
        f16 norm, inverse, along;
        norms(count, channels, xr, &norm, &inverse);
        sumsOfRows(count, channels, dyr, xr, g, &along);
        const f16 every = root * inverse * inverse * inverse * along;
        float factor[GROUP], back[GROUP];
        AT(16, factor) = root * inverse;
        AT(16, back) = CHOOSE(16, norm <= 1e-12f, ALL(16, 0.0f), every);
        if (r0 % block == 0) memset(part, 0, (size_t)channels * sizeof(float));
        int64_t c = 0;
#define BODY(W)                                                                                                        \
    {                                                                                                                  \
        f##W sum = READ(W, part + c);                                                                                  \
        for (int64_t r = 0, at = c; r < count; r++, at += channels) {                                                  \
            const f##W dyv = READ(W, dyr + at), xv = READ(W, xr + at);                                                 \
            sum += dyv * xv * factor[r];                                                                               \
            AT(W, dxr + at) = dyv * READ(W, g + c) * factor[r] - xv * back[r];                                         \
        }                                                                                                              \
        AT(W, part + c) = sum;                                                                                         \
    }
        FOR_LANES(c, channels, BODY)
#undef BODY
        if (r0 % block == block - GROUP || r0 + GROUP >= rows) {
            for (c = 0; c < channels; c++) total[c] += (double)part[c];
        }
    }
    for (int64_t c = 0; c < channels; c++) dg[c] += (float)total[c];
}

// Loops over channels cost as much as what they do, unless the number of channels is known to the compiler.
#define FOR_CHANNELS(ROWS)                                                                                             \
    switch (channels) {                                                                                                \
    case 8: ROWS(8); break;                                                                                            \
    case 16: ROWS(16); break;                                                                                          \
    case 32: ROWS(32); break;                                                                                          \
    case 64: ROWS(64); break;                                                                                          \
    default: ROWS(channels);                                                                                           \
    }

KERNEL void ck_rms_norm(int64_t rows, int64_t channels, const float *x, const float *g, const float *residual,
                        float *y) {
#define ROWS(C) normRows(rows, C, x, g, residual, y)
    FOR_CHANNELS(ROWS)
#undef ROWS
}

KERNEL void ck_rms_norm_gradient(int64_t rows, int64_t channels, const float *dy, const float *x, const float *g,
                                 float *dx, float *dg, float *scratch) {
#define ROWS(C) gradientRows(rows, C, dy, x, g, dx, dg, scratch)
    FOR_CHANNELS(ROWS)
#undef ROWS
}
