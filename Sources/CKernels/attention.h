// Small products of matrices and softmaxes, shared by the two kinds of attention. Private to this target.
#pragma once
#include "CKernels.h"
#include "Vector.h"

/// Where a matrix lies: element (i, j) at base[i · row + j · column].
typedef struct {
    const float *base;
    int64_t row, column;
} matrix;

/// Rows of the result that are kept in registers at once: six sums and two operands fit into AVX2's 16.
enum { ROWS = 6, DEPTH = 128 };

#define DEFINE_PRODUCT(W, COUNT)                                                                                       \
    INLINE void product##W##x##COUNT(int64_t depth, float alpha, const float *a, int64_t aRow, int64_t aColumn,        \
                                     const float *b, int64_t bRow, int accumulate, float *c, int64_t cRow) {           \
        f##W sums[COUNT];                                                                                              \
        _Pragma("clang loop unroll(full)") for (int r = 0; r < COUNT; r++) sums[r] = ALL(W, 0.0f);                     \
        for (int64_t k = 0; k < depth; k++) {                                                                          \
            f##W bk = READ(W, b + k * bRow);                                                                           \
            _Pragma("clang loop unroll(full)") for (int r = 0; r < COUNT; r++) sums[r] +=                              \
                a[r * aRow + k * aColumn] * bk;                                                                        \
        }                                                                                                              \
        _Pragma("clang loop unroll(full)") for (int r = 0; r < COUNT; r++) {                                           \
            if (accumulate) AT(W, c + r * cRow) += alpha * sums[r];                                                    \
            else AT(W, c + r * cRow) = alpha * sums[r];                                                                \
        }                                                                                                              \
    }
DEFINE_PRODUCT(16, 6)
DEFINE_PRODUCT(16, 2)
DEFINE_PRODUCT(16, 1)
DEFINE_PRODUCT(8, 6)
DEFINE_PRODUCT(8, 1)
DEFINE_PRODUCT(4, 6)
DEFINE_PRODUCT(4, 1)
DEFINE_PRODUCT(1, 6)
DEFINE_PRODUCT(1, 1)

/// C [m,n] (+)= alpha · A [m,k] · B [k,n]; B and C have rows of contiguous elements, bRow and cRow apart.
INLINE void product(int64_t m, int64_t n, int64_t k, float alpha, matrix a, const float *b, int64_t bRow,
                    int accumulate, float *c, int64_t cRow) {
    for (int64_t k0 = 0; k0 < k; k0 += DEPTH) {
        int64_t depth = k - k0 < DEPTH ? k - k0 : DEPTH, j = 0;
        int add = accumulate || k0 > 0;
        const float *ak = a.base + k0 * a.column, *bk = b + k0 * bRow;
#define TILE(W, COUNT)                                                                                                 \
    product##W##x##COUNT(depth, alpha, ak + i * a.row, a.row, a.column, bk + j, bRow, add, c + i * cRow + j, cRow)
        for (; j + 16 <= n; j += 16) {
            int64_t i = 0;
            for (; i + 6 <= m; i += 6) TILE(16, 6);
            for (; i + 2 <= m; i += 2) TILE(16, 2);
            for (; i < m; i++) TILE(16, 1);
        }
#define BODY(W)                                                                                                        \
    {                                                                                                                  \
        int64_t i = 0;                                                                                                 \
        for (; i + 6 <= m; i += 6) TILE(W, 6);                                                                         \
        for (; i < m; i++) TILE(W, 1);                                                                                 \
    }
        for (; j + 8 <= n; j += 8) BODY(8)
        for (; j + 4 <= n; j += 4) BODY(4)
        for (; j < n; j++) BODY(1)
#undef BODY
#undef TILE
    }
}

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

/// y = factor · x. y may be x.
INLINE void multiply(int64_t n, float factor, const float *x, float *y) {
    int64_t i = 0;
#define BODY(W) AT(W, y + i) = READ(W, x + i) * factor;
    FOR_LANES(i, n, BODY)
#undef BODY
}
