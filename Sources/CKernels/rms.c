// RMS norm over the channels of each pixel. Axis letters: R rows (pixels), C channels.
#include "CKernels.h"
#include "Vector.h"
#include <math.h>

KERNEL void ck_rms_norm(int64_t rows, int64_t channels, const float *x, const float *g, const float *residual,
                        float *y) {
    float root = sqrtf((float)channels);
    for (int64_t r = 0; r < rows; r++) {
        const float *xr = x + r * channels, *added = residual ? residual + r * channels : NULL;
        float *yr = y + r * channels, factor = root / larger(1e-12f, sqrtf(dot(channels, xr, xr)));
        int64_t c = 0;
        if (added) {
#define BODY(W) AT(W, yr + c) = READ(W, xr + c) * factor * READ(W, g + c) + READ(W, added + c);
            FOR_LANES(c, channels, BODY)
#undef BODY
        } else {
#define BODY(W) AT(W, yr + c) = READ(W, xr + c) * factor * READ(W, g + c);
            FOR_LANES(c, channels, BODY)
#undef BODY
        }
    }
}

// With i = 1/max(‖x‖, 1e-12): dx = √C i (g dy − x i² Σ_c g dy x), the second term only where ‖x‖ > 1e-12;
// dg += √C Σ_rows dy x i.
KERNEL void ck_rms_norm_gradient(int64_t rows, int64_t channels, const float *dy, const float *x, const float *g,
                                 float *dx, float *dg, float *scratch) {
    const int64_t block = 64;  // rows summed in float32 before they go to float64
    float root = sqrtf((float)channels), *part = scratch + 2 * channels;
    double *total = (double *)scratch;
    memset(total, 0, (size_t)channels * sizeof(double));
    for (int64_t r0 = 0; r0 < rows; r0 += block) {
        memset(part, 0, (size_t)channels * sizeof(float));
        for (int64_t r = r0; r < rows && r < r0 + block; r++) {
            const float *xr = x + r * channels, *dyr = dy + r * channels;
            float *dxr = dx + r * channels, norm = sqrtf(dot(channels, xr, xr));
            float inverse = 1.0f / larger(1e-12f, norm), factor = root * inverse;
            float along = 0;
            int64_t c = 0;
#define BODY(W)                                                                                                        \
    {                                                                                                                  \
        f##W product = READ(W, dyr + c) * READ(W, xr + c), weighted = product * READ(W, g + c);                        \
        AT(W, part + c) += product * factor;                                                                           \
        along += sum##W(&weighted);                                                                                    \
    }
            FOR_LANES(c, channels, BODY)
#undef BODY
            float back = norm > 1e-12f || norm != norm ? factor * inverse * inverse * along : 0.0f;
            c = 0;
#define BODY(W) AT(W, dxr + c) = READ(W, dyr + c) * READ(W, g + c) * factor - READ(W, xr + c) * back;
            FOR_LANES(c, channels, BODY)
#undef BODY
        }
        for (int64_t c = 0; c < channels; c++) total[c] += (double)part[c];
    }
    for (int64_t c = 0; c < channels; c++) dg[c] += (float)total[c];
}
