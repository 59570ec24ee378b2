// The number format bfloat16: float32 with 8 bits of significand instead of 24. Products run on the processor's tiles
// (AMX: 16 rows of 64 bytes, two tiles multiplied in one instruction) where it has them, else on its vectors.
#include "bfloat16.h"
#include <stdatomic.h>
#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#define TILES __attribute__((target("amx-tile,amx-bf16")))
#endif

KERNEL void ck_round_bfloat16(size_t count, const float *from, float *to) {
#pragma clang loop vectorize(assume_safety)  // `to` may be `from` itself
    for (size_t i = 0; i < count; i++) {
        const uint32_t rounded = nearestBFloat16(from[i]);
        memcpy(to + i, &rounded, sizeof rounded);
    }
}

// MARK: Packing

KERNEL static void portableRows(int64_t count, const float *from, uint16_t *to) {
#pragma clang loop vectorize(assume_safety)
    for (int64_t i = 0; i < count; i++) to[i] = (uint16_t)(nearestBFloat16(from[i]) >> 16);
}

KERNEL static void portablePairs(int64_t m, int64_t n, const float *from, uint32_t *to) {
    int64_t i = 0;
    for (; i + 2 <= m; i += 2) pairUp(n, from + i * n, from + (i + 1) * n, to + i / 2 * n);
    for (int64_t j = 0; i < m && j < n; j++) to[i / 2 * n + j] = nearestBFloat16(from[i * n + j]) >> 16;
}

#ifdef NATIVE
// Subnormal numbers become zeros, which they are to a product.
NATIVE static void nativeRows(int64_t count, const float *from, uint16_t *to) {
    int64_t i = 0;
    for (; i + 32 <= count; i += 32) {
        const __m512 low = _mm512_loadu_ps(from + i), high = _mm512_loadu_ps(from + i + 16);
        _mm512_storeu_si512(to + i, (__m512i)_mm512_cvtne2ps_pbh(high, low));
    }
    portableRows(count - i, from + i, to + i);
}

NATIVE static void nativePairs(int64_t m, int64_t n, const float *from, uint32_t *to) {
    const i16 lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, inTurn = lane | (lane + 16) << 16;
    for (int64_t i = 0; i < m; i += 2) {
        for (int64_t j = 0; j < n; j += 16, to += 16) {
            const __m512 first = _mm512_loadu_ps(from + i * n + j);
            const __m512 second = i + 1 < m ? _mm512_loadu_ps(from + (i + 1) * n + j) : _mm512_setzero_ps();
            const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(second, first);
            _mm512_storeu_si512(to, _mm512_permutexvar_epi16((__m512i)inTurn, both));
        }
    }
}
#else
#define nativeRows portableRows
#define nativePairs portablePairs
#endif

void bf16_pack_rows(int64_t count, const float *from, uint16_t *to) {
    (hasNativeBFloat16() ? nativeRows : portableRows)(count, from, to);
}

void bf16_pack_pairs(int64_t m, int64_t n, const float *from, uint32_t *to) {
    (hasNativeBFloat16() ? nativePairs : portablePairs)(m, n, from, to);
}

// MARK: Products

int ck_has_fast_bfloat16_vectors(void) {
#if defined(__x86_64__)
    return hasNativeBFloat16() && __builtin_cpu_is("amd");
#else
    return 0;
#endif
}

