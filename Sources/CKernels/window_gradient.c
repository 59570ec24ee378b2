// The gradient of a convolution's weights from factors in bfloat16 (stride 1, as many results as pixels). Axis letters:
// N images, H rows, W columns, C channels of x, O channels of dy, windows of k×k, p = (k − 1) / 2.
//
// Pixels of all images follow each other in lines of W + p, with p lines of zeros between images, so that a step in
// the window is the same step along that axis everywhere:
//
//     dw[o, c, ky, kx] = Σ_f x[f + ky·(W + p) + kx, c] · dy[f, o]
//
// and each element of the window is one product [C, f] × [f, O] whose first matrix starts elsewhere. x lies as rows of
// channels for that, dy as pairs of pixels in panels of BLOCK outputs; both are zero between lines.
#include "bfloat16.h"

// Numbers of both packed operands that should stay in L2 while all elements of the window read them.
enum { PACKED = 1 << 19 };
// Channels and outputs that are multiplied at a time: all sums in registers.
enum { BLOCK = 2 * TILE };

typedef struct {
    int64_t line, image;    // steps along f: to the next line, to the next image
    int64_t images;         // packed at a time
    int64_t depth, length;  // numbers along f of dy and of x, whole tiles
    int64_t C, O;           // channels in whole tiles
    float *zeros, *sums, *windows;
    const float **places;   // of the pixel at each number along f
    uint32_t *x, *dy;
    uint16_t *channels;
    size_t count;
} layout;

INLINE layout layoutOf(const ck_window_shape *s, float *scratch) {
    const int64_t p = (s->kernel - 1) / 2, widest = s->channels > s->outputs ? s->channels : s->outputs;
    layout l = {.line = s->width + p, .C = toTiles(s->channels), .O = toTiles(s->outputs)};
    l.image = l.line * (s->height + p);
    l.images = PACKED / (l.image * (l.C + l.O));
    l.images = l.images < 1 ? 1 : l.images > s->images ? s->images : l.images;
    l.depth = (l.images * l.image + TILE_DEPTH - 1) / TILE_DEPTH * TILE_DEPTH;
    // As far as the last element of the window reads.
    l.length = (l.depth + (s->kernel - 1) * (l.line + 1) + TILE_DEPTH - 1) / TILE_DEPTH * TILE_DEPTH;
    size_t next = 0;
#define PLACE(NAME, TYPE, COUNT)                                                                                       \
    l.NAME = scratch ? (TYPE *)(scratch + next) : NULL;                                                                \
    next += (size_t)((COUNT) + 15) / 16 * 16;
    PLACE(zeros, float, widest)
    PLACE(places, const float *, 2 * l.length)
    PLACE(sums, float, s->kernel * s->kernel * l.C * l.O)
    PLACE(windows, float, s->kernel * s->kernel * s->outputs)
    PLACE(x, uint32_t, l.length / 2 * l.C)
    PLACE(channels, uint16_t, l.length / 2 * l.C)
    PLACE(dy, uint32_t, l.depth / 2 * l.O)
#undef PLACE
    l.count = next;
    return l;
}

size_t ck_window_gradient_scratch(const ck_window_shape *s) { return layoutOf(s, NULL).count; }

// to [panels, count/2, panel] = pairs of `images` images' pixels [H, W, n], the first of which is at `start` along f;
// the last panel may have fewer numbers, whole tiles.
INLINE void packPixels(const ck_window_shape *s, const layout *l, int64_t images, int64_t n, int64_t panel,
                       int64_t start, int64_t count, const float *pixels, uint32_t *to) {
    for (int64_t f = 0; f < count; f++) l->places[f] = l->zeros;
    for (int64_t image = 0; image < images; image++) {
        for (int64_t h = 0; h < s->height; h++) {
            const float **line = l->places + start + image * l->image + h * l->line;
            for (int64_t w = 0; w < s->width; w++, pixels += n) line[w] = pixels;
        }
    }
    for (int64_t j = 0; j < n; j += panel) {
        const int64_t rest = n - j < panel ? n - j : panel;
        for (int64_t f = 0; f < count; f += 2, to += toTiles(rest)) {
            pairUp(rest, l->places[f] + j, l->places[f + 1] + j, to);
        }
    }
}

