// Squared error and a term of the variational bound of a diffusion with learned variances (Nichol and Dhariwal 2021).
// float64 inside: at small deviations a difference of two float32 distribution functions has no digits left.
// Axis letters: N images, P pixels, C channels. Symbols as at Operation.variationalBound.
#include "CKernels.h"
#include <math.h>

/// √(2/π).
static const double slope = 0.79788456080286535588;
static const double cubic = 0.044715;
static const double leastMass = 1e-12;

/// What an image's terms say.
typedef struct {
    double k, s, delta;
    int ends;
} image_terms;

static image_terms termsOf(const ck_bound *b, int64_t n) {
    const float *t = b->terms + 4 * n;
    return (image_terms){t[0], t[1], t[2], t[3] != 0};
}

/// A term and its derivatives with respect to d and l.
typedef struct {
    double value, byDistance, byLogVariance;
} bound_term;

static bound_term divergence(double d, double s, double l) {
    double ratio = exp(s - l), square = d * d * exp(-l);
    return (bound_term){0.5 * (l - s - 1 + ratio + square), d * exp(-l), 0.5 * (1 - ratio - square)};
}

/// The distribution function at u, and its derivative.
static double cumulative(double u, double *density) {
    double t = tanh(slope * (u + cubic * (u * u * u)));
    *density = 0.5 * (1 - t * t) * slope * (1 + 3 * cubic * u * u);
    return 0.5 * (1 + t);
}

static bound_term likelihood(double x0, double d, double l) {
    double inverse = exp(-0.5 * l), upper = (1.0 / 255 - d) * inverse, lower = (-1.0 / 255 - d) * inverse;
    double atUpper, atLower, below = cumulative(upper, &atUpper), before = cumulative(lower, &atLower);
    if (x0 < -0.999) before = atLower = 0;
    if (x0 > 0.999) {
        below = 1;
        atUpper = 0;
    }
    double mass = below - before;
    if (mass < leastMass) return (bound_term){-log(leastMass), 0, 0};
    return (bound_term){-log(mass), (atUpper - atLower) * inverse / mass,
                        0.5 * (atUpper * upper - atLower * lower) / mass};
}

static bound_term term(const image_terms *t, double x0, double d, double v) {
    double l = t->s + 0.5 * (v + 1) * t->delta;
    return t->ends ? likelihood(x0, d, l) : divergence(d, t->s, l);
}

void ck_variational_bound(ck_bound_shape s, const ck_bound *b, float *loss) {
    for (int64_t n = 0; n < s.images; n++) {
        const image_terms terms = termsOf(b, n);
        double errors = 0, bits = 0;
        for (int64_t p = n * s.pixels; p < (n + 1) * s.pixels; p++) {
            const float *o = b->prediction + p * 2 * s.channels, *v = o + s.channels;
            for (int64_t c = 0; c < s.channels; c++) {
                double e = (double)o[c] - b->target[p * s.channels + c];
                errors += e * e;
                bits += term(&terms, b->x0[p * s.channels + c], terms.k * e, v[c]).value;
            }
        }
        double elements = (double)(s.pixels * s.channels);
        loss[n] = (float)((b->errorWeight[n] * errors + b->boundWeight[n] * bits / M_LN2) / elements);
    }
}

void ck_variational_bound_gradient(ck_bound_shape s, const ck_bound *b, int held, const float *dloss,
                                   float *dprediction) {
    for (int64_t n = 0; n < s.images; n++) {
        const image_terms terms = termsOf(b, n);
        double factor = dloss[n] / (double)(s.pixels * s.channels);
        double ofError = 2 * factor * b->errorWeight[n], ofBound = factor * b->boundWeight[n] / M_LN2;
        for (int64_t p = n * s.pixels; p < (n + 1) * s.pixels; p++) {
            const float *o = b->prediction + p * 2 * s.channels, *v = o + s.channels;
            float *ofEstimate = dprediction + p * 2 * s.channels, *ofV = ofEstimate + s.channels;
            for (int64_t c = 0; c < s.channels; c++) {
                double e = (double)o[c] - b->target[p * s.channels + c];
                bound_term t = term(&terms, b->x0[p * s.channels + c], terms.k * e, v[c]);
                ofEstimate[c] = (float)(ofError * e + (held ? 0 : ofBound * terms.k * t.byDistance));
                ofV[c] = (float)(ofBound * t.byLogVariance * 0.5 * terms.delta);
            }
        }
    }
}
