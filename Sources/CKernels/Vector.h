// Vectors of 16, 8, 4 and 1 floats, and the functions that libm has no vector form of. Private to this target.
//
// A kernel is compiled for AVX-512, AVX2 and the baseline (KERNEL), and the processor picks one at load time. Vectors
// wider than the machine's are split by the compiler, so that one text serves all. Vectors travel by pointer because
// passing them by value would change the calling convention between those versions; everything is inlined away.
#pragma once
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) && defined(__linux__)
#define KERNEL __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define KERNEL
#endif
#define INLINE static inline __attribute__((always_inline))

typedef float f16 __attribute__((vector_size(64)));
typedef float f8 __attribute__((vector_size(32)));
typedef float f4 __attribute__((vector_size(16)));
typedef float f1 __attribute__((vector_size(4)));
typedef int32_t i16 __attribute__((vector_size(64)));
typedef int32_t i8 __attribute__((vector_size(32)));
typedef int32_t i4 __attribute__((vector_size(16)));
typedef int32_t i1 __attribute__((vector_size(4)));
typedef int64_t l8 __attribute__((vector_size(64)));
typedef float u16 __attribute__((vector_size(64), aligned(4), may_alias));
typedef float u8 __attribute__((vector_size(32), aligned(4), may_alias));
typedef float u4 __attribute__((vector_size(16), aligned(4), may_alias));
typedef float u1 __attribute__((vector_size(4), aligned(4), may_alias));

/// Whether 16 floats are one vector here, and there are 32 of them; elsewhere they are two or four of 16.
INLINE int wideVectors(void) {
#if defined(__x86_64__)
    return __builtin_cpu_supports("x86-64-v4") != 0;
#else
    return 0;
#endif
}

/// Hides from the compiler how a pointer came about. Otherwise it makes up many more addresses than there are registers
/// for them, and loads numbers of several steps at once, for which there are no vector registers either. (After a change
/// of a kernel look at its instructions as `swift build` compiles it, which keeps the frame pointer: a spilled vector, or
/// one split in two, halves the speed.)
#define OPAQUE(pointer) __asm__ volatile("" : "+r"(pointer) : : "memory")

/// A vector of W floats read at p; the vector can also be assigned.
#define AT(W, p) (*(u##W *)(p))
#define READ(W, p) (*(const u##W *)(p))
/// A vector of W equal floats.
#define ALL(W, x) ((f##W){0} + (x))
/// a where the mask has all bits set, else b.
#define CHOOSE(W, mask, a, b) ((f##W)(((mask) & (i##W)(a)) | (~(mask) & (i##W)(b))))

/// Runs BODY(W) for i, i + W, ... below n: widest vectors first, so that any n is covered.
#define FOR_LANES(i, n, BODY)                                                                                          \
    for (; i + 16 <= (n); i += 16) BODY(16)                                                                            \
    for (; i + 8 <= (n); i += 8) BODY(8)                                                                               \
    for (; i + 4 <= (n); i += 4) BODY(4)                                                                               \
    for (; i < (n); i += 1) BODY(1)

/// exponentialW(v): v = exp(v), relative error below 1.5e-7 (2 ulp). Arguments are clamped to [-87.3, 88.3], where the
/// result stays finite and normal; NaN stays NaN. n = round(v / ln 2) by the 1.5·2^23 trick, then a polynomial fitted
/// to (exp(r) - 1 - r) / r² on |r| <= ln(2) / 2 (weighted minimax, 3e-9), then 2^n built from its bits.
#define DEFINE_EXPONENTIAL(W)                                                                                          \
    INLINE void exponential##W(f##W *v) {                                                                              \
        const f##W magic = ALL(W, 12582912.0f), low = ALL(W, -87.3f), high = ALL(W, 88.3f);                            \
        f##W x = *v;                                                                                                   \
        x = CHOOSE(W, x < low, low, x);                                                                                \
        x = CHOOSE(W, x > high, high, x);                                                                              \
        f##W shifted = x * 1.44269504f + magic;                                                                        \
        f##W n = shifted - magic;                                                                                      \
        f##W r = x - n * 0.693145752f - n * 1.42860677e-6f;                                                            \
        f##W p = r * 0.001381446674f + 0.008368780429f;                                                                \
        p = p * r + 0.04166839422f;                                                                                    \
        p = p * r + 0.1666652011f;                                                                                     \
        p = p * r + 0.4999999341f;                                                                                     \
        p = p * (r * r) + r + 1.0f;                                                                                    \
        *v = p * (f##W)(((i##W)shifted - (i##W)magic + 127) << 23);                                                    \
    }
DEFINE_EXPONENTIAL(16)
DEFINE_EXPONENTIAL(8)
DEFINE_EXPONENTIAL(4)
DEFINE_EXPONENTIAL(1)

