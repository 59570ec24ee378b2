// The number format bfloat16: float32 with 8 bits of significand instead of 24.
#pragma once
#include <stddef.h>

/// to[i] = from[i] rounded to the nearest bfloat16, ties to even: beyond the largest one to infinity, below the smallest
/// one to zero. A NaN stays a NaN. `to` may be `from`; otherwise they are distinct.
void cb_round(size_t count, const float *from, float *to);
