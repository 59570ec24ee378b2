// The number format bfloat16: float32 with 8 bits of significand instead of 24.
#pragma once
#include <stddef.h>

/// to[i] = from[i] rounded to the nearest bfloat16, ties to even; half a step beyond the largest one, and further, is
/// infinity. Subnormal numbers are rounded like others. A NaN stays a NaN. `to` may be `from`; otherwise they are
/// distinct.
void cb_round(size_t count, const float *from, float *to);
