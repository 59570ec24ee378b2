// Gradient of the group norm with modulation and SiLU. Lanes: see norm.h.
//
// With x̂ = (x − mean)/σ, k = γ (scale + 1), u = k x̂ + β (scale + 1) + shift, y = silu(u):
//   du = dy silu'(u);  per channel S1 = Σ du, S2 = Σ du x̂
//   dβ += (scale+1) S1;  dγ += (scale+1) S2;  dshift = S1;  dscale = γ S2 + β S1
//   dx = (k du − mean over the group of k du − x̂ · mean over the group of k du x̂) / σ
#include "norm.h"

// du of n ≤ BLOCK rows of an image, written to dx, and sums over the rows of each lane added to s1, s2 [T].
INLINE void activationGradientBlock(int64_t rows, int64_t T, int silu, const float *dy, const float *x,
                                    const float *mean, const float *inverse, const float *k, const float *b, float *dx,
                                    double *s1, double *s2) {
    for (int64_t j = 0; j < T; j += 16) {
        f16 m = READ(16, mean + j), i = READ(16, inverse + j), kj = READ(16, k + j), bj = READ(16, b + j);
        f16 sum = {0}, weighted = {0};
        for (int64_t r = 0; r < rows; r++) {
            f16 normal = (READ(16, x + r * T + j) - m) * i, d = READ(16, dy + r * T + j);
            if (silu) {
                f16 u = normal * kj + bj, g = u;
                sigmoid16(&g);
                d *= g * (1.0f + u * (1.0f - g));
                AT(16, dx + r * T + j) = d;
            }
            sum += d;
            weighted += d * normal;
        }
        float sums[32];
        AT(16, sums) = sum;
        AT(16, sums + 16) = weighted;
        for (int lane = 0; lane < 16; lane++) {
            s1[j + lane] += (double)sums[lane];
            s2[j + lane] += (double)sums[16 + lane];
        }
    }
}

// The same for the shorter last row of n lanes.
INLINE void activationGradientRest(int64_t n, int silu, const float *dy, const float *x, const float *mean,
                                   const float *inverse, const float *k, const float *b, float *dx, double *s1,
                                   double *s2) {
    int64_t j = 0;
#define BODY(W)                                                                                                        \
    {                                                                                                                  \
        f##W normal = (READ(W, x + j) - READ(W, mean + j)) * READ(W, inverse + j), d = READ(W, dy + j);                \
        if (silu) {                                                                                                    \
            f##W u = normal * READ(W, k + j) + READ(W, b + j), g = u;                                                  \
            sigmoid##W(&g);                                                                                            \
            d *= g * (1.0f + u * (1.0f - g));                                                                          \
            AT(W, dx + j) = d;                                                                                         \
        }                                                                                                              \
        f##W weighted = d * normal;                                                                                    \
        for (int lane = 0; lane < W; lane++) {                                                                         \
            s1[j + lane] += (double)d[lane];                                                                           \
            s2[j + lane] += (double)weighted[lane];                                                                    \
        }                                                                                                              \
    }
    FOR_LANES(j, n, BODY)
#undef BODY
}

// An image: du, written to dx, and its sums over the rows of each lane.
INLINE void activationGradient(lane_layout l, int silu, const float *dy, const float *x, const float *mean,
                               const float *inverse, const float *k, const float *b, float *dx, double *s1,
                               double *s2) {
    int64_t T = l.lanes, end = l.rows * T;
    memset(s1, 0, (size_t)(2 * T) * sizeof(double));  // s2 lies behind it
    for (int64_t r = 0; r < l.rows; r += BLOCK) {
        int64_t rows = r + BLOCK < l.rows ? BLOCK : l.rows - r, at = r * T;
        if (silu) {
            activationGradientBlock(rows, T, 1, dy + at, x + at, mean, inverse, k, b, dx + at, s1, s2);
        } else {
            activationGradientBlock(rows, T, 0, dy + at, x + at, mean, inverse, k, b, dx + at, s1, s2);
        }
    }
    activationGradientRest(l.rest, silu, dy + end, x + end, mean, inverse, k, b, dx + end, s1, s2);
}

// One row of n lanes: dx = p du − q − (x − mean) w.
INLINE void inputGradientRow(int64_t n, const float *du, const float *x, const float *mean, const float *p,
                             const float *q, const float *w, float *dx) {
    int64_t j = 0;
#define BODY(W)                                                                                                        \
    AT(W, dx + j) = READ(W, p + j) * READ(W, du + j) - READ(W, q + j) - (READ(W, x + j) - READ(W, mean + j)) * READ(W, w + j);
    FOR_LANES(j, n, BODY)
#undef BODY
}

