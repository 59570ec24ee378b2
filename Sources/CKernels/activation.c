// Activations and modulation. Axis letters: N images, P pixels, C channels.
#include "CKernels.h"
#include "Vector.h"

KERNEL void ck_silu(size_t count, const float *x, float *y) {
    int64_t i = 0, n = (int64_t)count;
#define BODY(W)                                                                                                        \
    {                                                                                                                  \
        f##W v = READ(W, x + i), s = v;                                                                                \
        sigmoid##W(&s);                                                                                                \
        AT(W, y + i) = v * s;                                                                                          \
    }
    FOR_LANES(i, n, BODY)
#undef BODY
}

KERNEL void ck_silu_gradient(size_t count, const float *dy, const float *x, float *dx) {
    int64_t i = 0, n = (int64_t)count;
#define BODY(W)                                                                                                        \
    {                                                                                                                  \
        f##W v = READ(W, x + i), s = v;                                                                                \
        sigmoid##W(&s);                                                                                                \
        AT(W, dx + i) = READ(W, dy + i) * s * (1.0f + v * (1.0f - s));                                                 \
    }
    FOR_LANES(i, n, BODY)
#undef BODY
}

KERNEL void ck_gelu(size_t count, const float *x, float *y) {
    int64_t i = 0, n = (int64_t)count;
#define BODY(W)                                                                                                        \
    {                                                                                                                  \
        f##W v = READ(W, x + i), cdf, density;                                                                         \
        normal##W(&v, &cdf, &density);                                                                                 \
        AT(W, y + i) = v * cdf;                                                                                        \
    }
    FOR_LANES(i, n, BODY)
#undef BODY
}

KERNEL void ck_gelu_gradient(size_t count, const float *dy, const float *x, float *dx) {
    int64_t i = 0, n = (int64_t)count;
#define BODY(W)                                                                                                        \
    {                                                                                                                  \
        f##W v = READ(W, x + i), cdf, density;                                                                         \
        normal##W(&v, &cdf, &density);                                                                                 \
        AT(W, dx + i) = READ(W, dy + i) * (cdf + v * density);                                                         \
    }
    FOR_LANES(i, n, BODY)
#undef BODY
}

KERNEL void ck_modulate(int64_t images, int64_t pixels, int64_t channels, const float *x, const float *scaleShift,
                        float *y) {
    for (int64_t n = 0; n < images; n++) {
        const float *scale = scaleShift + n * 2 * channels, *shift = scale + channels;
        for (int64_t p = 0; p < pixels; p++) {
            const float *xp = x + (n * pixels + p) * channels;
            float *yp = y + (n * pixels + p) * channels;
            int64_t c = 0;
#define BODY(W) AT(W, yp + c) = READ(W, xp + c) * (READ(W, scale + c) + 1.0f) + READ(W, shift + c);
            FOR_LANES(c, channels, BODY)
#undef BODY
        }
    }
}

KERNEL void ck_modulate_gradient(int64_t images, int64_t pixels, int64_t channels, const float *dy, const float *x,
                                 const float *scaleShift, float *dx, float *dscaleShift, float *scratch) {
    const int64_t block = 32;  // pixels summed in scratch before they go to the total: errors grow with the block only
    float *partScale = scratch, *partShift = scratch + channels;
    for (int64_t n = 0; n < images; n++) {
        const float *scale = scaleShift + n * 2 * channels;
        float *dscale = dscaleShift + n * 2 * channels, *dshift = dscale + channels;
        memset(dscale, 0, (size_t)(2 * channels) * sizeof(float));
        for (int64_t p0 = 0; p0 < pixels; p0 += block) {
            memset(scratch, 0, (size_t)(2 * channels) * sizeof(float));
            for (int64_t p = p0; p < pixels && p < p0 + block; p++) {
                int64_t at = (n * pixels + p) * channels, c = 0;
#define BODY(W)                                                                                                        \
    {                                                                                                                  \
        f##W d = READ(W, dy + at + c);                                                                                 \
        AT(W, partScale + c) += d * READ(W, x + at + c);                                                               \
        AT(W, partShift + c) += d;                                                                                     \
        AT(W, dx + at + c) = d * (READ(W, scale + c) + 1.0f);                                                          \
    }
                FOR_LANES(c, channels, BODY)
#undef BODY
            }
            for (int64_t c = 0; c < channels; c++) {
                dscale[c] += partScale[c];
                dshift[c] += partShift[c];
            }
        }
    }
}
