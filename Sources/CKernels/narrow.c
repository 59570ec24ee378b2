// 3×3 convolutions, stride 1, padding 1, with 8 results a pixel: one vector. Axis letters: N images, H rows, W columns,
// C channels that are read, 8 that are written, tap = 3 ky + kx one of 9.
//
// Changes of basis would cost more here than the multiplications they save, and oneDNN wants channels by 16. Rows are
// copied between borders of zeros, a few at a time: the three taps of a row are then 3 C neighbouring numbers. C is
// even, and two of these numbers are taken at once: lane 2 o + i of a vector belongs to result o and number i of the
// pair, so that loading one pair into all lanes serves 16 multiply-adds.
#include "CKernels.h"
#include "Vector.h"

enum { LANES = 8 };

// The two numbers at p, again and again.
INLINE void readPair(const float *p, f16 *v) {
    int64_t bits;
    memcpy(&bits, p, sizeof bits);
    *v = (f16)((l8){0} + bits);
}

// Rows whose copies stay in the first cache.
INLINE int64_t stripRows(int64_t channels) { return channels > 8 ? 4 : 8; }

// scratch: rows between borders [strip + 2, W + 2, C] | sums [9 C/2, 8, 2]
size_t ck_narrow_scratch(const ck_narrow_shape *s) {
    return (size_t)((stripRows(s->channels) + 2) * (s->width + 2) * s->channels + 9 * s->channels * LANES);
}

// w [O, I, 3, 3] → [9, C/2, 8, 2] with O = 8, or for the gradient of the input with C = 8 → [9, O/2, 8, 2], windows
// turned.
void ck_narrow_weights(int64_t outputs, int64_t channels, int64_t weightInputs, int turned, const float *w, float *to) {
    for (int64_t o = 0; o < outputs; o++) {
        for (int64_t c = 0; c < channels; c++) {
            const float *window = w + (o * weightInputs + c) * 9;
            for (int64_t tap = 0; tap < 9; tap++) {
                if (turned) to[(tap * outputs + o) / 2 * 16 + 2 * c + o % 2] = window[8 - tap];
                else to[(tap * channels + c) / 2 * 16 + 2 * o + c % 2] = window[tap];
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
    INLINE void pixels##COUNT(int64_t C, int64_t stride, const float *x, const float *w, const float *bias,            \
                              const float *addend, float *y) {                                                         \
        f16 sums[COUNT];                                                                                               \
        for (int p = 0; p < COUNT; p++) sums[p] = ALL(16, 0.0f);                                                       \
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
            if (bias) sum += READ(8, bias);                                                                            \
            if (addend) sum += READ(8, addend + p * LANES);                                                            \
            AT(8, y + p * LANES) = sum;                                                                                \
        }                                                                                                              \
    }
DEFINE_PIXELS(8)
DEFINE_PIXELS(4)
DEFINE_PIXELS(1)

KERNEL void ck_narrow(const ck_narrow_shape *s, const float *x, const float *w, const float *bias, const float *addend,
                      float *y, float *scratch) {
    const int wide = wideVectors();
    const int64_t C = s->channels, H = s->height, W = s->width, stride = (W + 2) * C, strip = stripRows(C);
    for (int64_t image = 0; image < s->images; image++) {
        for (int64_t h0 = 0; h0 < H; h0 += strip) {
            const int64_t count = H - h0 < strip ? H - h0 : strip;
            border(s, x + image * H * W * C, h0, count, scratch);
            for (int64_t r = 0; r < count; r++) {
                const int64_t place = (image * H + h0 + r) * W * LANES;
                const float *from = scratch + r * stride;
                int64_t p = 0;
#define PIXELS(COUNT)                                                                                                  \
    for (; p + COUNT <= W; p += COUNT)                                                                                 \
        pixels##COUNT(C, stride, from + p * C, w, bias, addend ? addend + place + p * LANES : NULL,                    \
                      y + place + p * LANES);
                if (wide) PIXELS(8)
                PIXELS(4)
                PIXELS(1)
#undef PIXELS
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
DEFINE_TAPS(12)
DEFINE_TAPS(6)
DEFINE_TAPS(1)

KERNEL void ck_narrow_weights_gradient(const ck_narrow_shape *s, int64_t weightInputs, const float *x, const float *dy,
                                       float *dw, float *scratch) {
    const int wide = wideVectors();
    const int64_t C = s->channels, H = s->height, W = s->width, stride = (W + 2) * C, strip = stripRows(C);
    float *sums = scratch + (strip + 2) * stride;
    for (int64_t image = 0; image < s->images; image++) {
        memset(sums, 0, (size_t)(9 * C * LANES) * sizeof(float));
        for (int64_t h0 = 0; h0 < H; h0 += strip) {
            const int64_t count = H - h0 < strip ? H - h0 : strip;
            const float *from = dy + (image * H + h0) * W * LANES;
            border(s, x + image * H * W * C, h0, count, scratch);
            for (int64_t ky = 0; ky < 3; ky++) {
                int64_t t = 0;
#define TAPS(COUNT)                                                                                                    \
    for (; t + 2 * COUNT <= 3 * C; t += 2 * COUNT)                                                                     \
        taps##COUNT(count, W, C, scratch + ky * stride + t, from, sums + (ky * 3 * C + t) * LANES);
                if (wide) TAPS(12)
                TAPS(6)
                TAPS(1)
#undef TAPS
            }
        }
        for (int64_t o = 0; o < LANES; o++) {
            for (int64_t c = 0; c < C; c++) {
                float *window = dw + (o * weightInputs + c) * 9;
                for (int64_t tap = 0; tap < 9; tap++) window[tap] += sums[(tap * C + c) / 2 * 16 + 2 * o + c % 2];
            }
        }
    }
}