// One tile: COUNT rows and 16 N columns of C, in registers while it goes through the depth, as in product.c. DOT(sum, x,
// b): sum += the two products of the pairs x and b in each lane. One of the strides of A is a literal 1.
#define DEFINE_TILE(KIND, TARGET, DOT, COUNT, N)                                                                       \
    TARGET INLINE void KIND##COUNT##x##N(int64_t depth, bf16_pairs a, const uint32_t *b, int64_t bRow,                 \
                                         int accumulate, float *c, int64_t cRow) {                                     \
        f16 sums[COUNT * N];                                                                                           \
        const unaligned *rows[(COUNT + 2) / 3]; /* every third: an address can add one or two strides */               \
        _Pragma("clang loop unroll(full)") for (int t = 0; t < COUNT; t += 3) rows[t / 3] =                            \
            (const unaligned *)(a.base + t * a.row);                                                                   \
        _Pragma("clang loop unroll(full)") for (int t = 0; t < COUNT * N; t++) sums[t] =                               \
            accumulate ? READ(16, c + t / N * cRow + t % N * 16) : ALL(16, 0.0f);                                      \
        _Pragma("clang loop unroll_count(4)") for (int64_t k = 0; k < depth; k++) {                                    \
            OPAQUE(b);                                                                                                 \
            _Pragma("clang loop unroll(full)") for (int t = 0; t < COUNT; t += 3) OPAQUE(rows[t / 3]);                 \
            i16 bk[N];                                                                                                 \
            _Pragma("clang loop unroll(full)") for (int j = 0; j < N; j++) memcpy(bk + j, b + j * 16, sizeof *bk);     \
            _Pragma("clang loop unroll(full)") for (int t = 0; t < COUNT * N; t++) {                                   \
                const i16 x = (i16){0} + (int32_t)rows[t / N / 3][t / N % 3 * a.row];                                  \
                DOT(sums[t], x, bk[t % N])                                                                             \
            }                                                                                                          \
            _Pragma("clang loop unroll(full)") for (int t = 0; t < COUNT; t += 3) rows[t / 3] += a.column;             \
            b += bRow;                                                                                                 \
        }                                                                                                              \
        _Pragma("clang loop unroll(full)") for (int t = 0; t < COUNT * N; t++) AT(16, c + t / N * cRow + t % N * 16) = \
            sums[t];                                                                                                   \
    }
#define TILES_OF(KIND, COUNT, N)                                                                                       \
    for (; i + COUNT <= m; i += COUNT) {                                                                               \
        const bf16_pairs ai = {a.base + i * a.row, a.row, a.column};                                                   \
        KIND##COUNT##x##N(depth, ai, b + j, bRow, accumulate, c + i * cRow + j, cRow);                                 \
    }

/// A pair may begin at any bfloat16.
typedef uint32_t unaligned __attribute__((aligned(2), may_alias));

#define PORTABLE_DOT(SUM, X, B)                                                                                        \
    SUM += (f16)((X) << 16) * (f16)((B) << 16);                                                                        \
    SUM += (f16)((X) & (int32_t)0xffff0000) * (f16)((B) & (int32_t)0xffff0000);
DEFINE_TILE(portable, , PORTABLE_DOT, 4, 1)
DEFINE_TILE(portable, , PORTABLE_DOT, 1, 1)

INLINE void portableProduct(int64_t m, int64_t n, int64_t depth, bf16_pairs a, const uint32_t *b, int64_t bRow,
                            int accumulate, float *c, int64_t cRow) {
    for (int64_t j = 0; j < n; j += 16) {
        int64_t i = 0;
        TILES_OF(portable, 4, 1)
        TILES_OF(portable, 1, 1)
    }
}

KERNEL static void portableVectorProduct(int64_t m, int64_t n, int64_t depth, bf16_pairs a, const uint32_t *b,
                                         int64_t bRow, int accumulate, float *c, int64_t cRow) {
    if (a.row == 1) portableProduct(m, n, depth, (bf16_pairs){a.base, 1, a.column}, b, bRow, accumulate, c, cRow);
    else portableProduct(m, n, depth, (bf16_pairs){a.base, a.row, 1}, b, bRow, accumulate, c, cRow);
}

#ifdef NATIVE
#define NATIVE_DOT(SUM, X, B) SUM = (f16)_mm512_dpbf16_ps((__m512)SUM, (__m512bh)(X), (__m512bh)(B));
DEFINE_TILE(native, NATIVE, NATIVE_DOT, 6, 4)
DEFINE_TILE(native, NATIVE, NATIVE_DOT, 4, 4)
DEFINE_TILE(native, NATIVE, NATIVE_DOT, 1, 4)
DEFINE_TILE(native, NATIVE, NATIVE_DOT, 12, 2)
DEFINE_TILE(native, NATIVE, NATIVE_DOT, 4, 2)
DEFINE_TILE(native, NATIVE, NATIVE_DOT, 1, 2)
DEFINE_TILE(native, NATIVE, NATIVE_DOT, 8, 1)
DEFINE_TILE(native, NATIVE, NATIVE_DOT, 1, 1)

