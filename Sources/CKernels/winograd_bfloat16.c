// Winograd's convolution (winograd.c) with factors in bfloat16. Vectors multiply bfloat16 twice as fast as float32,
// less than the 36/16 that the other basis saves; so numbers are rounded there, where they are the factors of the 16
// products, and results are 4e-3 from float32 (L2 norm; direct sums of rounded factors 2.4e-3). They lie as
//
//     rows    V [16, t, C], two channels that follow each other a pair: for results and the gradient of the input
//     pairs   V [16, t/2, C], two tiles that follow each other a pair: for the gradient of the weights, a sum over tiles
//
// C is a multiple of 32. An instruction rounds two vectors at once: of one tile, 16 channels apart, or of two tiles.
#include "bfloat16.h"
#include "winograd.h"

// COUPLE(a, b, to, paired): 32 rounded numbers, of vectors a and b one after the other, or number by number in turn.
#define PORTABLE_COUPLE(A, B, TO, PAIRED)                                                                              \
    {                                                                                                                  \
        i16 low, high;                                                                                                 \
        const f16 parts[2] = {A, B};                                                                                   \
        nearestBFloat16s((const float *)parts, &low);                                                                  \
        nearestBFloat16s((const float *)(parts + 1), &high);                                                           \
        if (PAIRED) {                                                                                                  \
            high |= low >> 16 & 0xffff;                                                                                \
        } else {                                                                                                       \
            uint16_t all[32];                                                                                          \
            for (int l = 0; l < 16; l++) {                                                                             \
                all[l] = (uint16_t)(low[l] >> 16);                                                                     \
                all[16 + l] = (uint16_t)(high[l] >> 16);                                                               \
            }                                                                                                          \
            memcpy(&high, all, sizeof high);                                                                           \
        }                                                                                                              \
        memcpy(TO, &high, sizeof high);                                                                                \
    }
#define NATIVE_COUPLE(A, B, TO, PAIRED)                                                                                \
    {                                                                                                                  \
        __m512i both = (__m512i)_mm512_cvtne2ps_pbh((__m512)(B), (__m512)(A));                                         \
        const i16 lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, inTurn = lane | (lane + 16) << 16;    \
        if (PAIRED) both = _mm512_permutexvar_epi16((__m512i)inTurn, both);                                            \
        _mm512_storeu_si512(TO, both);                                                                                 \
    }

// Column J of d B is d[·][P] ± d[·][Q]; then Bᵀ of it.
#define COLUMN(COUPLE, J, P, SIGN, Q)                                                                                  \
    {                                                                                                                  \
        f16 r[2][4];                                                                                                   \
        _Pragma("clang loop unroll(full)") for (int i = 0; i < 4; i++) {                                               \
            r[0][i] = READ(16, d[0][i][P] + c) SIGN READ(16, d[0][i][Q] + c);                                          \
            r[1][i] = READ(16, d[1][i][P] + c) SIGN READ(16, d[1][i][Q] + c);                                          \
        }                                                                                                              \
        COUPLE(r[0][0] - r[0][2], r[1][0] - r[1][2], to + J * stride, paired)                                          \
        COUPLE(r[0][1] + r[0][2], r[1][1] + r[1][2], to + (4 + J) * stride, paired)                                    \
        COUPLE(r[0][2] - r[0][1], r[1][2] - r[1][1], to + (8 + J) * stride, paired)                                    \
        COUPLE(r[0][1] - r[0][3], r[1][1] - r[1][3], to + (12 + J) * stride, paired)                                   \
    }

// Row I of A dy Aᵀ from row I of A dy: its left and right numbers.
#define ROW(COUPLE, I, LEFT, RIGHT)                                                                                    \
    {                                                                                                                  \
        f16 l[2], r[2];                                                                                                \
        _Pragma("clang loop unroll(full)") for (int p = 0; p < 2; p++) l[p] = LEFT, r[p] = RIGHT;                      \
        COUPLE(l[0], l[1], to + (4 * I) * stride, 1)                                                                   \
        COUPLE(l[0] + r[0], l[1] + r[1], to + (4 * I + 1) * stride, 1)                                                 \
        COUPLE(l[0] - r[0], l[1] - r[1], to + (4 * I + 2) * stride, 1)                                                 \
        COUPLE(-r[0], -r[1], to + (4 * I + 3) * stride, 1)                                                             \
    }

