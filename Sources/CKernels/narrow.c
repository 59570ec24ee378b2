// 3×3 convolutions, stride 1, padding 1, with 8 results a pixel: one vector. Axis letters: N images, H rows, W columns,
// C channels that are read, 8 that are written, tap = 3 ky + kx one of 9.
//
// Changes of basis would cost more here than the multiplications they save, and oneDNN wants channels by 16. Rows are
// copied between borders of zeros, a strip at a time: the three taps of a row are then 3 C neighbouring numbers. C is
// even, and two of these numbers are taken at once: lane 2 o + i of a vector belongs to result o and number i of the
// pair, so that loading one pair into all lanes serves 16 multiply-adds. Where there are 32 vectors, what was loaded
// stays in registers for several of these, as loads are otherwise the limit.
#include "CKernels.h"
#include "Vector.h"

// PAIR lanes: a channel pair's, for 8 results. STRIP_NUMBERS are half of the first cache.
enum { LANES = 8, PAIR = 2 * LANES, BLOCK = 4, STRIP_NUMBERS = 6144 };

// The two numbers at p, again and again.
INLINE void readPair(const float *p, f16 *v) {
    int64_t bits;
    memcpy(&bits, p, sizeof bits);
    *v = (f16)((l8){0} + bits);
}

// 16 results from the sums of two pixels: even and odd lanes are added.
INLINE void addPairs(const f16 *a, const f16 *b, f16 *v) {
    *v = __builtin_shufflevector(*a, *b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30)
        + __builtin_shufflevector(*a, *b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
}

// Numbers of a row between borders, `numbers` to a pixel, and how many rows, whole blocks, leave room in the first cache.
INLINE int64_t rowLength(const ck_narrow_shape *s, int64_t numbers) { return (s->width + 2) * numbers; }
INLINE int64_t stripRows(const ck_narrow_shape *s, int64_t numbers) {
    const int64_t rows = STRIP_NUMBERS / rowLength(s, numbers) - 2;
    return rows < BLOCK ? BLOCK : rows / BLOCK * BLOCK;
}
INLINE int64_t stripLength(const ck_narrow_shape *s, int64_t numbers) {
    return (stripRows(s, numbers) + 2) * rowLength(s, numbers);
}

// scratch: a strip's rows of C numbers or of PAIR | for the gradient of the weights sums of an image and of all of them,
// both [9, C/2, 8, 2]
size_t ck_narrow_scratch(const ck_narrow_shape *s) {
    const int64_t ofX = stripLength(s, s->channels), ofDy = stripLength(s, PAIR);
    return (size_t)((ofX > ofDy ? ofX : ofDy) + 2 * 9 * s->channels * LANES);
}

// w [O, I, 3, 3] → [9, C/2, 8, 2] with O = 8, or for the gradient of the input with C = 8 → [9, O/2, 8, 2], windows
// turned.
void ck_narrow_weights(int64_t outputs, int64_t channels, int64_t weightInputs, int turned, const float *w, float *to) {
    for (int64_t o = 0; o < outputs; o++) {
        for (int64_t c = 0; c < channels; c++) {
            const float *window = w + (o * weightInputs + c) * 9;
            for (int64_t tap = 0; tap < 9; tap++) {
                if (turned) to[(tap * outputs + o) / 2 * PAIR + 2 * c + o % 2] = window[8 - tap];
                else to[(tap * channels + c) / 2 * PAIR + 2 * o + c % 2] = window[tap];
            }
        }
    }
}

// The rows first − 1 ... first + count of an image between borders of zeros.
INLINE void border(const ck_narrow_shape *s, const float *image, int64_t first, int64_t count, float *to) {
    const int64_t C = s->channels, length = s->width * C, stride = length + 2 * C;
    for (int64_t r = 0; r < count + 2; r++) {
        const int64_t h = first - 1 + r;
        float *row = to + r * stride;
        if (h < 0 || h >= s->height) {
            memset(row, 0, (size_t)stride * sizeof(float));
            continue;
        }
        memset(row, 0, (size_t)C * sizeof(float));
        memcpy(row + C, image + h * length, (size_t)length * sizeof(float));
        memset(row + C + length, 0, (size_t)C * sizeof(float));
    }
}

// COUNT neighbouring pixels: y [COUNT, 8] from three rows, x at the first tap of the first pixel.
#define DEFINE_PIXELS(COUNT)                                                                                           \
    INLINE void pixels##COUNT(int64_t C, int64_t stride, const float *x, const float *w, const float *start,           \
                              const float *addend, float *y) {                                                         \
        f16 sums[COUNT];                                                                                               \
        for (int p = 0; p < COUNT; p++) sums[p] = READ(16, start);                                                     \
        for (int ky = 0; ky < 3; ky++) {                                                                               \
            const float *rows[(COUNT + 2) / 3]; /* of every third pixel: an address can add one or two strides */      \
            _Pragma("clang loop unroll(full)") for (int p = 0; p < COUNT; p += 3) rows[p / 3] =                        \
                x + ky * stride + p * C;                                                                               \
            for (int64_t t = 0; t < 3 * C; t += 2, w += 16) {                                                          \
                const f16 wt = READ(16, w);                                                                            \
                _Pragma("clang loop unroll(full)") for (int p = 0; p < COUNT; p++) {                                   \
                    f16 pair;                                                                                          \
                    readPair(rows[p / 3] + p % 3 * C, &pair);                                                          \
                    sums[p] += pair * wt;                                                                              \
                }                                                                                                      \
                _Pragma("clang loop unroll(full)") for (int p = 0; p < COUNT; p += 3) {                                \
                    rows[p / 3] += 2;                                                                                  \
                    OPAQUE(rows[p / 3]);                                                                               \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
        for (int p = 0; p < COUNT; p++) {                                                                              \
            f8 sum = __builtin_shufflevector(sums[p], sums[p], 0, 2, 4, 6, 8, 10, 12, 14)                              \
                + __builtin_shufflevector(sums[p], sums[p], 1, 3, 5, 7, 9, 11, 13, 15);                                \
            if (addend) sum += READ(8, addend + p * LANES);                                                            \
            AT(8, y + p * LANES) = sum;                                                                                \
        }                                                                                                              \
    }
DEFINE_PIXELS(4)
DEFINE_PIXELS(1)

// BLOCK × BLOCK pixels: y from x at the first tap of the first pixel, rows `stride` and `yRow` apart. A channel pair's
// nine weights stay in registers with the sums, so that what is read of x once serves up to nine multiply-adds.
INLINE void block(int64_t C, int64_t stride, const float *x, const float *w, const float *start, const float *addend,
                  float *y, int64_t yRow) {
    f16 sums[BLOCK][BLOCK];
    _Pragma("clang loop unroll(full)") for (int i = 0; i < BLOCK; i++) {
        _Pragma("clang loop unroll(full)") for (int j = 0; j < BLOCK; j++) sums[i][j] = READ(16, start);
    }
    for (int64_t c = 0; c < C; c += 2, x += 2, w += 2 * LANES) {
        const float *row = x, *window = w;
        f16 taps[3][3];
        _Pragma("clang loop unroll(full)") for (int t = 0; t < 9; t++, window += C * LANES) {
            taps[t / 3][t % 3] = READ(16, window);
            OPAQUE(window);
        }
        _Pragma("clang loop unroll(full)") for (int i = 0; i < BLOCK + 2; i++, row += stride) {
            _Pragma("clang loop unroll(full)") for (int j = 0; j < BLOCK + 2; j++) {
                OPAQUE(row);
                f16 pair;
                readPair(row + j * C, &pair);
                _Pragma("clang loop unroll(full)") for (int t = 0; t < 9; t++) {
                    const int h = i - t / 3, v = j - t % 3;
                    if (h >= 0 && h < BLOCK && v >= 0 && v < BLOCK) sums[h][v] += pair * taps[t / 3][t % 3];
                }
            }
        }
    }
    _Pragma("clang loop unroll(full)") for (int i = 0; i < BLOCK; i++) {
        _Pragma("clang loop unroll(full)") for (int j = 0; j < BLOCK; j += 2) {
            const int64_t place = i * yRow + j * LANES;
            f16 sum;
            addPairs(&sums[i][j], &sums[i][j + 1], &sum);
            if (addend) sum += READ(16, addend + place);
            AT(16, y + place) = sum;
        }
    }
}

KERNEL void ck_narrow(const ck_narrow_shape *s, const float *x, const float *w, const float *bias, const float *addend,
                      float *y, float *scratch) {
    const int wide = wideVectors();
    const int64_t C = s->channels, H = s->height, W = s->width, stride = rowLength(s, C), strip = stripRows(s, C);
    float start[PAIR] = {0};  // of a pixel's sums
    for (int64_t o = 0; bias && o < LANES; o++) start[2 * o] = bias[o];
    for (int64_t image = 0; image < s->images; image++) {
        for (int64_t h0 = 0; h0 < H; h0 += strip) {
            const int64_t count = H - h0 < strip ? H - h0 : strip, place = (image * H + h0) * W * LANES;
            float *to = y + place;
            const float *added = addend ? addend + place : NULL;
            border(s, x + image * H * W * C, h0, count, scratch);
            // Whole blocks, then what is left of their rows, and rows that are left.
            for (int64_t r = 0, rows; r < count; r += rows) {
                rows = wide && r + BLOCK <= count ? BLOCK : 1;
                int64_t columns = 0;
                for (; rows == BLOCK && columns + BLOCK <= W; columns += BLOCK) {
                    const int64_t at = (r * W + columns) * LANES;
                    block(C, stride, scratch + r * stride + columns * C, w, start, added ? added + at : NULL, to + at,
                          W * LANES);
                }
                for (int64_t i = r; i < r + rows; i++) {
                    int64_t p = columns;
#define PIXELS(COUNT)                                                                                                  \
    for (; p + COUNT <= W; p += COUNT)                                                                                 \
        pixels##COUNT(C, stride, scratch + i * stride + p * C, w, start,                                               \
                      added ? added + (i * W + p) * LANES : NULL, to + (i * W + p) * LANES);
                    PIXELS(4)
                    PIXELS(1)
#undef PIXELS
                }
            }
        }
    }
}

// COUNT pairs of the 3 C rows of a tap row's sums: sums [COUNT, 8, 2] += Σ over rows and columns of a strip of x · dy.
#define DEFINE_TAPS(COUNT)                                                                                             \
    INLINE void taps##COUNT(int64_t rows, int64_t W, int64_t C, const float *x, const float *dy, float *to) {          \
        f16 sums[COUNT];                                                                                               \
        for (int i = 0; i < COUNT; i++) sums[i] = READ(16, to + i * 16);                                               \
        for (int64_t r = 0; r < rows; r++, x += 2 * C) {                                                               \
            for (int64_t p = 0; p < W; p++, x += C, dy += LANES) {                                                     \
                const f8 d = READ(8, dy);                                                                              \
                const f16 twice =                                                                                      \
                    __builtin_shufflevector(d, d, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);                     \
                OPAQUE(x);                                                                                             \
                _Pragma("clang loop unroll(full)") for (int i = 0; i < COUNT; i++) {                                   \
                    f16 pair;                                                                                          \
                    readPair(x + 2 * i, &pair);                                                                        \
                    sums[i] += pair * twice;                                                                           \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
        for (int i = 0; i < COUNT; i++) AT(16, to + i * 16) = sums[i];                                                 \
    }
DEFINE_TAPS(6)
DEFINE_TAPS(1)

// 1 or 2 channel pairs of x [rows, W, C]: sums [9, C/2, 8, 2], `to` at the first pair, += Σ x · dy. From dy around x, each
// number twice, [rows + 2, W + 2, 8, 2]; what lies under the window goes through registers.
INLINE void window(const int pairs, int64_t rows, int64_t W, int64_t C, const float *x, const float *dy, float *to) {
    const int64_t stride = (W + 2) * PAIR;
    f16 sums[9][2];
    _Pragma("clang loop unroll(full)") for (int t = 0; t < 9; t++) {
        _Pragma("clang loop unroll(full)") for (int i = 0; i < pairs; i++) {
            sums[t][i] = READ(16, to + t * C * LANES + i * PAIR);
        }
    }
    for (int64_t r = 0; r < rows; r++) {
        f16 d[3][3];  // as taps see it: the first is that of the pixel below to the right
        _Pragma("clang loop unroll(full)") for (int ky = 0; ky < 3; ky++) {
            d[ky][2] = READ(16, dy + (2 - ky) * stride);
            d[ky][1] = READ(16, dy + (2 - ky) * stride + PAIR);
        }
        dy += 2 * PAIR;
        for (int64_t p = 0; p < W; p++, x += C, dy += PAIR) {
            OPAQUE(dy);
            f16 pair[2];
            _Pragma("clang loop unroll(full)") for (int i = 0; i < pairs; i++) readPair(x + 2 * i, pair + i);
            _Pragma("clang loop unroll(full)") for (int ky = 0; ky < 3; ky++) {
                d[ky][0] = READ(16, dy + (2 - ky) * stride);
                _Pragma("clang loop unroll(full)") for (int kx = 0; kx < 3; kx++) {
                    _Pragma("clang loop unroll(full)") for (int i = 0; i < pairs; i++) {
                        sums[3 * ky + kx][i] += pair[i] * d[ky][kx];
                    }
                }
                d[ky][2] = d[ky][1];
                d[ky][1] = d[ky][0];
            }
        }
    }
    _Pragma("clang loop unroll(full)") for (int t = 0; t < 9; t++) {
        _Pragma("clang loop unroll(full)") for (int i = 0; i < pairs; i++) {
            AT(16, to + t * C * LANES + i * PAIR) = sums[t][i];
        }
    }
}

// The rows first − 1 ... first + count of dy [H, W, 8] between borders of zeros, each number twice.
INLINE void borderTwice(const ck_narrow_shape *s, const float *dy, int64_t first, int64_t count, float *to) {
    const int64_t W = s->width;
    for (int64_t h = first - 1; h <= first + count; h++, to += (W + 2) * PAIR) {
        if (h < 0 || h >= s->height) {
            memset(to, 0, (size_t)(W + 2) * PAIR * sizeof(float));
            continue;
        }
        AT(16, to) = ALL(16, 0.0f);
        for (int64_t p = 0; p < W; p++) {
            const f8 d = READ(8, dy + (h * W + p) * LANES);
            AT(16, to + (p + 1) * PAIR) = __builtin_shufflevector(d, d, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
        }
        AT(16, to + (W + 1) * PAIR) = ALL(16, 0.0f);
    }
}

// sums [8] += Σ of dy over pixels.
INLINE void addPixels(int64_t pixels, const float *dy, float *sums) {
    f16 s[4] = {{0}};
    int64_t p = 0;
    for (; p + 8 <= pixels; p += 8) {
        for (int k = 0; k < 4; k++) s[k] += READ(16, dy + (p + 2 * k) * LANES);
    }
    const f16 all = (s[0] + s[1]) + (s[2] + s[3]);
    f8 sum = __builtin_shufflevector(all, all, 0, 1, 2, 3, 4, 5, 6, 7)
        + __builtin_shufflevector(all, all, 8, 9, 10, 11, 12, 13, 14, 15);
    for (; p < pixels; p++) sum += READ(8, dy + p * LANES);
    AT(8, sums) += sum;
}

KERNEL void ck_narrow_weights_gradient(const ck_narrow_shape *s, int64_t weightInputs, const float *x, const float *dy,
                                       float *dw, float *dbias, float *scratch) {
    const int wide = wideVectors();
    const int64_t C = s->channels, H = s->height, W = s->width, stride = rowLength(s, C), count = 9 * C * LANES;
    const int64_t strip = stripRows(s, wide ? PAIR : C);
    float *sums = scratch + stripLength(s, wide ? PAIR : C), *total = sums + count;
    ck_narrow_weights(LANES, C, weightInputs, 0, dw, total);
    for (int64_t image = 0; image < s->images; image++) {
        float sumsOfBias[LANES] = {0};
        memset(sums, 0, (size_t)count * sizeof(float));
        for (int64_t h0 = 0; h0 < H; h0 += strip) {
            const int64_t rows = H - h0 < strip ? H - h0 : strip, first = (image * H + h0) * W;
            if (dbias) addPixels(rows * W, dy + first * LANES, sumsOfBias);
            if (wide) {
                borderTwice(s, dy + image * H * W * LANES, h0, rows, scratch);
                int64_t c = 0;
                for (; c + 4 <= C; c += 4) window(2, rows, W, C, x + first * C + c, scratch, sums + c * LANES);
                for (; c < C; c += 2) window(1, rows, W, C, x + first * C + c, scratch, sums + c * LANES);
                continue;
            }
            border(s, x + image * H * W * C, h0, rows, scratch);
            for (int64_t ky = 0; ky < 3; ky++) {
                int64_t t = 0;
#define TAPS(COUNT)                                                                                                    \
    for (; t + 2 * COUNT <= 3 * C; t += 2 * COUNT)                                                                     \
        taps##COUNT(rows, W, C, scratch + ky * stride + t, dy + first * LANES, sums + (ky * 3 * C + t) * LANES);
                TAPS(6)
                TAPS(1)
#undef TAPS
            }
        }
        ck_add((size_t)count, sums, total, total);
        for (int64_t o = 0; dbias && o < LANES; o++) dbias[o] += sumsOfBias[o];
    }
    for (int64_t o = 0; o < LANES; o++) {
        for (int64_t c = 0; c < C; c++) {
            float *window = dw + (o * weightInputs + c) * 9;
            for (int64_t tap = 0; tap < 9; tap++) window[tap] = total[(tap * C + c) / 2 * PAIR + 2 * o + c % 2];
        }
    }
}