/// sigmoidW(v): v = 1 / (1 + exp(-v)), relative error below 3e-7 for v > -87.
#define DEFINE_SIGMOID(W)                                                                                              \
    INLINE void sigmoid##W(f##W *v) {                                                                                  \
        f##W e = -*v;                                                                                                  \
        exponential##W(&e);                                                                                            \
        *v = 1.0f / (1.0f + e);                                                                                        \
    }
DEFINE_SIGMOID(16)
DEFINE_SIGMOID(8)
DEFINE_SIGMOID(4)
DEFINE_SIGMOID(1)

/// normalW(x, cdf, density): the standard normal distribution's cumulative and density at x.
/// erfc(z) = exp(-z²) q(1 / (1 + z/2)) for z >= 0 with q fitted over z in [0, 10] (weighted minimax, 3.3e-8); the
/// absolute error of cdf is below 2e-7, its relative error below 2e-6 for x > -5.
#define DEFINE_NORMAL(W)                                                                                               \
    INLINE void normal##W(const f##W *x, f##W *cdf, f##W *density) {                                                   \
        f##W z = *x * 0.707106781f;                                                                                    \
        z = CHOOSE(W, z < 0.0f, -z, z);                                                                                \
        f##W t = 1.0f / (1.0f + 0.5f * z);                                                                             \
        f##W e = -z * z;                                                                                               \
        exponential##W(&e);                                                                                            \
        f##W q = t * -0.05505133374f + 0.2639032973f;                                                                  \
        q = q * t - 0.4414780899f;                                                                                     \
        q = q * t + 0.2211915068f;                                                                                     \
        q = q * t + 0.01707727315f;                                                                                    \
        q = q * t + 0.1812500612f;                                                                                     \
        q = q * t + 0.2497934495f;                                                                                     \
        q = q * t + 0.2810984387f;                                                                                     \
        q = q * t + 0.282221376f;                                                                                      \
        q = q * t - 6.011276025e-06f;                                                                                  \
        f##W tail = 0.5f * q * e;                                                                                      \
        *cdf = CHOOSE(W, *x < 0.0f, tail, 1.0f - tail);                                                                \
        *density = 0.398942280f * e;                                                                                   \
    }
DEFINE_NORMAL(16)
DEFINE_NORMAL(8)
DEFINE_NORMAL(4)
DEFINE_NORMAL(1)

/// sumW(v): the sum of the lanes, in a fixed order.
INLINE float sum1(const f1 *v) { return (*v)[0]; }
INLINE float sum4(const f4 *v) { return ((*v)[0] + (*v)[2]) + ((*v)[1] + (*v)[3]); }
INLINE float sum8(const f8 *v) {
    f4 s = __builtin_shufflevector(*v, *v, 0, 1, 2, 3) + __builtin_shufflevector(*v, *v, 4, 5, 6, 7);
    return sum4(&s);
}
INLINE float sum16(const f16 *v) {
    f8 s = __builtin_shufflevector(*v, *v, 0, 1, 2, 3, 4, 5, 6, 7)
        + __builtin_shufflevector(*v, *v, 8, 9, 10, 11, 12, 13, 14, 15);
    return sum8(&s);
}

/// Σ a·b over n numbers, in a fixed order.
INLINE float dot(int64_t n, const float *a, const float *b) {
    int64_t i = 0;
    f16 wide = {0};
    for (; i + 16 <= n; i += 16) wide += READ(16, a + i) * READ(16, b + i);
    float total = n >= 16 ? sum16(&wide) : 0.0f;
    if (i + 8 <= n) {
        f8 part = READ(8, a + i) * READ(8, b + i);
        total += sum8(&part);
        i += 8;
    }
    if (i + 4 <= n) {
        f4 part = READ(4, a + i) * READ(4, b + i);
        total += sum4(&part);
        i += 4;
    }
    for (; i < n; i++) total += a[i] * b[i];
    return total;
}

/// a [8, 8] transposed, row i becoming column i.
INLINE void transpose8x8(f8 *a) {
    f8 b[8];
    for (int i = 0; i < 8; i += 2) {  // pairs of rows, numbers interleaved
        b[i] = __builtin_shufflevector(a[i], a[i + 1], 0, 8, 2, 10, 4, 12, 6, 14);
        b[i + 1] = __builtin_shufflevector(a[i], a[i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
    }
    for (int i = 0; i < 8; i++) {  // pairs of pairs
        const int low = i & ~2, high = i | 2;
        a[i] = i & 2 ? __builtin_shufflevector(b[low], b[high], 2, 3, 10, 11, 6, 7, 14, 15)
                     : __builtin_shufflevector(b[low], b[high], 0, 1, 8, 9, 4, 5, 12, 13);
    }
    for (int i = 0; i < 4; i++) {  // halves
        b[i] = __builtin_shufflevector(a[i], a[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        b[i + 4] = __builtin_shufflevector(a[i], a[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
    for (int i = 0; i < 8; i++) a[i] = b[i];
}

/// The larger of two numbers; a NaN in the second wins.
INLINE float larger(float a, float b) { return a > b ? a : b; }
