// Tiles of Winograd's convolution (winograd.c, winograd_bfloat16.c). Private to this target.
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