NATIVE INLINE void nativeProduct(int64_t m, int64_t n, int64_t depth, bf16_pairs a, const uint32_t *b, int64_t bRow,
                                 int accumulate, float *c, int64_t cRow) {
    int64_t j = 0;
    for (; j + 64 <= n; j += 64) {
        int64_t i = 0;
        TILES_OF(native, 6, 4)
        TILES_OF(native, 4, 4)
        TILES_OF(native, 1, 4)
    }
    for (; j + 32 <= n; j += 32) {
        int64_t i = 0;
        TILES_OF(native, 12, 2)
        TILES_OF(native, 4, 2)
        TILES_OF(native, 1, 2)
    }
    for (; j < n; j += 16) {
        int64_t i = 0;
        TILES_OF(native, 8, 1)
        TILES_OF(native, 1, 1)
    }
}

NATIVE static void nativeVectorProduct(int64_t m, int64_t n, int64_t depth, bf16_pairs a, const uint32_t *b,
                                       int64_t bRow, int accumulate, float *c, int64_t cRow) {
    if (a.row == 1) nativeProduct(m, n, depth, (bf16_pairs){a.base, 1, a.column}, b, bRow, accumulate, c, cRow);
    else nativeProduct(m, n, depth, (bf16_pairs){a.base, a.row, 1}, b, bRow, accumulate, c, cRow);
}
#else
#define nativeVectorProduct portableVectorProduct
#endif
#undef TILES_OF
#undef DEFINE_TILE

void bf16_vector_product(int64_t m, int64_t n, int64_t depth, bf16_pairs a, const uint32_t *b, int64_t bRow,
                         int accumulate, float *c, int64_t cRow) {
    (hasNativeBFloat16() ? nativeVectorProduct : portableVectorProduct)(m, n, depth, a, b, bRow, accumulate, c, cRow);
}

// The same sums as those of tiles.
static void vectorProduct(int64_t m, int64_t n, int64_t k, const uint16_t *a, int64_t aRow, const uint32_t *b,
                          int64_t bRow, int accumulate, float *c, int64_t cRow) {
    const bf16_pairs pairs = {(const uint32_t *)(const void *)a, aRow / 2, 1};
    bf16_vector_product(m, n, k / 2, pairs, b, bRow, accumulate, c, cRow);
}

#ifdef TILES
// The system gives out tiles on request, once a process; it refuses where there are none.
static int requestTiles(void) {
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    const unsigned needed = 1u << 22 | 1u << 24;  // AMX-BF16, AMX-TILE
    return (d & needed) == needed && syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}

int ck_has_tiles(void) {
    static _Atomic int known = -1;
    int result = atomic_load(&known);
    if (result < 0) atomic_store(&known, result = requestTiles());
    return result;
}

