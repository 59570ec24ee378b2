// K×K convolutions, stride 1, padding (K − 1) / 2, with 8 results a pixel: one vector. Axis letters: N images, H rows,
// W columns, C channels that are read, 8 that are written, tap = K ky + kx.
//
// Changes of basis would cost more here than the multiplications they save, and oneDNN wants channels by 16. Rows are
// copied between borders of zeros, a strip at a time: the K taps of a row are then K C neighbouring numbers. C is
// even, and two of these numbers are taken at once: lane 2 o + i of a vector belongs to result o and number i of the
// pair, so that loading one pair into all lanes serves 16 multiply-adds. Where there are 32 vectors, what was loaded
// stays in registers for several of these, as loads are otherwise the limit.
#include "CKernels.h"
#include "Vector.h"

// PAIR lanes: a channel pair's, for 8 results. STRIP_NUMBERS are half of L1.
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

// Numbers of a row between borders, `numbers` to a pixel; rows of a strip, whole blocks, so many that they and K − 1
// more fit L1; and the numbers of these.
INLINE int64_t rowLength(const ck_narrow_shape *s, int64_t numbers) { return (s->width + s->kernel - 1) * numbers; }
INLINE int64_t stripRows(const ck_narrow_shape *s, int64_t numbers) {
    const int64_t rows = STRIP_NUMBERS / rowLength(s, numbers) - (s->kernel - 1);
    return rows < BLOCK ? BLOCK : rows / BLOCK * BLOCK;
}
INLINE int64_t stripLength(const ck_narrow_shape *s, int64_t numbers) {
    return (stripRows(s, numbers) + s->kernel - 1) * rowLength(s, numbers);
}

// scratch: a strip's rows of C numbers or of PAIR; for the gradient of the weights also sums of an image and of all
// images, both [K², C/2, 8, 2], and zeros [W, C]
size_t ck_narrow_scratch(const ck_narrow_shape *s) {
    const int64_t ofX = stripLength(s, s->channels), ofDy = stripLength(s, PAIR);
    const int64_t sums = s->kernel * s->kernel * s->channels * LANES;
    return (size_t)((ofX > ofDy ? ofX : ofDy) + 2 * sums + s->width * s->channels);
}

// w [O, I, K, K] → [K², C/2, 8, 2] with O = 8, or for the gradient of the input with C = 8 → [K², O/2, 8, 2], windows
// rotated.
void ck_narrow_weights(int64_t kernel, int64_t outputs, int64_t channels, int64_t weightInputs, int rotated,
                       const float *w, float *to) {
    const int64_t taps = kernel * kernel;
    for (int64_t o = 0; o < outputs; o++) {
        for (int64_t c = 0; c < channels; c++) {
            const float *window = w + (o * weightInputs + c) * taps;
            for (int64_t tap = 0; tap < taps; tap++) {
                if (rotated) to[(tap * outputs + o) / 2 * PAIR + 2 * c + o % 2] = window[taps - 1 - tap];
                else to[(tap * channels + c) / 2 * PAIR + 2 * o + c % 2] = window[tap];
            }
        }
    }
}

// The count + K − 1 rows of an image that count rows from `first` on need, between borders of zeros.
INLINE void border(const ck_narrow_shape *s, const float *image, int64_t first, int64_t count, float *to) {
    const int64_t pad = s->kernel / 2, length = s->width * s->channels, side = pad * s->channels;
    for (int64_t h = first - pad; h < first + count + pad; h++) {
        const int inside = h >= 0 && h < s->height;
        memset(to, 0, (size_t)side * sizeof(float));
        if (inside) memcpy(to + side, image + h * length, (size_t)length * sizeof(float));
        else memset(to + side, 0, (size_t)length * sizeof(float));
        memset(to + side + length, 0, (size_t)side * sizeof(float));
        to += length + 2 * side;
    }
}

