// Moving, combining, embedding and the loss. Axis letters: R rows, C channels, N images.
#include "CKernels.h"
#include "Vector.h"
#include <math.h>

KERNEL void ck_add(size_t count, const float *a, const float *b, float *y) {
    int64_t i = 0, n = (int64_t)count;
#define BODY(W) AT(W, y + i) = READ(W, a + i) + READ(W, b + i);
    FOR_LANES(i, n, BODY)
#undef BODY
}

KERNEL void ck_add_column_sums(int64_t rows, int64_t columns, const float *x, float *sums, float *scratch) {
    // Sums of sums: rows in blocks of 64, blocks in 64s, so that float32 errors grow with 64 and not with the rows.
    // A column's 64 blocks are added to `sums` directly at the end of each; `sums` itself is the third level.
    for (int64_t r0 = 0; r0 < rows; r0 += 4096) {
        int64_t r1 = r0 + 4096 < rows ? r0 + 4096 : rows, c = 0;
#define BODY(W)                                                                                                        \
    {                                                                                                                  \
        f##W outer = {0};                                                                                              \
        for (int64_t b = r0; b < r1; b += 64) {                                                                        \
            int64_t end = b + 64 < r1 ? b + 64 : r1, r = b;                                                            \
            f##W s0 = {0}, s1 = {0};                                                                                   \
            for (; r + 2 <= end; r += 2) {                                                                             \
                s0 += READ(W, x + r * columns + c);                                                                    \
                s1 += READ(W, x + (r + 1) * columns + c);                                                              \
            }                                                                                                          \
            if (r < end) s0 += READ(W, x + r * columns + c);                                                           \
            outer += s0 + s1;                                                                                          \
        }                                                                                                              \
        AT(W, scratch + c) = outer;                                                                                    \
    }
        FOR_LANES(c, columns, BODY)
#undef BODY
        for (c = 0; c < columns; c++) sums[c] += scratch[c];
    }
}

void ck_copy_columns(int64_t rows, int64_t columns, const float *x, int64_t xStride, int64_t xFirst, float *y,
                     int64_t yStride, int64_t yFirst) {
    for (int64_t r = 0; r < rows; r++) {
        memcpy(y + r * yStride + yFirst, x + r * xStride + xFirst, (size_t)columns * sizeof(float));
    }
}

void ck_upsample_nearest(int64_t images, int64_t height, int64_t width, int64_t channels, const float *x, float *y) {
    size_t pixel = (size_t)channels * sizeof(float);
    for (int64_t row = 0; row < images * height; row++) {
        const float *from = x + row * width * channels;
        float *to = y + row * 4 * width * channels;
        for (int64_t w = 0; w < width; w++) {
            memcpy(to + 2 * w * channels, from + w * channels, pixel);
            memcpy(to + (2 * w + 1) * channels, from + w * channels, pixel);
        }
        memcpy(to + 2 * width * channels, to, (size_t)(2 * width) * pixel);
    }
}

KERNEL void ck_upsample_nearest_gradient(int64_t images, int64_t height, int64_t width, int64_t channels,
                                         const float *dy, float *dx) {
    for (int64_t row = 0; row < images * height; row++) {
        const float *upper = dy + row * 4 * width * channels, *lower = upper + 2 * width * channels;
        for (int64_t w = 0; w < width; w++) {
            const float *a = upper + 2 * w * channels, *b = lower + 2 * w * channels;
            float *to = dx + (row * width + w) * channels;
            int64_t c = 0;
#define BODY(W)                                                                                                        \
    AT(W, to + c) = (READ(W, a + c) + READ(W, a + channels + c)) + (READ(W, b + c) + READ(W, b + channels + c));
            FOR_LANES(c, channels, BODY)
#undef BODY
        }
    }
}

void ck_repeat_samples(int64_t images, int64_t repeats, int64_t elements, const float *x, float *y) {
    for (int64_t n = 0; n < images * repeats; n++) {
        memcpy(y + n * elements, x + n / repeats * elements, (size_t)elements * sizeof(float));
    }
}

KERNEL void ck_repeat_samples_gradient(int64_t images, int64_t repeats, int64_t elements, const float *dy, float *dx) {
    for (int64_t n = 0; n < images; n++) {
        const float *rows = dy + n * repeats * elements;
        int64_t i = 0;
#define BODY(W)                                                                                                        \
    {                                                                                                                  \
        f##W sum = READ(W, rows + i);                                                                                  \
        for (int64_t j = 1; j < repeats; j++) sum += READ(W, rows + j * elements + i);                                 \
        AT(W, dx + n * elements + i) = sum;                                                                            \
    }
        FOR_LANES(i, elements, BODY)
#undef BODY
    }
}

