// The multiply-add rate of this core, to relate other rates to. Vectors of the machine's own width are used here, with
// as many independent sums as its registers hold: a fixed width would be split and spilled elsewhere.
#include "CKernels.h"
#include "Vector.h"
#include <time.h>

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
DEFINE_FMA(fma512, __attribute__((target("arch=x86-64-v4"))), 16, 16)
DEFINE_FMA(fma256, __attribute__((target("arch=x86-64-v3"))), 8, 12)
#endif
DEFINE_FMA(fma128, , 4, 12)

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

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
    const int64_t rounds = 50000;  // a fraction of a millisecond: short enough to fall between interruptions
    volatile float factor = 0.999f, addend = 0.001f;
    float out;
    double best = 0, start = seconds();
    do {
        double before = seconds();
        work(rounds, factor, addend, &out);
        double rate = flopsPerRound * (double)rounds / (seconds() - before) * 1e-9;
        if (rate > best) best = rate;
    } while (seconds() - start < milliseconds * 1e-3);
    return best;
}
