// What this core can do at most, to relate other rates to: multiply-adds in float32 and bfloat16, and memory bandwidth.
// Vectors of the machine's own width are used here, with as many independent sums as its registers hold: a fixed width
// would be split and spilled elsewhere. No instruction runs that the processor lacks.
#include "bfloat16.h"
#include <time.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#if defined(__x86_64__)
#include <immintrin.h>
#endif

// `rounds` times SUMS multiply-adds of W floats. The sums come back in `out`, so that nothing is optimised away.
#define DEFINE_FMA(NAME, ATTRIBUTE, W, SUMS)                                                                           \
    ATTRIBUTE static void NAME(int64_t rounds, float factor, float addend, float *out) {                               \
        f##W sums[SUMS], x = ALL(W, factor), a = ALL(W, addend);                                                       \
        _Pragma("clang loop unroll(full)") for (int i = 0; i < SUMS; i++) sums[i] = ALL(W, (float)i);                  \
        for (int64_t r = 0; r < rounds; r++) {                                                                         \
            _Pragma("clang loop unroll(full)") for (int i = 0; i < SUMS; i++) sums[i] = sums[i] * x + a;               \
        }                                                                                                              \
        f##W total = sums[0];                                                                                          \
        _Pragma("clang loop unroll(full)") for (int i = 1; i < SUMS; i++) total += sums[i];                            \
        *out = total[0];                                                                                               \
    }

#if defined(__x86_64__)
DEFINE_FMA(fma512, __attribute__((target("arch=x86-64-v4"), min_vector_width(512))), 16, 16)
DEFINE_FMA(fma256, __attribute__((target("arch=x86-64-v3"))), 8, 12)
#endif
DEFINE_FMA(fma128, , 4, 12)

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// A fraction of a millisecond of work: short enough to fall between interruptions.
enum { ROUNDS = 50000 };

double ck_measure_peak(double milliseconds) {
    void (*work)(int64_t, float, float, float *) = fma128;
    double flopsPerRound = 2.0 * 4 * 12;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("x86-64-v4")) {
        work = fma512;
        flopsPerRound = 2.0 * 16 * 16;
    } else if (__builtin_cpu_supports("x86-64-v3")) {
        work = fma256;
        flopsPerRound = 2.0 * 8 * 12;
    }
#endif
    volatile float factor = 0.999f, addend = 0.001f;
    float out;
    double best = 0, start = seconds();
    do {
        double before = seconds();
        work(ROUNDS, factor, addend, &out);
        double rate = flopsPerRound * (double)ROUNDS / (seconds() - before) * 1e-9;
        if (rate > best) best = rate;
    } while (seconds() - start < milliseconds * 1e-3);
    return best;
}

#if defined(__x86_64__)
// `rounds` times 16 vectors of 16 sums, each of two products of bfloat16.
__attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16"))) static void dotBF16(int64_t rounds, float factor,
                                                                                    float *out) {
    __m512 sums[16];
    const __m512bh x = _mm512_cvtne2ps_pbh(_mm512_set1_ps(factor), _mm512_set1_ps(factor));
    _Pragma("clang loop unroll(full)") for (int i = 0; i < 16; i++) sums[i] = _mm512_set1_ps((float)i);
    for (int64_t r = 0; r < rounds; r++) {
        _Pragma("clang loop unroll(full)") for (int i = 0; i < 16; i++) sums[i] = _mm512_dpbf16_ps(sums[i], x, x);
    }
    _Pragma("clang loop unroll(full)") for (int i = 1; i < 16; i++) sums[0] = _mm512_add_ps(sums[0], sums[i]);
    *out = _mm512_reduce_add_ps(sums[0]);
}
#endif

double ck_measure_bf16_peak(double milliseconds) {
    double best = 0;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx512bf16")) return 0;
    volatile float factor = 0.0009765625f;
    float out;
    const int tiles = ck_has_tiles();
    double start = seconds();
    if (tiles) bf16_begin();
    do {
        double before = seconds();
        if (tiles) bf16_multiply_tiles(ROUNDS / 8);
        else dotBF16(ROUNDS, factor, &out);
        const double sums = tiles ? 4.0 * 16 * 16 * 16 / 8 : 16.0 * 16;  // of two products each, a round
        double rate = 2.0 * 2 * sums * (double)ROUNDS / (seconds() - before) * 1e-9;
        if (rate > best) best = rate;
    } while (seconds() - start < milliseconds * 1e-3);
    if (tiles) bf16_end();
#endif
    return best;
}

KERNEL static void triad(int64_t count, float factor, const float *b, const float *c, float *a) {
    int64_t i = 0;
#define BODY(W) AT(W, a + i) = READ(W, b + i) + factor * READ(W, c + i);
    FOR_LANES(i, count, BODY)
#undef BODY
}

double ck_measure_bandwidth(double milliseconds, size_t count, float *memory, size_t *position) {
    const size_t part = count / 3, block = part < 1 << 20 ? part : 1 << 20;
    float *a = memory, *b = memory + part, *c = memory + 2 * part;
    double best = 0, start = seconds();
    if (block == 0) return 0;
    do {
        if (*position + block > part) *position = 0;
        double before = seconds();
        triad((int64_t)block, 0.5f, b + *position, c + *position, a + *position);
        double rate = 3.0 * sizeof(float) * (double)block / (seconds() - before) * 1e-9;
        if (rate > best) best = rate;
        *position += block;
    } while (seconds() - start < milliseconds * 1e-3);
    return best;
}

void ck_return_large_blocks(void) {
#ifdef __GLIBC__
    (void)mallopt(M_MMAP_THRESHOLD, 1 << 20);
#endif
}