KERNEL void ck_mean_over_positions(int64_t images, int64_t pixels, int64_t channels, const float *x, float *y) {
    float scale = 1.0f / (float)pixels;
    for (int64_t n = 0; n < images; n++) {
        const float *from = x + n * pixels * channels;
        int64_t c = 0;
        // Sums of 32 positions are added up, so that float32 errors do not grow with all of them.
#define BODY(W)                                                                                                        \
    {                                                                                                                  \
        f##W outer = {0};                                                                                              \
        for (int64_t b = 0; b < pixels; b += 32) {                                                                     \
            f##W sum = {0};                                                                                            \
            for (int64_t p = b; p < pixels && p < b + 32; p++) sum += READ(W, from + p * channels + c);                \
            outer += sum;                                                                                              \
        }                                                                                                              \
        AT(W, y + n * channels + c) = scale * outer;                                                                   \
    }
        FOR_LANES(c, channels, BODY)
#undef BODY
    }
}

KERNEL void ck_mean_over_positions_gradient(int64_t images, int64_t pixels, int64_t channels, const float *dy,
                                            float *dx) {
    float scale = 1.0f / (float)pixels;
    for (int64_t n = 0; n < images; n++) {
        for (int64_t p = 0; p < pixels; p++) {
            float *to = dx + (n * pixels + p) * channels;
            int64_t c = 0;
#define BODY(W) AT(W, to + c) = scale * READ(W, dy + n * channels + c);
            FOR_LANES(c, channels, BODY)
#undef BODY
        }
    }
}

void ck_sinusoidal_embedding(int64_t images, int64_t dimension, int cosinesFirst, const float *timestep, float *y) {
    int64_t half = dimension / 2, sines = cosinesFirst ? half : 0, cosines = cosinesFirst ? 0 : half;
    int64_t steps = cosinesFirst ? half : half - 1;
    double step = steps > 0 ? -log(10000.0) / (double)steps : 0;
    for (int64_t n = 0; n < images; n++) y[n * dimension + dimension - 1] = 0;
    for (int64_t k = 0; k < half; k++) {
        double frequency = exp((double)k * step);
        for (int64_t n = 0; n < images; n++) {
            double angle = (double)timestep[n] * frequency;
            y[n * dimension + sines + k] = (float)sin(angle);
            y[n * dimension + cosines + k] = (float)cos(angle);
        }
    }
}

void ck_embedding(int64_t images, int64_t width, const float *label, const float *weight, float *y) {
    for (int64_t n = 0; n < images; n++) {
        const float *row = weight + (int64_t)label[n] * width;
        for (int64_t e = 0; e < width; e++) y[n * width + e] = row[e];
    }
}

void ck_embedding_gradient(int64_t images, int64_t width, const float *label, const float *dy, float *dweight) {
    for (int64_t n = 0; n < images; n++) {
        float *row = dweight + (int64_t)label[n] * width;
        for (int64_t e = 0; e < width; e++) row[e] += dy[n * width + e];
    }
}

KERNEL void ck_weighted_squared_error(int64_t images, int64_t elements, const float *prediction, const float *target,
                                      const float *weight, float *loss) {
    for (int64_t n = 0; n < images; n++) {
        double total = 0;
        for (int64_t e0 = 0; e0 < elements; e0 += 1024) {  // float32 within a block, float64 across blocks
            int64_t e = n * elements + e0, end = n * elements + (e0 + 1024 < elements ? e0 + 1024 : elements);
            f16 sum = {0};
            float rest = 0;
            for (; e + 16 <= end; e += 16) {
                f16 d = READ(16, prediction + e) - READ(16, target + e);
                sum += d * d;
            }
            for (; e < end; e++) rest += (prediction[e] - target[e]) * (prediction[e] - target[e]);
            total += (double)(sum16(&sum) + rest);
        }
        loss[n] = (float)((double)weight[n] * total / (double)elements);
    }
}

KERNEL void ck_weighted_squared_error_gradient(int64_t images, int64_t elements, const float *dloss,
                                               const float *prediction, const float *target, const float *weight,
                                               float *dprediction) {
    for (int64_t n = 0; n < images; n++) {
        float factor = (float)(2.0 * (double)dloss[n] * (double)weight[n] / (double)elements);
        int64_t e = n * elements, end = e + elements;
#define BODY(W) AT(W, dprediction + e) = factor * (READ(W, prediction + e) - READ(W, target + e));
        FOR_LANES(e, end, BODY)
#undef BODY
    }
}

KERNEL void ck_weighted_absolute_error(int64_t images, int64_t elements, const float *prediction, const float *target,
                                       const float *weight, float *loss) {
    for (int64_t n = 0; n < images; n++) {
        double total = 0;
        for (int64_t e = n * elements; e < (n + 1) * elements; e++) total += fabs((double)prediction[e] - (double)target[e]);
        loss[n] = (float)((double)weight[n] * total / (double)elements);
    }
}