#define DEFINE_TRANSFORMS(KIND, TARGET, INNER, COUPLE)                                                                 \
    INNER INLINE void KIND##Input(const ck_winograd_shape *s, int64_t first, int64_t count, int paired,                \
                                   const float *x, uint32_t *v, int64_t stride, const float *zeros) {                  \
        tile at = tileAt(s, first);                                                                                    \
        for (int64_t t = 0; t < count; t += paired ? 2 : 1) {                                                          \
            const float *d[2][4][4];                                                                                   \
            around(s, &at, x, zeros, d[0]);                                                                            \
            advance(s, &at);                                                                                           \
            if (paired) {                                                                                              \
                around(s, &at, x, zeros, d[1]);                                                                        \
                advance(s, &at);                                                                                       \
            }                                                                                                          \
            for (int k = 0; k < 16 && !(paired && t + 1 < count); k++) {                                               \
                d[1][k / 4][k % 4] = paired ? zeros : d[0][k / 4][k % 4] + 16;                                         \
            }                                                                                                          \
            uint32_t *to = v + t * s->channels / 2;                                                                    \
            for (int64_t c = 0; c < s->channels; c += paired ? 16 : 32, to += 16) {                                    \
                COLUMN(COUPLE, 0, 0, -, 2)                                                                             \
                COLUMN(COUPLE, 1, 1, +, 2)                                                                             \
                COLUMN(COUPLE, 2, 2, -, 1)                                                                             \
                COLUMN(COUPLE, 3, 1, -, 3)                                                                             \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    TARGET static void KIND##InputRows(const ck_winograd_shape *s, int64_t first, int64_t count, const float *x,       \
                                       uint32_t *v, int64_t stride, const float *zeros) {                              \
        KIND##Input(s, first, count, 0, x, v, stride, zeros);                                                          \
    }                                                                                                                  \
    TARGET static void KIND##InputPairs(const ck_winograd_shape *s, int64_t first, int64_t count, const float *x,      \
                                        uint32_t *v, int64_t stride, const float *zeros) {                             \
        KIND##Input(s, first, count, 1, x, v, stride, zeros);                                                          \
    }                                                                                                                  \
    TARGET static void KIND##OutputGradient(const ck_winograd_shape *s, int64_t first, int64_t count, const float *dy, \
                                            uint32_t *v, int64_t stride, const float *zeros, float *sums) {            \
        const int64_t C = s->channels, W = s->width;                                                                   \
        tile at = tileAt(s, first);                                                                                    \
        for (int64_t t = 0; t < count; t += 2) {                                                                       \
            const float *d[2][2][2];                                                                                   \
            for (int p = 0; p < 2; p++, advance(s, &at)) {                                                             \
                const float *corner = dy + ((at.image * s->height + 2 * at.row) * W + 2 * at.column) * C;              \
                for (int k = 0; k < 4; k++) {                                                                          \
                    d[p][k / 2][k % 2] = t + p < count ? corner + (k / 2 * W + k % 2) * C : zeros;                     \
                }                                                                                                      \
            }                                                                                                          \
            uint32_t *to = v + t * C / 2;                                                                              \
            for (int64_t c = 0; c < C; c += 16, to += 16) {                                                            \
                f16 ul[2], ur[2], ll[2], lr[2];                                                                        \
                _Pragma("clang loop unroll(full)") for (int p = 0; p < 2; p++) {                                       \
                    ul[p] = READ(16, d[p][0][0] + c), ur[p] = READ(16, d[p][0][1] + c);                                \
                    ll[p] = READ(16, d[p][1][0] + c), lr[p] = READ(16, d[p][1][1] + c);                                \
                }                                                                                                      \
                AT(16, sums + c) += (ul[0] + ll[0] + (ur[0] + lr[0])) + (ul[1] + ll[1] + (ur[1] + lr[1]));             \
                ROW(COUPLE, 0, ul[p], ur[p])                                                                           \
                ROW(COUPLE, 1, ul[p] + ll[p], ur[p] + lr[p])                                                           \
                ROW(COUPLE, 2, ul[p] - ll[p], ur[p] - lr[p])                                                           \
                ROW(COUPLE, 3, -ll[p], -lr[p])                                                                         \
            }                                                                                                          \
        }                                                                                                              \
    }

