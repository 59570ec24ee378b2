// Dropout with masks that are drawn again wherever they are needed. Axis letters: N images, E elements of one.
#include "CKernels.h"
#include "Vector.h"

// Eight words of 32 bits, each in 64: a product of two of them keeps all of its bits.
typedef uint64_t w8 __attribute__((vector_size(64)));
typedef uint32_t d16 __attribute__((vector_size(64)));

// Counters a call of philox makes numbers of, four each.
enum { counters = 8, numbers = 4 * counters };

// Philox 4×32-10 (Salmon et al. 2011) of eight counters: four words of each, and a key.
INLINE void philox(w8 c[4], uint32_t k0, uint32_t k1) {
    const w8 low = (w8){0} + 0xFFFFFFFFu;
#pragma clang loop unroll(full)
    for (int round = 0; round < 10; round++) {
        w8 a = c[0] * 0xD2511F53u, b = c[2] * 0xCD9E8D57u;
        c[0] = (b >> 32) ^ c[1] ^ k0;
        c[1] = b & low;
        c[2] = (a >> 32) ^ c[3] ^ k1;
        c[3] = a & low;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

// numbers bits, those of counters first, first + 1, ... one after the other.
INLINE void draw(uint32_t first, uint32_t layer, const uint32_t key[4], d16 bits[2]) {
    const w8 low = (w8){0} + 0xFFFFFFFFu;
    w8 c[4] = {((w8){0, 1, 2, 3, 4, 5, 6, 7} + first) & low, (w8){0} + layer, (w8){0} + key[2], (w8){0} + key[3]};
    philox(c, key[0], key[1]);
    w8 front = c[0] | c[1] << 32, back = c[2] | c[3] << 32;
    bits[0] = (d16)__builtin_shufflevector(front, back, 0, 8, 1, 9, 2, 10, 3, 11);
    bits[1] = (d16)__builtin_shufflevector(front, back, 4, 12, 5, 13, 6, 14, 7, 15);
}

static uint32_t word(float u) { return (uint32_t)(u * 0x1p24f); }

KERNEL void ck_dropout(int64_t images, int64_t elements, double rate, uint32_t layer, const float *x,
                       const float *key, float *y) {
    const uint32_t threshold = (uint32_t)(rate * 0x1p32);
    const float scale = (float)(1 / (1 - rate));
    for (int64_t n = 0; n < images; n++, x += elements, y += elements) {
        const uint32_t words[4] = {word(key[4 * n]), word(key[4 * n + 1]), word(key[4 * n + 2]), word(key[4 * n + 3])};
        d16 bits[2];
        int64_t i = 0;
        for (; i + numbers <= elements; i += numbers) {
            draw((uint32_t)(i / 4), layer, words, bits);
            AT(16, y + i) = (f16)((i16)(bits[0] >= threshold) & (i16)(READ(16, x + i) * scale));
            AT(16, y + i + 16) = (f16)((i16)(bits[1] >= threshold) & (i16)(READ(16, x + i + 16) * scale));
        }
        if (i == elements) continue;
        draw((uint32_t)(i / 4), layer, words, bits);
        for (int64_t j = 0; i + j < elements; j++) {
            y[i + j] = bits[j / 16][j % 16] < threshold ? 0 : x[i + j] * scale;
        }
    }
}