KERNEL void ck_weighted_absolute_error_gradient(int64_t images, int64_t elements, const float *dloss,
                                                const float *prediction, const float *target, const float *weight,
                                                float *dprediction) {
    for (int64_t n = 0; n < images; n++) {
        float factor = (float)((double)dloss[n] * (double)weight[n] / (double)elements);
        for (int64_t e = n * elements; e < (n + 1) * elements; e++) {
            float difference = prediction[e] - target[e];
            dprediction[e] = difference > 0 ? factor : difference < 0 ? -factor : 0;
        }
    }
}

/// ln σ² as it counts.
static float clampedLogVariance(float l) { return l < -30 ? -30 : l > 20 ? 20 : l; }

/// Whether a change of l changes anything.
static int isInside(float l) { return l > -30 && l < 20; }

void ck_gaussian_draw(int64_t pixels, int64_t channels, const float *moments, const float *noise, float *z) {
    for (int64_t p = 0; p < pixels; p++) {
        const float *mean = moments + p * 2 * channels, *l = mean + channels;
        for (int64_t c = 0; c < channels; c++) {
            int64_t i = p * channels + c;
            z[i] = mean[c] + expf(clampedLogVariance(l[c]) / 2) * noise[i];
        }
    }
}

void ck_gaussian_draw_gradient(int64_t pixels, int64_t channels, const float *dz, const float *moments,
                               const float *noise, float *dmoments) {
    for (int64_t p = 0; p < pixels; p++) {
        const float *l = moments + p * 2 * channels + channels;
        float *dmean = dmoments + p * 2 * channels, *dl = dmean + channels;
        for (int64_t c = 0; c < channels; c++) {
            int64_t i = p * channels + c;
            dmean[c] = dz[i];
            dl[c] = isInside(l[c]) ? dz[i] * noise[i] * expf(l[c] / 2) / 2 : 0;
        }
    }
}

void ck_gaussian_divergence(int64_t images, int64_t pixels, int64_t channels, const float *moments,
                            const float *weight, float *loss) {
    for (int64_t n = 0; n < images; n++) {
        double total = 0;
        for (int64_t p = n * pixels; p < (n + 1) * pixels; p++) {
            const float *mean = moments + p * 2 * channels, *l = mean + channels;
            for (int64_t c = 0; c < channels; c++) {
                double m = (double)mean[c], v = (double)clampedLogVariance(l[c]);
                total += (m * m + expm1(v) - v) / 2;
            }
        }
        loss[n] = (float)((double)weight[n] * total);
    }
}

void ck_gaussian_divergence_gradient(int64_t images, int64_t pixels, int64_t channels, const float *dloss,
                                     const float *moments, const float *weight, float *dmoments) {
    for (int64_t n = 0; n < images; n++) {
        double factor = (double)dloss[n] * (double)weight[n];
        for (int64_t p = n * pixels; p < (n + 1) * pixels; p++) {
            const float *mean = moments + p * 2 * channels, *l = mean + channels;
            float *dmean = dmoments + p * 2 * channels, *dl = dmean + channels;
            for (int64_t c = 0; c < channels; c++) {
                dmean[c] = (float)(factor * (double)mean[c]);
                dl[c] = isInside(l[c]) ? (float)(factor * expm1((double)l[c]) / 2) : 0;
            }
        }
    }
}

/// The largest logit of a sample, which keeps the exponentials from overflowing, and the sum of those relative to it.
static double softmaxSum(int64_t classes, const float *logits, double *largest) {
    double most = (double)logits[0], sum = 0;
    for (int64_t k = 1; k < classes; k++) most = fmax(most, (double)logits[k]);
    for (int64_t k = 0; k < classes; k++) sum += exp((double)logits[k] - most);
    *largest = most;
    return sum;
}

void ck_softmax_cross_entropy(int64_t images, int64_t classes, const float *logits, const float *label,
                              const float *weight, float *loss) {
    for (int64_t n = 0; n < images; n++) {
        const float *row = logits + n * classes;
        double largest, sum = softmaxSum(classes, row, &largest);
        loss[n] = (float)((double)weight[n] * (log(sum) + largest - (double)row[(int64_t)label[n]]));
    }
}

void ck_softmax_cross_entropy_gradient(int64_t images, int64_t classes, const float *dloss, const float *logits,
                                       const float *label, const float *weight, float *dlogits) {
    for (int64_t n = 0; n < images; n++) {
        const float *row = logits + n * classes;
        double largest, sum = softmaxSum(classes, row, &largest), factor = (double)dloss[n] * (double)weight[n];
        for (int64_t k = 0; k < classes; k++) {
            double share = exp((double)row[k] - largest) / sum;
            dlogits[n * classes + k] = (float)(factor * (k == (int64_t)label[n] ? share - 1 : share));
        }
    }
}
