#include "CBFloat16.h"
#include <stdint.h>
#include <string.h>

// The processor picks one of these at load time, as in CKernels.
#if defined(__x86_64__) && defined(__linux__)
#define KERNEL __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define KERNEL
#endif

KERNEL void cb_round(size_t count, const float *from, float *to) {
#pragma clang loop vectorize(assume_safety)  // `to` may be `from` itself
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, from + i, sizeof bits);
        // Half of the last bit that stays, less one unless that bit is set: a tie is carried to the even neighbour.
        uint32_t rounded = bits + 0x7fff + (bits >> 16 & 1);
        // Rounded, a NaN's payload could carry over into the sign, or leave infinity when it is cut off.
        uint32_t quiet = bits | 0x400000;
        rounded = ((bits & 0x7fffffff) > 0x7f800000 ? quiet : rounded) & 0xffff0000;
        memcpy(to + i, &rounded, sizeof rounded);
    }
}
