// Winograd's convolution F(2×2, 3×3) (Lavin and Gray 2016): 3×3 windows, stride 1, padding 1, in 16 multiplications
// for 2×2 outputs instead of 36. What is here are the changes of basis; between them lie 16 products of matrices.
//
// Axis letters: N images, H rows, W columns, C channels, O output channels, t tiles of 2×2 pixels in the order
// [N, H/2, W/2], k = 4i + j one of 16 positions in the other basis. With the matrices
//
//     Bᵀ = 1  0 −1  0     G = 1   0   0     Aᵀ = 1  1  1  0
//          0  1  1  0         ½   ½   ½          0  1 −1 −1
//          0 −1  1  0         ½  −½   ½
//          0  1  0 −1         0   0   1
//
// y = Aᵀ [(G g Gᵀ) ∘ (Bᵀ d B)] A with d 4×4 pixels of x around a tile and g a window of weights. The gradients are the
// transposes: dg = Gᵀ [(Bᵀ d B) ∘ (A dy Aᵀ)] G, and dx is the convolution of dy with the windows rotated by 180°, which
// exchanges rows 0 and 3 of G, and nothing else. F(4×4, 3×3) would halve the multiplications again, at errors ten times
// as large: not used.
#include "winograd.h"

// As FOR_LANES, but 16 at once only where they are one vector: two of 8 for each value would not fit the registers.
#define LANES(wide, i, n, BODY)                                                                                        \
    for (; (wide) && i + 16 <= (n); i += 16) BODY(16)                                                                  \
    for (; i + 8 <= (n); i += 8) BODY(8)                                                                               \
    for (; i + 4 <= (n); i += 4) BODY(4)                                                                               \
    for (; i < (n); i += 1) BODY(1)

// Up to 16 numbers; all of them without a call.
INLINE void writeLanes(float *to, const f16 *from, int64_t count) {
    if (count == WINDOWS) AT(16, to) = *from;
    else memcpy(to, from, (size_t)count * sizeof(float));
}

// U [16, C, O] = G g Gᵀ (or, of rotated windows, [16, O, C]) from windows [O, I, 3, 3] of which the slice of C starts
// at w.
KERNEL void ck_winograd_weights(int64_t outputs, int64_t channels, int64_t weightInputs, int rotated, const float *w,
                                float *u, int64_t stride) {
    // The last axis of U runs along the lanes: outputs, or channels where windows are rotated.
    const int64_t inner = rotated ? channels : outputs, outer = rotated ? outputs : channels;
    const int64_t innerStep = rotated ? 9 : weightInputs * 9, outerStep = rotated ? weightInputs * 9 : 9;
    f16 taps[9], all[16];
    for (int64_t first = 0; first < inner; first += WINDOWS) {
        const int64_t count = inner - first < WINDOWS ? inner - first : WINDOWS;
        for (int64_t position = 0; position < outer; position++) {
            readWindows(w + first * innerStep + position * outerStep, innerStep, count, outerStep, taps);
            transformWindows(rotated, taps, all);
            float *to = u + position * inner + first;
            for (int k = 0; k < 16; k++) writeLanes(to + k * stride, all + k, count);
        }
    }
}