// By channel of one image: mean and 1/σ of its group, k and, with SiLU, u where x̂ is 0.
INLINE void channelCoefficients(int64_t C, int64_t width, int silu, const float *gamma, const float *beta,
                                const float *modulation, const float *statistics, float *mean, float *inverse,
                                float *k, float *b) {
    for (int64_t c = 0; c < C; c++) {
        float scale = modulation ? modulation[c] + 1.0f : 1.0f, offset = modulation ? modulation[C + c] : 0.0f;
        mean[c] = statistics[2 * (c / width)];
        inverse[c] = statistics[2 * (c / width) + 1];
        k[c] = gamma[c] * scale;
        b[c] = silu ? beta[c] * scale + offset : 0.0f;
    }
}

KERNEL void ck_group_norm_gradient(const ck_group_norm_shape *s, int silu, const float *dy, const float *x,
                                   const float *gamma, const float *beta, const float *scaleShift,
                                   const float *statistics, float *dx, float *dgamma, float *dbeta,
                                   float *dscaleShift, float *scratch) {
    if (s->pixels == 1) {
        ck_group_norm_point_gradient(s, silu, dy, x, gamma, beta, scaleShift, statistics, dx, dgamma, dbeta,
                                     dscaleShift, scratch);
        return;
    }
    lane_layout l = lanesOf(s);
    int64_t C = s->channels, G = s->groups, width = C / G, T = l.lanes, image = s->pixels * C;
    float *mean = scratch, *inverse = mean + T, *k = inverse + T, *b = k + T, *q = b + T, *w = q + T;
    float *meanC = w + T, *inverseC = meanC + C, *kC = inverseC + C, *bC = kC + C, *qC = bC + C, *wC = qC + C;
    double *s1 = (double *)(((uintptr_t)(wC + C) + 7) & ~(uintptr_t)7), *s2 = s1 + T;
    double *sums = s2 + T, *weighted = sums + C, *sumGamma = weighted + C, *sumBeta = sumGamma + C;
    double total = (double)(s->pixels * width);
    memset(sumGamma, 0, (size_t)(2 * C) * sizeof(double));
    for (int64_t n = 0; n < s->images; n++) {
        const float *xn = x + n * image, *dyn = dy + n * image, *stats = statistics + n * 2 * G;
        const float *modulation = scaleShift ? scaleShift + n * 2 * C : NULL;
        float *dxn = dx + n * image;
        channelCoefficients(C, width, silu, gamma, beta, modulation, stats, meanC, inverseC, kC, bC);
        spread(meanC, C, mean, T);
        spread(inverseC, C, inverse, T);
        spread(kC, C, k, T);
        spread(bC, C, b, T);
        activationGradient(l, silu, dyn, xn, mean, inverse, k, b, dxn, s1, s2);
        gather(s1, T, sums, C);
        gather(s2, T, weighted, C);
        for (int64_t g = 0; g < G; g++) {
            double m1 = 0, m2 = 0;
            for (int64_t c = g * width; c < (g + 1) * width; c++) {
                m1 += (double)kC[c] * sums[c];
                m2 += (double)kC[c] * weighted[c];
            }
            double inverseG = (double)stats[2 * g + 1];
            for (int64_t c = g * width; c < (g + 1) * width; c++) {
                double scale = modulation ? (double)(modulation[c] + 1.0f) : 1;
                sumGamma[c] += scale * weighted[c];
                sumBeta[c] += scale * sums[c];
                if (dscaleShift) {
                    dscaleShift[n * 2 * C + c] = (float)((double)gamma[c] * weighted[c] + (double)beta[c] * sums[c]);
                    dscaleShift[n * 2 * C + C + c] = (float)sums[c];
                }
                kC[c] *= (float)inverseG;
                qC[c] = (float)(m1 / total * inverseG);
                wC[c] = (float)(m2 / total * inverseG * inverseG);
            }
        }
        spread(kC, C, k, T);
        spread(qC, C, q, T);
        spread(wC, C, w, T);
        const float *du = silu ? dxn : dyn;
        for (int64_t r = 0; r <= l.rows; r++) {
            int64_t at = r * T;
            inputGradientRow(r < l.rows ? T : l.rest, du + at, xn + at, mean, k, q, w, dxn + at);
        }
    }
    for (int64_t c = 0; c < C; c++) {
        dgamma[c] += (float)sumGamma[c];
        dbeta[c] += (float)sumBeta[c];
    }
}
