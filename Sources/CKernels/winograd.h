// Tiles and windows of Winograd's convolution (winograd.c, winograd_bfloat16.c). Private to this target.
#pragma once
#include "CKernels.h"
#include "Vector.h"

typedef struct {
    int64_t image, row, column;
} tile;

INLINE tile tileAt(const ck_winograd_shape *s, int64_t t) {
    int64_t across = s->width / 2, down = s->height / 2;
    return (tile){.image = t / (across * down), .row = t / across % down, .column = t % across};
}

INLINE void advance(const ck_winograd_shape *s, tile *t) {
    if (++t->column < s->width / 2) return;
    t->column = 0;
    if (++t->row < s->height / 2) return;
    t->row = 0;
    t->image++;
}

/// The 4×4 pixels of x around a tile; those outside of the image are zeros.
INLINE void around(const ck_winograd_shape *s, const tile *at, const float *x, const float *zeros,
                   const float *d[4][4]) {
    const int64_t C = s->channels, H = s->height, W = s->width;
    for (int64_t i = 0; i < 4; i++) {
        const int64_t h = 2 * at->row - 1 + i, left = 2 * at->column - 1;
        const float *line = x + ((at->image * H + h) * W + left) * C;
        for (int64_t j = 0; j < 4; j++) {
            d[i][j] = h < 0 || h >= H || left + j < 0 || left + j >= W ? zeros : line + j * C;
        }
    }
}

/// How many windows are transformed at once, one a lane; and how many steps ahead they are prefetched: the processor's
/// own prefetcher does not see a pattern in 16 places far apart.
enum { WINDOWS = 16, AHEAD = 8 };

/// taps [9] of up to 16 windows from w on, `step` elements apart, one a lane. The windows after these are `next` elements
/// on.
INLINE void readWindows(const float *w, int64_t step, int64_t count, int64_t next, f16 *taps) {
    for (int64_t lane = 0; lane < count; lane++) __builtin_prefetch(w + lane * step + AHEAD * next);
    if (count < WINDOWS) {
        for (int tap = 0; tap < 9; tap++) {
            for (int64_t lane = 0; lane < WINDOWS; lane++) taps[tap][lane] = lane < count ? w[lane * step + tap] : 0.0f;
        }
        return;
    }
    f8 low[8], high[8];
    for (int lane = 0; lane < 8; lane++) {
        low[lane] = READ(8, w + lane * step);
        high[lane] = READ(8, w + (lane + 8) * step);
    }
    transpose8x8(low);
    transpose8x8(high);
    for (int tap = 0; tap < 8; tap++) {
        taps[tap] = __builtin_shufflevector(low[tap], high[tap], 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    }
    for (int lane = 0; lane < WINDOWS; lane++) taps[8][lane] = w[lane * step + 8];
}

/// all [16] = G g Gᵀ of windows g [9]; rotated by 180° first if `rotated`.
INLINE void transformWindows(int rotated, const f16 *taps, f16 *all) {
    f16 rows[4][3];
    for (int b = 0; b < 3; b++) {
        const f16 g0 = taps[b], g1 = taps[3 + b], g2 = taps[6 + b];
        rows[0][b] = rotated ? g2 : g0;
        rows[1][b] = 0.5f * (g0 + g1 + g2);
        rows[2][b] = 0.5f * (g0 - g1 + g2);
        rows[3][b] = rotated ? g0 : g2;
    }
    for (int i = 0; i < 4; i++) {
        const f16 g0 = rows[i][0], g1 = rows[i][1], g2 = rows[i][2];
        all[4 * i] = rotated ? g2 : g0;
        all[4 * i + 1] = 0.5f * (g0 + g1 + g2);
        all[4 * i + 2] = 0.5f * (g0 - g1 + g2);
        all[4 * i + 3] = rotated ? g0 : g2;
    }
}
