// The number format bfloat16: float32 with 8 bits of significand instead of 24. Products run on the processor's tiles
// (AMX: 16 rows of 64 bytes, two tiles multiplied in one instruction), where it has them.
#include "bfloat16.h"
#include <stdatomic.h>
#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <immintrin.h>
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

// MARK: Products

// Four rows of A at a time, so that a vector of B serves four sums.
KERNEL static void vectorProduct(int64_t m, int64_t n, int64_t k, const uint16_t *a, int64_t aRow, const uint32_t *b,
                                 int64_t bRow, int accumulate, float *c, int64_t cRow) {
    for (int64_t i = 0; i < m; i += 4) {
        for (int64_t j = 0; j < n; j += TILE) {
            f16 sums[4];
            for (int r = 0; r < 4; r++) sums[r] = accumulate ? READ(16, c + (i + r) * cRow + j) : ALL(16, 0.0f);
            for (int64_t l = 0; l < k; l += 2) {
                i16 pairs;
                memcpy(&pairs, b + l / 2 * bRow + j, sizeof pairs);
                const f16 first = (f16)(pairs << 16), second = (f16)(pairs & (int32_t)0xffff0000);
                for (int r = 0; r < 4; r++) {
                    uint32_t x = (uint32_t)a[(i + r) * aRow + l] << 16, y = (uint32_t)a[(i + r) * aRow + l + 1] << 16;
                    float fx, fy;
                    memcpy(&fx, &x, sizeof fx);
                    memcpy(&fy, &y, sizeof fy);
                    sums[r] += fx * first;
                    sums[r] += fy * second;
                }
            }
            for (int r = 0; r < 4; r++) AT(16, c + (i + r) * cRow + j) = sums[r];
        }
    }
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