// dw [O, I, 3, 3] += Gᵀ U G for a gradient U [16, C, O].
KERNEL void ck_winograd_weights_gradient(int64_t outputs, int64_t channels, int64_t weightInputs, const float *u,
                                         int64_t stride, float *dw) {
    for (int64_t first = 0; first < outputs; first += WINDOWS) {
        const int64_t count = outputs - first < WINDOWS ? outputs - first : WINDOWS;
        for (int64_t c = 0; c < channels; c++) {
            const float *from = u + c * outputs + first;
            float *to = dw + (first * weightInputs + c) * 9;
            const int64_t step = weightInputs * 9;
            f16 all[16] = {{0}}, rows[3][4], taps[9];
            for (int k = 0; k < 16; k++) {
                if (count == WINDOWS) all[k] = READ(16, from + k * stride);
                else memcpy(all + k, from + k * stride, (size_t)count * sizeof(float));
            }
            for (int j = 0; j < 4; j++) {
                const f16 half = 0.5f * (all[4 + j] + all[8 + j]);
                rows[0][j] = all[j] + half;
                rows[1][j] = 0.5f * (all[4 + j] - all[8 + j]);
                rows[2][j] = half + all[12 + j];
            }
            for (int a = 0; a < 3; a++) {
                const f16 half = 0.5f * (rows[a][1] + rows[a][2]);
                taps[3 * a] = rows[a][0] + half;
                taps[3 * a + 1] = 0.5f * (rows[a][1] - rows[a][2]);
                taps[3 * a + 2] = half + rows[a][3];
            }
            f8 low[8], high[8];
            for (int tap = 0; tap < 8; tap++) {
                low[tap] = __builtin_shufflevector(taps[tap], taps[tap], 0, 1, 2, 3, 4, 5, 6, 7);
                high[tap] = __builtin_shufflevector(taps[tap], taps[tap], 8, 9, 10, 11, 12, 13, 14, 15);
            }
            transpose8x8(low);
            transpose8x8(high);
            for (int64_t lane = 0; lane < count; lane++, to += step) {
                __builtin_prefetch(to + 9 * AHEAD, 1);
                AT(8, to) += lane < 8 ? low[lane] : high[lane - 8];
                to[8] += taps[8][lane];
            }
        }
    }
}

// V [16, t, C] = Bᵀ d B of the tiles first ..< first + count. scratch: zeros [C].
KERNEL void ck_winograd_input(const ck_winograd_shape *s, int64_t first, int64_t count, const float *x, float *v,
                              int64_t stride, float *scratch) {
    const int wide = wideVectors();
    const int64_t C = s->channels;
    const float *zeros = scratch;
    memset(scratch, 0, (size_t)C * sizeof(float));
    tile at = tileAt(s, first);
    for (int64_t t = 0; t < count; t++, advance(s, &at)) {
        const float *d[4][4];
        around(s, &at, x, zeros, d);
        float *to = v + t * C;
        int64_t c = 0;
        // Column J of d B is d[·][A] ± d[·][B]; then Bᵀ of it.
#define PIXEL(W, I, J) READ(W, d[I][J] + c)
#define COLUMN(W, J, A, SIGN, B)                                                                                       \
    {                                                                                                                  \
        f##W r0 = PIXEL(W, 0, A) SIGN PIXEL(W, 0, B), r1 = PIXEL(W, 1, A) SIGN PIXEL(W, 1, B);                         \
        f##W r2 = PIXEL(W, 2, A) SIGN PIXEL(W, 2, B), r3 = PIXEL(W, 3, A) SIGN PIXEL(W, 3, B);                         \
        AT(W, to + J * stride + c) = r0 - r2;                                                                          \
        AT(W, to + (4 + J) * stride + c) = r1 + r2;                                                                    \
        AT(W, to + (8 + J) * stride + c) = r2 - r1;                                                                    \
        AT(W, to + (12 + J) * stride + c) = r1 - r3;                                                                   \
    }
#define BODY(W)                                                                                                        \
    {                                                                                                                  \
        COLUMN(W, 0, 0, -, 2)                                                                                          \
        COLUMN(W, 1, 1, +, 2)                                                                                          \
        COLUMN(W, 2, 2, -, 1)                                                                                          \
        COLUMN(W, 3, 1, -, 3)                                                                                          \
    }
        LANES(wide, c, C, BODY)
#undef BODY
#undef COLUMN
#undef PIXEL
    }
}