// COUNT neighbouring pixels: y [COUNT, 8] from K rows, x at the first tap of the first pixel.
#define DEFINE_PIXELS(COUNT)                                                                                           \
    INLINE void pixels##COUNT(int64_t K, int64_t C, int64_t stride, const float *x, const float *w,                    \
                              const float *start, const float *addend, float *y) {                                     \
        f16 sums[COUNT];                                                                                               \
        for (int p = 0; p < COUNT; p++) sums[p] = READ(16, start);                                                     \
        for (int64_t ky = 0; ky < K; ky++) {                                                                           \
            const float *rows[(COUNT + 2) / 3]; /* of every third pixel: an address can add one or two strides */      \
            _Pragma("clang loop unroll(full)") for (int p = 0; p < COUNT; p += 3) rows[p / 3] =                        \
                x + ky * stride + p * C;                                                                               \
            for (int64_t t = 0; t < K * C; t += 2, w += 16) {                                                          \
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
// weights for a row of taps stay in registers with the sums, so that a pair of x that is read serves up to K
// multiply-adds.
INLINE void block(const int K, int64_t C, int64_t stride, const float *x, const float *w, const float *start,
                  const float *addend, float *y, int64_t yRow) {
    f16 sums[BLOCK][BLOCK];
    _Pragma("clang loop unroll(full)") for (int i = 0; i < BLOCK; i++) {
        _Pragma("clang loop unroll(full)") for (int j = 0; j < BLOCK; j++) sums[i][j] = READ(16, start);
    }
    for (int64_t ky = 0; ky < K; ky++, x += stride, w += K * C * LANES) {
        for (int64_t c = 0; c < C; c += 2) {
            const float *row = x + c, *window = w + c * LANES;
            f16 taps[7];
            _Pragma("clang loop unroll(full)") for (int kx = 0; kx < K; kx++, window += C * LANES) {
                OPAQUE(window);
                taps[kx] = READ(16, window);
            }
            _Pragma("clang loop unroll(full)") for (int i = 0; i < BLOCK; i++, row += stride) {
                const float *at = row;
                _Pragma("clang loop unroll(full)") for (int j = 0; j < BLOCK + K - 1; j++, at += C) {
                    OPAQUE(at);
                    f16 pair;
                    readPair(at, &pair);
                    _Pragma("clang loop unroll(full)") for (int kx = 0; kx < K; kx++) {
                        if (j >= kx && j < kx + BLOCK) sums[i][j - kx] += pair * taps[kx];
                    }
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
    const int64_t K = s->kernel, C = s->channels, H = s->height, W = s->width;
    const int64_t stride = rowLength(s, C), strip = stripRows(s, C);
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
                    const float *from = scratch + r * stride + columns * C;
                    const int64_t at = (r * W + columns) * LANES;
                    if (K == 3) block(3, C, stride, from, w, start, added ? added + at : NULL, to + at, W * LANES);
                    else block(7, C, stride, from, w, start, added ? added + at : NULL, to + at, W * LANES);
                }
                for (int64_t i = r; i < r + rows; i++) {
                    int64_t p = columns;
#define PIXELS(COUNT)                                                                                                  \
    for (; p + COUNT <= W; p += COUNT)                                                                                 \
        pixels##COUNT(K, C, stride, scratch + i * stride + p * C, w, start,                                            \
                      added ? added + (i * W + p) * LANES : NULL, to + (i * W + p) * LANES);
                    PIXELS(4)
                    PIXELS(1)
#undef PIXELS
                }
            }
        }
    }
}

// COUNT pairs of a tap row's K C numbers: sums [COUNT, 8, 2] += Σ over rows and columns of a strip of x · dy. Rows of x
// are `gap` further apart than W pixels.
#define DEFINE_TAPS(COUNT)                                                                                             \
    INLINE void taps##COUNT(int64_t rows, int64_t W, int64_t C, int64_t gap, const float *x, const float *dy,          \
                            float *to) {                                                                               \
        f16 sums[COUNT];                                                                                               \
        for (int i = 0; i < COUNT; i++) sums[i] = READ(16, to + i * 16);                                               \
        for (int64_t r = 0; r < rows; r++, x += gap) {                                                                 \
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
DEFINE_TAPS(4)
DEFINE_TAPS(3)
DEFINE_TAPS(1)

// The sums of 1 or 2 channel pairs and of `kys` rows of taps, from ky on: sums [K², C/2, 8, 2], `to` at the first of
// these, += Σ x · dy with x [H, W, C] at the first channel and, between borders, the rows of dy from `first` on, each
// number twice, [rows, W, 8, 2]. What of dy lies under a row of taps stays in registers with the sums.
INLINE void window(const int K, const int kys, const int pairs, const ck_narrow_shape *s, int64_t first, int64_t rows,
                   int64_t ky, const float *x, const float *zeros, const float *dy, float *to) {
    const int64_t H = s->height, W = s->width, C = s->channels;
    f16 sums[3][7][2];
    _Pragma("clang loop unroll(full)") for (int t = 0; t < kys * K; t++) {
        _Pragma("clang loop unroll(full)") for (int i = 0; i < pairs; i++) {
            sums[t / K][t % K][i] = READ(16, to + t * C * LANES + i * PAIR);
        }
    }
    for (int64_t r = 0; r < rows; r++) {
        const float *xs[3];
        _Pragma("clang loop unroll(full)") for (int k = 0; k < kys; k++) {
            const int64_t h = first + r + ky + k - K / 2;
            xs[k] = h >= 0 && h < H ? x + h * W * C : zeros;
        }
        f16 d[7] = {{0}};  // under tap kx: the last is furthest to the left
        _Pragma("clang loop unroll(full)") for (int kx = K - 2; kx >= 0; kx--, dy += PAIR) d[kx] = READ(16, dy);
        for (int64_t p = 0; p < W * C; p += C, dy += PAIR) {
            OPAQUE(dy);
            f16 newer = READ(16, dy);
            _Pragma("clang loop unroll(full)") for (int kx = 0; kx < K; kx++) {
                const f16 older = d[kx];
                d[kx] = newer;
                newer = older;
            }
            _Pragma("clang loop unroll(full)") for (int k = 0; k < kys; k++) {
                _Pragma("clang loop unroll(full)") for (int i = 0; i < pairs; i++) {
                    OPAQUE(xs[k]);
                    f16 pair;
                    readPair(xs[k] + p + 2 * i, &pair);
                    _Pragma("clang loop unroll(full)") for (int kx = 0; kx < K; kx++) sums[k][kx][i] += pair * d[kx];
                }
            }
        }
    }
    _Pragma("clang loop unroll(full)") for (int t = 0; t < kys * K; t++) {
        _Pragma("clang loop unroll(full)") for (int i = 0; i < pairs; i++) {
            AT(16, to + t * C * LANES + i * PAIR) = sums[t / K][t % K][i];
        }
    }
}

// Rows of dy [rows, W, 8], each number twice, between borders of zeros.
INLINE void borderTwice(const ck_narrow_shape *s, const float *dy, int64_t rows, float *to) {
    const int64_t W = s->width, pad = s->kernel / 2;
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t p = 0; p < pad; p++, to += PAIR) AT(16, to) = ALL(16, 0.0f);
        for (int64_t p = 0; p < W; p++, dy += LANES, to += PAIR) {
            const f8 d = READ(8, dy);
            AT(16, to) = __builtin_shufflevector(d, d, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
        }
        for (int64_t p = 0; p < pad; p++, to += PAIR) AT(16, to) = ALL(16, 0.0f);
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
    const int64_t K = s->kernel, C = s->channels, H = s->height, W = s->width;
    const int64_t strip = stripRows(s, wide ? PAIR : C), stride = rowLength(s, C), count = K * K * C * LANES;
    float *sums = scratch + stripLength(s, wide ? PAIR : C), *total = sums + count, *zeros = total + count;
    memset(zeros, 0, (size_t)(W * C) * sizeof(float));
    ck_narrow_weights(K, LANES, C, weightInputs, 0, dw, total);
    for (int64_t image = 0; image < s->images; image++) {
        float sumsOfBias[LANES] = {0};
        memset(sums, 0, (size_t)count * sizeof(float));
        for (int64_t h0 = 0; h0 < H; h0 += strip) {
            const int64_t rows = H - h0 < strip ? H - h0 : strip, first = (image * H + h0) * W;
            if (dbias) addPixels(rows * W, dy + first * LANES, sumsOfBias);
            if (wide) {
                borderTwice(s, dy + first * LANES, rows, scratch);
                const float *xi = x + image * H * W * C;
#define WINDOW(KERNEL, KYS, PAIRS, KY)                                                                                 \
    window(KERNEL, KYS, PAIRS, s, h0, rows, KY, xi + c, zeros, scratch, sums + ((KY) * K * C + c) * LANES)
                int64_t c = 0;
                for (; K == 3 && c + 4 <= C; c += 4) WINDOW(3, 3, 2, 0);
                for (; K == 3 && c < C; c += 2) WINDOW(3, 3, 1, 0);
                for (; c < C; c += 2) {
                    WINDOW(7, 3, 1, 0);
                    WINDOW(7, 2, 1, 3);
                    WINDOW(7, 2, 1, 5);
                }
#undef WINDOW
                continue;
            }
            border(s, x + image * H * W * C, h0, rows, scratch);
            for (int64_t ky = 0; ky < K; ky++) {
                int64_t t = 0;
#define TAPS(COUNT)                                                                                                    \
    for (; t + 2 * COUNT <= K * C; t += 2 * COUNT)                                                                     \
        taps##COUNT(rows, W, C, stride - W * C, scratch + ky * stride + t, dy + first * LANES,                         \
                    sums + (ky * K * C + t) * LANES);
                if (K * C != 14) TAPS(6)
                TAPS(4)
                TAPS(3)
                TAPS(1)
#undef TAPS
            }
        }
        ck_add((size_t)count, sums, total, total);
        for (int64_t o = 0; dbias && o < LANES; o++) dbias[o] += sumsOfBias[o];
    }
    for (int64_t o = 0; o < LANES; o++) {
        for (int64_t c = 0; c < C; c++) {
            float *window = dw + (o * weightInputs + c) * K * K;
            for (int64_t tap = 0; tap < K * K; tap++) window[tap] = total[(tap * C + c) / 2 * PAIR + 2 * o + c % 2];
        }
    }
}
