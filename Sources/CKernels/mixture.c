// The negative log-likelihood of a Gaussian mixture for each pixel. Axis letters: N images, P pixels, C channels,
// K components. A pixel's prediction is K means of C numbers, K logits, and one number that makes the deviation.
#include "CKernels.h"
#include "Vector.h"
#include <math.h>

/// ln √(2π).
static const double halfLogTwoPi = 0.91893853320467274178;

/// The logarithm of the sum of exponentials of v [K]; the exponentials over their sum replace v.
INLINE float softmax(int64_t count, float *v) {
    float top = v[0], sum = 0;
    for (int64_t k = 1; k < count; k++) top = v[k] > top ? v[k] : top;
    int64_t k = 0;
#define BODY(W)                                                                                                        \
    {                                                                                                                  \
        f##W x = READ(W, v + k) - top;                                                                                 \
        exponential##W(&x);                                                                                            \
        AT(W, v + k) = x;                                                                                              \
    }
    FOR_LANES(k, count, BODY)
#undef BODY
    for (k = 0; k < count; k++) sum += v[k];
    for (k = 0; k < count; k++) v[k] /= sum;
    return top + logf(sum);
}

/// Fills responsibilities r [K] and weights pi [K] of one pixel; returns −ln p(y), and l, the logarithm of the deviation.
INLINE float pixelLikelihood(int64_t channels, int64_t components, const float *prediction, const float *y, float *r,
                             float *pi, float *l) {
    const float *logits = prediction + components * channels;
    *l = ck_log_deviation(logits[components]);
    float precision = expf(-2 * *l);
    for (int64_t k = 0; k < components; k++) {
        float square = 0;
        for (int64_t c = 0; c < channels; c++) {
            float d = prediction[k * channels + c] - y[c];
            square += d * d;
        }
        pi[k] = logits[k];
        r[k] = logits[k] - square * precision / 2;
    }
    float all = softmax(components, pi), joint = softmax(components, r);
    return all - joint + (float)channels * (*l + (float)halfLogTwoPi);
}

float ck_log_deviation(float s) { return -2 + 3 * tanhf(s / 3); }

KERNEL void ck_mixture_likelihood(int64_t images, int64_t pixels, int64_t channels, int64_t components,
                                  const float *prediction, const float *target, const float *weight, float *loss) {
    int64_t length = components * (channels + 1) + 1;
    float r[CK_MOST_COMPONENTS], pi[CK_MOST_COMPONENTS], l;
    for (int64_t n = 0; n < images; n++) {
        double sum = 0;
        for (int64_t p = n * pixels; p < (n + 1) * pixels; p++) {
            sum += pixelLikelihood(channels, components, prediction + p * length, target + p * channels, r, pi, &l);
        }
        loss[n] = (float)(weight[n] * sum / (double)(pixels * channels));
    }
}

KERNEL void ck_mixture_likelihood_gradient(int64_t images, int64_t pixels, int64_t channels, int64_t components,
                                           const float *dloss, const float *prediction, const float *target,
                                           const float *weight, float *dprediction) {
    int64_t length = components * (channels + 1) + 1;
    float r[CK_MOST_COMPONENTS], pi[CK_MOST_COMPONENTS], l;
    for (int64_t n = 0; n < images; n++) {
        float factor = dloss[n] * weight[n] / (float)(pixels * channels);
        for (int64_t p = n * pixels; p < (n + 1) * pixels; p++) {
            const float *x = prediction + p * length, *y = target + p * channels;
            float *dx = dprediction + p * length;
            pixelLikelihood(channels, components, x, y, r, pi, &l);
            float precision = expf(-2 * l), squares = 0;
            for (int64_t k = 0; k < components; k++) {
                for (int64_t c = 0; c < channels; c++) {
                    float d = x[k * channels + c] - y[c];
                    dx[k * channels + c] = factor * r[k] * precision * d;
                    squares += r[k] * d * d;
                }
                dx[components * channels + k] = factor * (pi[k] - r[k]);
            }
            float t = (l + 2) / 3;  // tanh(s/3)
            dx[length - 1] = factor * ((float)channels - squares * precision) * (1 - t * t);
        }
    }
}
