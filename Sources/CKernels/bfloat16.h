// Products of matrices of bfloat16 with sums in float32, for the kernels of this target. A matrix is packed first:
//
//     rows    A [m, k]: k contiguous
//     pairs   B [k, n] as [k/2, n, 2]: two numbers of a column that follow each other make 32 bits
//
// The transposed 32-bit pairs of a matrix are the rows of its transpose, so that every operand is packed as pairs.
#pragma once
#include "CKernels.h"
#include "Vector.h"

/// Rows and columns of a product are counted in tiles of this many, its depth in twice as many.
enum { TILE = 16, TILE_DEPTH = 32 };

INLINE int64_t toTiles(int64_t count) { return (count + TILE - 1) / TILE * TILE; }

/// The bits of the nearest bfloat16, in the upper half; ties to even, a NaN stays one.
INLINE uint32_t nearestBFloat16(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    // Half of the last bit that stays, less one unless that bit is set: a tie is carried to the even neighbour.
    const uint32_t rounded = bits + 0x7fff + (bits >> 16 & 1);
    // Rounded, a NaN's payload could carry over into the sign, or leave infinity when it is cut off.
    const uint32_t quiet = bits | 0x400000;
    return ((bits & 0x7fffffff) > 0x7f800000 ? quiet : rounded) & 0xffff0000;
}

/// The same of 16 numbers.
INLINE void nearestBFloat16s(const float *from, i16 *to) {
    const i16 bits = (i16)READ(16, from);
    const i16 rounded = bits + 0x7fff + (bits >> 16 & 1), isNaN = (bits & 0x7fffffff) > 0x7f800000;
    *to = ((isNaN & (bits | 0x400000)) | (~isNaN & rounded)) & (int32_t)0xffff0000;
}

/// to [toTiles(n)] = the pairs of `first` [n] and `second` [n]; zeros behind.
INLINE void pairUp(int64_t n, const float *first, const float *second, uint32_t *to) {
    int64_t j = 0;
    for (; j + 16 <= n; j += 16) {
        i16 low, high;
        nearestBFloat16s(first + j, &low);
        nearestBFloat16s(second + j, &high);
        high |= low >> 16 & 0xffff;
        memcpy(to + j, &high, sizeof high);
    }
    for (; j < n; j++) to[j] = nearestBFloat16(first[j]) >> 16 | nearestBFloat16(second[j]);
    for (; j < toTiles(n); j++) to[j] = 0;
}

/// to [count] = from rounded: rows, where those are contiguous.
void bf16_pack_rows(int64_t count, const float *from, uint16_t *to);
/// to [m/2, n] = pairs of the rows of from [m, n], n a multiple of 16; of an odd number of rows, the last with zeros.
void bf16_pack_pairs(int64_t m, int64_t n, const float *from, uint32_t *to);

/// C [m,n] (+)= A [m,k] B [k,n]: A as rows `aRow` numbers apart (an even number) at any even address, B as pairs in rows
/// of bRow, C in rows of cRow. m and n are multiples of TILE, k is one of TILE_DEPTH. Between bf16_begin and bf16_end of
/// the same thread.
void bf16_product(int64_t m, int64_t n, int64_t k, const uint16_t *a, int64_t aRow, const uint32_t *b, int64_t bRow,
                  int accumulate, float *c, int64_t cRow);

/// A matrix of pairs: that of row i and numbers 2k and 2k + 1 is at base + i·row + k·column. One stride is 1.
typedef struct {
    const uint32_t *base;
    int64_t row, column;
} bf16_pairs;

/// C [m,n] (+)= A [m, 2·depth] B [2·depth, n] with vectors, for any m and n a multiple of 16.
void bf16_vector_product(int64_t m, int64_t n, int64_t depth, bf16_pairs a, const uint32_t *b, int64_t bRow,
                         int accumulate, float *c, int64_t cRow);

#if defined(__x86_64__)
#include <immintrin.h>
/// Functions that use AVX512_BF16; to be called where the processor has it.
#define NATIVE __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,avx2,fma")))
#endif
/// Whether it has.
INLINE int hasNativeBFloat16(void) {
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx512bf16") != 0;
#else
    return 0;
#endif
}

/// `rounds` times four products of tiles, independent of each other, where there are tiles: for the peak.
void bf16_multiply_tiles(int64_t rounds);

/// Get the processor's tiles ready, where it has them (AMX), and give them back.
void bf16_begin(void);
void bf16_end(void);