DEFINE_TRANSFORMS(portable, KERNEL, , PORTABLE_COUPLE)
#ifdef NATIVE
DEFINE_TRANSFORMS(native, NATIVE, NATIVE, NATIVE_COUPLE)
#define CALL(NAME, ...) (hasNativeBFloat16() ? native##NAME : portable##NAME)(__VA_ARGS__)
#else
#define CALL(NAME, ...) portable##NAME(__VA_ARGS__)
#endif

void ck_winograd_bfloat16_input(const ck_winograd_shape *s, int64_t first, int64_t count, int paired, const float *x,
                                uint32_t *v, int64_t stride, float *scratch) {
    memset(scratch, 0, (size_t)s->channels * sizeof(float));
    if (paired) CALL(InputPairs, s, first, count, x, v, stride, scratch);
    else CALL(InputRows, s, first, count, x, v, stride, scratch);
}

void ck_winograd_bfloat16_output_gradient(const ck_winograd_shape *s, int64_t first, int64_t count, const float *dy,
                                          uint32_t *v, int64_t stride, float *sums, float *scratch) {
    memset(scratch, 0, (size_t)s->channels * sizeof(float));
    memset(sums, 0, (size_t)s->channels * sizeof(float));
    CALL(OutputGradient, s, first, count, dy, v, stride, scratch, sums);
}

// U [16, C/2, O] of pairs = G g Gᵀ, or rotated [16, O/2, C]: see ck_winograd_weights. Both axes: multiples of WINDOWS.
KERNEL void ck_winograd_bfloat16_weights(int64_t outputs, int64_t channels, int64_t weightInputs, int rotated,
                                         const float *w, uint32_t *u, int64_t stride) {
    const int64_t inner = rotated ? channels : outputs, outer = rotated ? outputs : channels;
    const int64_t innerStep = rotated ? 9 : weightInputs * 9, outerStep = rotated ? weightInputs * 9 : 9;
    f16 taps[9], all[2][16];
    for (int64_t first = 0; first < inner; first += WINDOWS) {
        for (int64_t position = 0; position < outer; position += 2) {
            for (int p = 0; p < 2; p++) {
                readWindows(w + first * innerStep + (position + p) * outerStep, innerStep, WINDOWS, outerStep, taps);
                transformWindows(rotated, taps, all[p]);
            }
            uint32_t *to = u + position / 2 * inner + first;
            for (int k = 0; k < 16; k++) {
                pairUp(WINDOWS, (const float *)(all[0] + k), (const float *)(all[1] + k), to + k * stride);
            }
        }
    }
}

void ck_winograd_bfloat16_product(int64_t rows, int64_t columns, int64_t depth, const uint32_t *a, const uint32_t *b,
                                  float *c) {
    bf16_vector_product(rows, columns, depth / 2, (bf16_pairs){a, depth / 2, 1}, b, columns, 0, c, columns);
}

void ck_winograd_bfloat16_gradient(int64_t outputs, int64_t channels, int64_t count, uint32_t *v, int64_t vStride,
                                   uint32_t *m, int64_t mStride, int accumulate, float *u, int64_t uStride,
                                   float *scratch) {
    const int64_t pairs = (count + 1) / 2, whole = toTiles(pairs), rest = whole - pairs;
    const int tiles = ck_has_tiles();
    if (tiles) bf16_begin();
    for (int k = 0; k < 16; k++, v += vStride, m += mStride, u += uStride) {
        if (!tiles) {
            const bf16_pairs transposed = {v, 1, channels};
            bf16_vector_product(channels, outputs, pairs, transposed, m, outputs, accumulate, u, outputs);
            continue;
        }
        memset(v + pairs * channels, 0, (size_t)(rest * channels) * sizeof *v);
        memset(m + pairs * outputs, 0, (size_t)(rest * outputs) * sizeof *m);
        ck_transpose(whole, channels, (const float *)v, channels, scratch);
        bf16_product(channels, outputs, 2 * whole, (const uint16_t *)scratch, 2 * whole, m, outputs, accumulate, u,
                     outputs);
    }
    if (tiles) bf16_end();
}
