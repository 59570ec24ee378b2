// Group norm with modulation, SiLU and residual. Lanes: see norm.h.
#include "norm.h"
#include <math.h>

// scratch: mean, a, b, shift [T] | values of channels a, b, mean [3C] | s1, s2 [T] float64 | channel sums [2C] float64
size_t ck_group_norm_scratch(const ck_group_norm_shape *s) {
    size_t lanes = (size_t)laneCount(s->channels), channels = (size_t)s->channels;
    return 16 + 6 * lanes + 6 * channels + 2 * (2 * lanes + 4 * channels);
}

// s1, s2 [T] = Σ and Σ² of (x − shift) over the rows of an image, shift [T] the mean of the lane's first rows.
// Shifted so, the variance loses at most a factor rows/BLOCK of float32's precision to cancellation, whatever the mean.
INLINE void shiftedSums(const float *x, lane_layout l, float *shift, double *s1, double *s2) {
    int64_t first = l.rows < 8 ? l.rows : 8, T = l.lanes;
    for (int64_t j = 0; j < T; j++) {
        s1[j] = s2[j] = 0;
        shift[j] = first == 0 && j < l.rest ? x[j] : 0.0f;
    }
    for (int64_t j = 0; j < T && first > 0; j += 16) {
        f16 sum = {0};
        for (int64_t r = 0; r < first; r++) sum += READ(16, x + r * T + j);
        AT(16, shift + j) = sum * (1.0f / (float)first);
    }
    for (int64_t r0 = 0; r0 < l.rows; r0 += BLOCK) {
        int64_t r1 = r0 + BLOCK < l.rows ? r0 + BLOCK : l.rows;
        for (int64_t j = 0; j < T; j += 32) {  // two vectors at once: the additions of one hide behind the other's
            f16 a0 = {0}, a1 = {0}, b0 = {0}, b1 = {0};
            f16 m0 = READ(16, shift + j), m1 = READ(16, shift + j + 16);
            for (int64_t r = r0; r < r1; r++) {
                f16 d0 = READ(16, x + r * T + j) - m0, d1 = READ(16, x + r * T + j + 16) - m1;
                a0 += d0;
                a1 += d1;
                b0 += d0 * d0;
                b1 += d1 * d1;
            }
            float sums[64];
            AT(16, sums) = a0;
            AT(16, sums + 16) = a1;
            AT(16, sums + 32) = b0;
            AT(16, sums + 48) = b1;
            for (int k = 0; k < 32; k++) {
                s1[j + k] += (double)sums[k];
                s2[j + k] += (double)sums[32 + k];
            }
        }
    }
    for (int64_t j = 0; j < l.rest; j++) {
        double d = (double)(x[l.rows * T + j] - shift[j]);
        s1[j] += d;
        s2[j] += d * d;
    }
}

// Mean and 1/√(variance + ε) of each group [G,2] from the lanes' shifted sums; sums [2C] receives each channel's group
// mean in float64, then squares. Lanes of one group have different
// shifts: their sums of squares are brought to the group's mean before they are added.
INLINE void groupStatistics(const ck_group_norm_shape *s, lane_layout l, const float *shift, const double *s1,
                            const double *s2, double *sums, float *statistics) {
    int64_t C = s->channels, G = s->groups, width = C / G;
    double full = (double)l.rows, more = (double)(l.rows + 1);
    double total = (double)(s->pixels * width);
    memset(sums, 0, (size_t)(2 * C) * sizeof(double));
    for (int64_t j0 = 0; j0 < l.lanes; j0 += C) {
        double n = j0 < l.rest ? more : full;
        for (int64_t c = 0; c < C; c++) sums[c] += s1[j0 + c] + n * (double)shift[j0 + c];
    }
    for (int64_t g = 0; g < G; g++) {
        double sum = 0;
        for (int64_t c = g * width; c < (g + 1) * width; c++) sum += sums[c];
        for (int64_t c = g * width; c < (g + 1) * width; c++) sums[c] = sum / total;
    }
    double *squares = sums + C;
    for (int64_t j0 = 0; j0 < l.lanes; j0 += C) {
        double n = j0 < l.rest ? more : full;
        for (int64_t c = 0; c < C; c++) {
            // Σ (x − μ)² = Σ (x − shift)² − 2 (μ − shift) Σ (x − shift) + n (μ − shift)²
            double move = sums[c] - (double)shift[j0 + c];
            squares[c] += s2[j0 + c] + move * (n * move - 2 * s1[j0 + c]);
        }
    }
    for (int64_t g = 0; g < G; g++) {
        double sum = 0;
        for (int64_t c = g * width; c < (g + 1) * width; c++) sum += squares[c];
        double variance = sum > 0 || sum != sum ? sum / total : 0;
        statistics[2 * g] = (float)sums[g * width];
        statistics[2 * g + 1] = (float)(1 / sqrt(variance + (double)s->epsilon));
    }
}

