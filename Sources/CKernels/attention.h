// Softmaxes and small products of matrices (product.c), shared by the two kinds of attention. Private to this target.
#pragma once
#include "CKernels.h"
#include "Vector.h"

/// y = factor · x. y may be x.
INLINE void multiply(int64_t n, float factor, const float *x, float *y) {
    int64_t i = 0;
#define BODY(W) AT(W, y + i) = READ(W, x + i) * factor;
    FOR_LANES(i, n, BODY)
#undef BODY
}

/// How many rows of B a product uses at a time, so that what is used again and again stays in L1.
enum { DEPTH = 64 };

INLINE float largest1(const f1 *v) { return (*v)[0]; }
INLINE float largest4(const f4 *v) { return larger(larger((*v)[0], (*v)[2]), larger((*v)[1], (*v)[3])); }
INLINE float largest8(const f8 *v) {
    f4 low = __builtin_shufflevector(*v, *v, 0, 1, 2, 3), high = __builtin_shufflevector(*v, *v, 4, 5, 6, 7);
    low = CHOOSE(4, low > high, low, high);
    return largest4(&low);
}
INLINE float largest16(const f16 *v) {
    f8 low = __builtin_shufflevector(*v, *v, 0, 1, 2, 3, 4, 5, 6, 7);
    f8 high = __builtin_shufflevector(*v, *v, 8, 9, 10, 11, 12, 13, 14, 15);
    low = CHOOSE(8, low > high, low, high);
    return largest8(&low);
}

INLINE float maximum(int64_t n, const float *x) {
    float top = x[0];
    int64_t i = 0;
    if (n >= 16) {
        f16 high = READ(16, x);
        for (i = 16; i + 16 <= n; i += 16) {
            f16 v = READ(16, x + i);
            high = CHOOSE(16, high > v, high, v);
        }
        top = largest16(&high);
    }
#define BODY(W)                                                                                                        \
    {                                                                                                                  \
        f##W v = READ(W, x + i);                                                                                       \
        top = larger(top, largest##W(&v));                                                                             \
    }
    FOR_LANES(i, n, BODY)
#undef BODY
    return top;
}

/// y = exp(x − shift); returns the sum. y may be x.
INLINE float exponentials(int64_t n, const float *x, float shift, float *y) {
    float total = 0;
    int64_t i = 0;
    if (n >= 16) {
        f16 sum = {0};
        for (; i + 16 <= n; i += 16) {
            f16 v = READ(16, x + i) - shift;
            exponential16(&v);
            AT(16, y + i) = v;
            sum += v;
        }
        total = sum16(&sum);
    }
#define BODY(W)                                                                                                        \
    {                                                                                                                  \
        f##W v = READ(W, x + i) - shift;                                                                               \
        exponential##W(&v);                                                                                            \
        AT(W, y + i) = v;                                                                                              \
        total += sum##W(&v);                                                                                           \
    }
    FOR_LANES(i, n, BODY)
#undef BODY
    return total;
}