// dw [O, weightChannels, k, k] += sums [k, k, C, O], transposing one channel's windows at a time.
INLINE void addWindows(const ck_window_shape *s, const layout *l, float *dw) {
    const int64_t K = s->kernel * s->kernel;
    for (int64_t c = 0; c < s->channels; c++) {
        ck_transpose(K, s->outputs, l->sums + c * l->O, l->C * l->O, l->windows);
        for (int64_t o = 0; o < s->outputs; o++) {
            const float *window = l->windows + o * K;
            float *to = dw + (o * s->weightChannels + c) * K;
            int64_t k = 0;
#define BODY(W) AT(W, to + k) += READ(W, window + k);
            FOR_LANES(k, K, BODY)
#undef BODY
        }
    }
}

// dbias [O] += Σ_f of packed dy: sums of sums of 64 pairs, so that float32 errors do not grow with all of them.
INLINE void addPixels(const ck_window_shape *s, const layout *l, float *dbias) {
    for (int64_t o = 0; o < l->O; o += BLOCK) {
        const int64_t columns = l->O - o < BLOCK ? TILE : BLOCK, pairs = l->depth / 2;
        const uint32_t *panel = l->dy + o * pairs;
        for (int64_t j = 0; j < columns; j += TILE) {
            f16 total = {0};
            for (int64_t f = 0; f < pairs; f += 64) {
                f16 first = {0}, second = {0};
                for (int64_t g = f; g < pairs && g < f + 64; g++) {
                    i16 pair;
                    memcpy(&pair, panel + g * columns + j, sizeof pair);
                    first += (f16)(pair << 16);
                    second += (f16)(pair & (int32_t)0xffff0000);
                }
                total += first + second;
            }
            for (int64_t i = 0; i < TILE && o + j + i < s->outputs; i++) dbias[o + j + i] += total[i];
        }
    }
}

KERNEL void ck_window_gradient(const ck_window_shape *s, const float *x, const float *dy, float *dw, float *dbias,
                               float *scratch) {
    const int64_t p = (s->kernel - 1) / 2, pixels = s->height * s->width;
    const layout l = layoutOf(s, scratch);
    memset(l.zeros, 0, (size_t)(s->channels > s->outputs ? s->channels : s->outputs) * sizeof(float));
    bf16_begin();
    for (int64_t n = 0; n < s->images; n += l.images) {
        const int64_t images = n + l.images < s->images ? l.images : s->images - n;
        packPixels(s, &l, images, s->channels, l.C, p * (l.line + 1), l.length, x + n * pixels * s->channels, l.x);
        ck_transpose(l.length / 2, l.C, (const float *)l.x, l.C, (float *)l.channels);
        packPixels(s, &l, images, s->outputs, BLOCK, 0, l.depth, dy + n * pixels * s->outputs, l.dy);
        if (dbias) addPixels(s, &l, dbias);
        for (int64_t c = 0; c < l.C; c += BLOCK) {
            for (int64_t o = 0; o < l.O; o += BLOCK) {
                const int64_t rows = l.C - c < BLOCK ? TILE : BLOCK, columns = l.O - o < BLOCK ? TILE : BLOCK;
                for (int64_t k = 0; k < s->kernel * s->kernel; k++) {
                    const int64_t start = k / s->kernel * l.line + k % s->kernel;
                    bf16_product(rows, columns, l.depth, l.channels + c * l.length + start, l.length,
                                 l.dy + o * (l.depth / 2), columns, n > 0, l.sums + (k * l.C + c) * l.O + o, l.O);
                }
            }
        }
    }
    bf16_end();
    addWindows(s, &l, dw);
}
