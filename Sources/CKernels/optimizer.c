// Passes over flat arenas of parameters, gradients and moments.
#include "CKernels.h"
#include "Vector.h"
#include <math.h>

typedef double d8 __attribute__((vector_size(64)));

KERNEL double ck_sum_of_squares(size_t count, const float *x) {
    int64_t i = 0, n = (int64_t)count;
    d8 s0 = {0}, s1 = {0};
    for (; i + 16 <= n; i += 16) {
        d8 a = __builtin_convertvector(READ(8, x + i), d8), b = __builtin_convertvector(READ(8, x + i + 8), d8);
        s0 += a * a;
        s1 += b * b;
    }
    d8 s = s0 + s1;
    double total = ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
    for (; i < n; i++) total += (double)x[i] * (double)x[i];
    return total;
}

KERNEL void ck_adam_step(size_t count, const ck_adam_settings *settings, const float *gradients, float *parameters,
                         float *firstMoment, float *secondMoment) {
    // Scalars in float64, rounded once.
    double bias1 = 1 - pow(settings->beta1, (double)settings->step);
    double bias2 = 1 - pow(settings->beta2, (double)settings->step);
    float stepSize = (float)(settings->learningRate / bias1), rootBias2 = (float)sqrt(bias2);
    float beta2 = (float)settings->beta2, rest1 = (float)(1 - settings->beta1), rest2 = (float)(1 - settings->beta2);
    float epsilon = (float)settings->epsilon, scale = (float)settings->gradientScale;
    float kept = (float)(1 - settings->learningRate * settings->weightDecay);
    int64_t i = 0, n = (int64_t)count;
    if (kept != 1) {
#define BODY(W) AT(W, parameters + i) *= kept;
        FOR_LANES(i, n, BODY)
#undef BODY
        i = 0;
    }
#define BODY(W)                                                                                                        \
    {                                                                                                                  \
        f##W g = READ(W, gradients + i) * scale, m = READ(W, firstMoment + i), v = READ(W, secondMoment + i);          \
        m += (g - m) * rest1;                                                                                          \
        v = v * beta2 + g * g * rest2;                                                                                 \
        AT(W, firstMoment + i) = m;                                                                                    \
        AT(W, secondMoment + i) = v;                                                                                   \
        AT(W, parameters + i) -= stepSize * (m / (__builtin_elementwise_sqrt(v) / rootBias2 + epsilon));               \
    }
    FOR_LANES(i, n, BODY)
#undef BODY
}

KERNEL void ck_ema_update(size_t count, double decay, const float *parameters, float *ema) {
    float rest = (float)(1 - decay);
    int64_t i = 0, n = (int64_t)count;
#define BODY(W)                                                                                                        \
    {                                                                                                                  \
        f##W e = READ(W, ema + i);                                                                                     \
        AT(W, ema + i) = e + (READ(W, parameters + i) - e) * rest;                                                     \
    }
    FOR_LANES(i, n, BODY)
#undef BODY
}