// y [N, H, W, C] = Aᵀ m A (+ bias [C]) (+ addend) for M [16, t, C] of the tiles first ..< first + count.
KERNEL void ck_winograd_output(const ck_winograd_shape *s, int64_t first, int64_t count, const float *m, int64_t stride,
                               const float *bias, const float *addend, float *y) {
    const int wide = wideVectors();
    const int64_t C = s->channels, H = s->height, W = s->width;
    tile at = tileAt(s, first);
    for (int64_t t = 0; t < count; t++, advance(s, &at)) {
        const float *m0 = m + t * C, *m1 = m0 + 4 * stride, *m2 = m1 + 4 * stride, *m3 = m2 + 4 * stride;
        const int64_t upper = ((at.image * H + 2 * at.row) * W + 2 * at.column) * C, lower = upper + W * C;
        int64_t c = 0;
#define SUMS(W, J)                                                                                                     \
    f##W a##J = READ(W, m1 + J * stride + c), b##J = READ(W, m2 + J * stride + c);                                     \
    f##W s##J = READ(W, m0 + J * stride + c) + (a##J + b##J), d##J = (a##J - b##J) - READ(W, m3 + J * stride + c);
#define BODY(W)                                                                                                        \
    {                                                                                                                  \
        SUMS(W, 0) SUMS(W, 1) SUMS(W, 2) SUMS(W, 3)                                                                    \
        f##W y00 = s0 + (s1 + s2), y01 = (s1 - s2) - s3, y10 = d0 + (d1 + d2), y11 = (d1 - d2) - d3;                   \
        if (bias) {                                                                                                    \
            f##W b = READ(W, bias + c);                                                                                \
            y00 += b, y01 += b, y10 += b, y11 += b;                                                                    \
        }                                                                                                              \
        if (addend) {                                                                                                  \
            y00 += READ(W, addend + upper + c), y01 += READ(W, addend + upper + C + c);                                \
            y10 += READ(W, addend + lower + c), y11 += READ(W, addend + lower + C + c);                                \
        }                                                                                                              \
        AT(W, y + upper + c) = y00;                                                                                    \
        AT(W, y + upper + C + c) = y01;                                                                                \
        AT(W, y + lower + c) = y10;                                                                                    \
        AT(W, y + lower + C + c) = y11;                                                                                \
    }
        LANES(wide, c, C, BODY)
#undef BODY
#undef SUMS
    }
}

void ck_winograd_prefetch(const ck_winograd_shape *s, int64_t first, int64_t count, int64_t k, const float *y) {
    // As many pixels as the tiles have, in their order: the tiles' own pixels, except at the ends of a chunk.
    const int64_t numbers = 4 * count * s->channels;
    const float *from = y + 4 * first * s->channels;
    for (int64_t i = numbers * k / 16; i < numbers * (k + 1) / 16; i += 16) __builtin_prefetch(from + i, 1, 2);
}

// Y [16, t, C] = A dy Aᵀ of the tiles first ..< first + count of dy [N, H, W, C]; sums [C] = Σ dy over these tiles.
KERNEL void ck_winograd_output_gradient(const ck_winograd_shape *s, int64_t first, int64_t count, const float *dy,
                                        float *v, int64_t stride, float *sums) {
    const int wide = wideVectors();
    const int64_t C = s->channels, H = s->height, W = s->width;
    memset(sums, 0, (size_t)C * sizeof(float));
    tile at = tileAt(s, first);
    for (int64_t t = 0; t < count; t++, advance(s, &at)) {
        float *v0 = v + t * C, *v1 = v0 + 4 * stride, *v2 = v1 + 4 * stride, *v3 = v2 + 4 * stride;
        const float *upper = dy + ((at.image * H + 2 * at.row) * W + 2 * at.column) * C, *lower = upper + W * C;
        int64_t c = 0;
#define ROW(W, V, LEFT, RIGHT)                                                                                         \
    {                                                                                                                  \
        f##W l = LEFT, r = RIGHT;                                                                                      \
        AT(W, V + c) = l;                                                                                              \
        AT(W, V + stride + c) = l + r;                                                                                 \
        AT(W, V + 2 * stride + c) = l - r;                                                                             \
        AT(W, V + 3 * stride + c) = -r;                                                                                \
    }
#define BODY(W)                                                                                                        \
    {                                                                                                                  \
        f##W ul = READ(W, upper + c), ur = READ(W, upper + C + c);                                                     \
        f##W ll = READ(W, lower + c), lr = READ(W, lower + C + c);                                                     \
        f##W left = ul + ll, right = ur + lr;                                                                          \
        AT(W, sums + c) += left + right;                                                                               \
        ROW(W, v0, ul, ur)                                                                                             \
        ROW(W, v1, left, right)                                                                                        \
        ROW(W, v2, ul - ll, ur - lr)                                                                                   \
        ROW(W, v3, -ll, -lr)                                                                                           \
    }
        LANES(wide, c, C, BODY)
#undef BODY
#undef ROW
    }
}
