// The number format bfloat16: float32 with 8 bits of significand instead of 24.
#include "CKernels.h"
#include "Vector.h"

KERNEL void ck_round_bfloat16(size_t count, const float *from, float *to) {
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