// One row of n lanes: y = act((x − mean) a + b) (+ residual).
INLINE void normaliseRow(int64_t n, int silu, const float *x, const float *mean, const float *a, const float *b,
                         const float *residual, float *y) {
    int64_t j = 0;
#define BODY(W)                                                                                                        \
    {                                                                                                                  \
        f##W v = (READ(W, x + j) - READ(W, mean + j)) * READ(W, a + j) + READ(W, b + j);                               \
        if (silu) {                                                                                                    \
            f##W s = v;                                                                                                \
            sigmoid##W(&s);                                                                                            \
            v *= s;                                                                                                    \
        }                                                                                                              \
        if (residual) v += READ(W, residual + j);                                                                      \
        AT(W, y + j) = v;                                                                                              \
    }
    FOR_LANES(j, n, BODY)
#undef BODY
}

KERNEL void ck_group_norm(const ck_group_norm_shape *s, int silu, const float *x, const float *gamma,
                          const float *beta, const float *scaleShift, const float *residual, float *y,
                          float *statistics, float *scratch) {
    if (s->pixels == 1) return ck_group_norm_point(s, silu, x, gamma, beta, scaleShift, residual, y, statistics);
    lane_layout l = lanesOf(s);
    int64_t C = s->channels, G = s->groups, width = C / G, T = l.lanes, image = s->pixels * C;
    float *mean = scratch, *a = mean + T, *b = a + T, *shift = b + T;
    float *aC = shift + T, *bC = aC + C, *meanC = bC + C;
    double *s1 = (double *)(((uintptr_t)(meanC + C) + 7) & ~(uintptr_t)7), *s2 = s1 + T, *sums = s2 + T;
    for (int64_t n = 0; n < s->images; n++) {
        const float *xn = x + n * image, *modulation = scaleShift ? scaleShift + n * 2 * C : NULL;
        const float *rn = residual ? residual + n * image : NULL;
        float *yn = y + n * image, *stats = statistics + n * 2 * G;
        shiftedSums(xn, l, shift, s1, s2);
        groupStatistics(s, l, shift, s1, s2, sums, stats);
        for (int64_t c = 0; c < C; c++) {
            float scale = modulation ? modulation[c] + 1.0f : 1.0f, offset = modulation ? modulation[C + c] : 0.0f;
            meanC[c] = stats[2 * (c / width)];
            aC[c] = stats[2 * (c / width) + 1] * gamma[c] * scale;
            // The mean is rounded to float32 for the subtraction; what the rounding took away goes into b.
            float lost = (float)((double)meanC[c] - sums[c]);
            bC[c] = beta[c] * scale + offset + lost * aC[c];
        }
        spread(meanC, C, mean, T);
        spread(aC, C, a, T);
        spread(bC, C, b, T);
        for (int64_t r = 0; r <= l.rows; r++) {
            int64_t count = r < l.rows ? T : l.rest, at = r * T;
            if (silu && rn) normaliseRow(count, 1, xn + at, mean, a, b, rn + at, yn + at);
            else if (silu) normaliseRow(count, 1, xn + at, mean, a, b, NULL, yn + at);
            else if (rn) normaliseRow(count, 0, xn + at, mean, a, b, rn + at, yn + at);
            else normaliseRow(count, 0, xn + at, mean, a, b, NULL, yn + at);
        }
    }
}
