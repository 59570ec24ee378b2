// The energy score of several draws. Axis letters: N images, m draws of each, H rows, W columns, C channels; a window is a
// square of pixels with all channels, D numbers.
#include "CKernels.h"
#include "Vector.h"
#include <math.h>

/// A window's first number within an image, its rows, the length of a row, and the distance of rows.
typedef struct {
    int64_t first, rows, length, stride;
} Window;

/// Mean of (a − b)² over a window; a and b are whole images.
INLINE float meanSquare(const Window *w, const float *a, const float *b) {
    f16 sum = {0};
    float rest = 0;
    for (int64_t r = 0; r < w->rows; r++) {
        int64_t e = w->first + r * w->stride, end = e + w->length;
        for (; e + 16 <= end; e += 16) {
            f16 d = READ(16, a + e) - READ(16, b + e);
            sum += d * d;
        }
        for (; e < end; e++) rest += (a[e] - b[e]) * (a[e] - b[e]);
    }
    return (sum16(&sum) + rest) / (float)(w->rows * w->length);
}

/// to += factor (a − b) over a window.
INLINE void addDifference(const Window *w, float factor, const float *a, const float *b, float *to) {
    for (int64_t r = 0; r < w->rows; r++) {
        int64_t e = w->first + r * w->stride, end = e + w->length;
#define BODY(W) AT(W, to + e) += factor * (READ(W, a + e) - READ(W, b + e));
        FOR_LANES(e, end, BODY)
#undef BODY
    }
}

/// s^(exponent/2) and its derivative.
INLINE void power(float s, float exponent, float *value, float *slope) {
    *value = exponent == 1 ? sqrtf(s) : powf(s, exponent / 2);
    *slope = exponent / 2 * *value / s;
}

INLINE Window windowAt(const ck_energy *e, int64_t size, int64_t number) {
    if (size == 0) return (Window){0, 1, e->height * e->width * e->channels, 0};
    int64_t columns = e->width / size, row = number / columns, column = number % columns;
    return (Window){(row * e->width + column) * size * e->channels, size, size * e->channels, e->width * e->channels};
}

INLINE int64_t windowCount(const ck_energy *e, int64_t size) {
    return size == 0 ? 1 : (e->height / size) * (e->width / size);
}

KERNEL void ck_energy_score(const ck_energy *e, int64_t images, const float *prediction, const float *target,
                            const float *energyWeight, const float *errorWeight, float *loss) {
    int64_t m = e->draws, elements = e->height * e->width * e->channels;
    Window whole = {0, 1, elements, 0};
    for (int64_t n = 0; n < images; n++) {
        const float *x = prediction + n * m * elements, *y = target + n * elements;
        double energy = 0, error = 0;
        float slope, value;
        for (int64_t j = 0; j < m; j++) error += meanSquare(&whole, x + j * elements, y);
        for (int64_t i = 0; i < e->windowSizes; i++) {
            int64_t size = e->windows[i], count = windowCount(e, size);
            double distances = 0, pairs = 0;
            for (int64_t p = 0; p < count; p++) {
                Window w = windowAt(e, size, p);
                for (int64_t j = 0; j < m; j++) {
                    power(e->softening * e->softening + meanSquare(&w, x + j * elements, y), e->exponent, &value, &slope);
                    distances += value;
                    for (int64_t k = j + 1; k < m; k++) {
                        float s = meanSquare(&w, x + j * elements, x + k * elements);
                        power(e->softening * e->softening + s, e->exponent, &value, &slope);
                        pairs += value;
                    }
                }
            }
            double repulsion = m > 1 ? e->repulsion * pairs / (double)(m * (m - 1)) : 0;
            energy += (distances / (double)m - repulsion) / (double)count;
        }
        loss[n] = (float)(energyWeight[n] * energy / (double)e->windowSizes + errorWeight[n] * error / (double)m);
    }
}

KERNEL void ck_energy_score_gradient(const ck_energy *e, int64_t images, const float *dloss, const float *prediction,
                                     const float *target, const float *energyWeight, const float *errorWeight,
                                     float *dprediction) {
    int64_t m = e->draws, elements = e->height * e->width * e->channels;
    Window whole = {0, 1, elements, 0};
    memset(dprediction, 0, (size_t)(images * m * elements) * sizeof(float));
    for (int64_t n = 0; n < images; n++) {
        const float *x = prediction + n * m * elements, *y = target + n * elements;
        float *dx = dprediction + n * m * elements, value, slope;
        float error = dloss[n] * errorWeight[n] * 2 / (float)(m * elements);
        for (int64_t j = 0; error != 0 && j < m; j++) {
            addDifference(&whole, error, x + j * elements, y, dx + j * elements);
        }
        for (int64_t i = 0; i < e->windowSizes; i++) {
            int64_t size = e->windows[i], count = windowCount(e, size);
            // d(mean of squares) / dx is 2 (a − b) / D.
            float factor = dloss[n] * energyWeight[n] * 2 * (float)count / (float)(e->windowSizes * count * elements);
            float repulsion = m > 1 ? -factor * e->repulsion / (float)(m * (m - 1)) : 0;
            for (int64_t p = 0; p < count; p++) {
                Window w = windowAt(e, size, p);
                for (int64_t j = 0; j < m; j++) {
                    const float *xj = x + j * elements;
                    power(e->softening * e->softening + meanSquare(&w, xj, y), e->exponent, &value, &slope);
                    addDifference(&w, factor * slope / (float)m, xj, y, dx + j * elements);
                    for (int64_t k = j + 1; k < m; k++) {
                        const float *xk = x + k * elements;
                        power(e->softening * e->softening + meanSquare(&w, xj, xk), e->exponent, &value, &slope);
                        addDifference(&w, repulsion * slope, xj, xk, dx + j * elements);
                        addDifference(&w, repulsion * slope, xk, xj, dx + k * elements);
                    }
                }
            }
        }
    }
}
