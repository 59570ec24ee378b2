// ck_product of matrices that lie as a whole, in cache (product.c). Private to this target.
#pragma once
#include "CKernels.h"
#include "Vector.h"

/// C [m,n] = A [m,k] B [k,n] with contiguous rows; `add` accumulates.
INLINE void product(int64_t m, int64_t n, int64_t k, const float *a, const float *b, int add, float *c) {
    ck_product(m, n, k, 1.0f, (ck_matrix){a, k, 1}, b, n, add, c, n);
}

/// C [m,n] = Aᵀ B of A [k,m], B [k,n]; `add` accumulates.
INLINE void productOfTransposed(int64_t m, int64_t n, int64_t k, const float *a, const float *b, int add, float *c) {
    ck_product(m, n, k, 1.0f, (ck_matrix){a, 1, m}, b, n, add, c, n);
}
