// The hypernetwork's layer W r = p (p·r) + softplus(s) r (SMD, section 4), one pass. Axis letters: R rows (pixels), L
// latent numbers.
#include "CKernels.h"
#include "Vector.h"
#include <math.h>

static float softplus(float s) {
    return (float)(s > 0 ? (double)s + log1p(exp(-(double)s)) : log1p(exp((double)s)));
}

KERNEL void ck_rank_one_update(int64_t rows, int64_t length, const float *r, const float *p, const float *scale,
                               float *y) {
    float own = softplus(*scale);
    for (int64_t row = 0; row < rows; row++) {
        const float *rr = r + row * length, *pr = p + row * length;
        float *yr = y + row * length, along = dot(length, pr, rr);
        int64_t l = 0;
#define BODY(W) AT(W, yr + l) = READ(W, pr + l) * along + READ(W, rr + l) * own;
        FOR_LANES(l, length, BODY)
#undef BODY
    }
}

KERNEL void ck_rank_one_update_gradient(int64_t rows, int64_t length, const float *dy, const float *r, const float *p,
                                        const float *scale, float *dr, float *dp, float *dscale) {
    float own = softplus(*scale);
    double total = 0;
    for (int64_t row = 0; row < rows; row++) {
        const float *dyr = dy + row * length, *rr = r + row * length, *pr = p + row * length;
        float *drr = dr + row * length, *dpr = dp + row * length;
        float along = dot(length, pr, rr), back = dot(length, pr, dyr);
        total += (double)dot(length, dyr, rr);
        int64_t l = 0;
#define BODY(W)                                                                                                        \
    {                                                                                                                  \
        f##W d = READ(W, dyr + l);                                                                                     \
        AT(W, dpr + l) = d * along + READ(W, rr + l) * back;                                                           \
        AT(W, drr + l) = READ(W, pr + l) * back + d * own;                                                             \
    }
        FOR_LANES(l, length, BODY)
#undef BODY
    }
    *dscale += (float)(total / (1 + exp(-(double)*scale)));
}