// Sums are in tiles 0 to 3, up to two rows of tiles by two columns; ROWS and COLUMNS are constants.
#define BLOCK(ROWS, COLUMNS)                                                                                           \
    {                                                                                                                  \
        if (accumulate) {                                                                                              \
            _tile_loadd(0, cij, cStride);                                                                              \
            if (COLUMNS > 1) _tile_loadd(1, cij + TILE, cStride);                                                      \
            if (ROWS > 1) _tile_loadd(2, cij + TILE * cRow, cStride);                                                  \
            if (ROWS > 1 && COLUMNS > 1) _tile_loadd(3, cij + TILE * cRow + TILE, cStride);                            \
        } else {                                                                                                       \
            _tile_zero(0);                                                                                             \
            _tile_zero(1);                                                                                             \
            _tile_zero(2);                                                                                             \
            _tile_zero(3);                                                                                             \
        }                                                                                                              \
        for (int64_t l = 0; l < k; l += TILE_DEPTH) {                                                                  \
            const uint16_t *ail = a + i * aRow + l;                                                                    \
            const uint32_t *blj = b + l / 2 * bRow + j;                                                                \
            _tile_loadd(4, ail, aStride);                                                                              \
            _tile_loadd(6, blj, bStride);                                                                              \
            _tile_dpbf16ps(0, 4, 6);                                                                                   \
            if (COLUMNS > 1) {                                                                                         \
                _tile_loadd(7, blj + TILE, bStride);                                                                   \
                _tile_dpbf16ps(1, 4, 7);                                                                               \
            }                                                                                                          \
            if (ROWS > 1) {                                                                                            \
                _tile_loadd(5, ail + TILE * aRow, aStride);                                                            \
                _tile_dpbf16ps(2, 5, 6);                                                                               \
            }                                                                                                          \
            if (ROWS > 1 && COLUMNS > 1) _tile_dpbf16ps(3, 5, 7);                                                      \
        }                                                                                                              \
        _tile_stored(0, cij, cStride);                                                                                 \
        if (COLUMNS > 1) _tile_stored(1, cij + TILE, cStride);                                                         \
        if (ROWS > 1) _tile_stored(2, cij + TILE * cRow, cStride);                                                     \
        if (ROWS > 1 && COLUMNS > 1) _tile_stored(3, cij + TILE * cRow + TILE, cStride);                               \
    }

TILES static void tileProduct(int64_t m, int64_t n, int64_t k, const uint16_t *a, int64_t aRow, const uint32_t *b,
                              int64_t bRow, int accumulate, float *c, int64_t cRow) {
    const size_t aStride = (size_t)aRow * sizeof *a, bStride = (size_t)bRow * sizeof *b;
    const size_t cStride = (size_t)cRow * sizeof *c;
    for (int64_t i = 0; i < m; i += 2 * TILE) {
        for (int64_t j = 0; j < n; j += 2 * TILE) {
            float *cij = c + i * cRow + j;
            const int tall = i + TILE < m, wide = j + TILE < n;
            if (tall && wide) BLOCK(2, 2)
            else if (tall) BLOCK(2, 1)
            else if (wide) BLOCK(1, 2)
            else BLOCK(1, 1)
        }
    }
}

TILES static void configureTiles(void) {
    // Palette 1: eight tiles, each of 16 rows of 64 bytes.
    static const struct {
        uint8_t palette, start, reserved[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } shape = {.palette = 1, .bytes = {64, 64, 64, 64, 64, 64, 64, 64}, .rows = {16, 16, 16, 16, 16, 16, 16, 16}};
    _tile_loadconfig(&shape);
}

TILES static void releaseTiles(void) { _tile_release(); }

TILES static void multiplyTiles(int64_t rounds) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_zero(4);
    _tile_zero(6);
    for (int64_t r = 0; r < rounds; r++) {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 6);
        _tile_dpbf16ps(2, 4, 6);
        _tile_dpbf16ps(3, 4, 6);
    }
}

void bf16_multiply_tiles(int64_t rounds) {
    if (ck_has_tiles()) multiplyTiles(rounds);
}

void bf16_begin(void) {
    if (ck_has_tiles()) configureTiles();
}

void bf16_end(void) {
    if (ck_has_tiles()) releaseTiles();
}

void bf16_product(int64_t m, int64_t n, int64_t k, const uint16_t *a, int64_t aRow, const uint32_t *b, int64_t bRow,
                  int accumulate, float *c, int64_t cRow) {
    (ck_has_tiles() ? tileProduct : vectorProduct)(m, n, k, a, aRow, b, bRow, accumulate, c, cRow);
}
#else
int ck_has_tiles(void) { return 0; }
void bf16_multiply_tiles(int64_t rounds) { (void)rounds; }
void bf16_begin(void) {}
void bf16_end(void) {}
void bf16_product(int64_t m, int64_t n, int64_t k, const uint16_t *a, int64_t aRow, const uint32_t *b, int64_t bRow,
                  int accumulate, float *c, int64_t cRow) {
    vectorProduct(m, n, k, a, aRow, b, bRow, accumulate, c, cRow);
}
#endif
