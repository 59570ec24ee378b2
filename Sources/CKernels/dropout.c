// Dropout with masks that are drawn again wherever they are needed. Axis letters: N images, E elements of one.
#include "CKernels.h"

// Philox 4×32-10 (Salmon et al. 2011): four words of a counter and a key.
static inline void philox(uint32_t c[4], uint32_t k0, uint32_t k1) {
    for (int round = 0; round < 10; round++) {
        uint64_t a = 0xD2511F53ull * c[0], b = 0xCD9E8D57ull * c[2];
        uint32_t high[2] = {(uint32_t)(b >> 32) ^ c[1] ^ k0, (uint32_t)(a >> 32) ^ c[3] ^ k1};
        c[0] = high[0];
        c[1] = (uint32_t)b;
        c[2] = high[1];
        c[3] = (uint32_t)a;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

static uint32_t word(float u) { return (uint32_t)(u * 0x1p24f); }

void ck_dropout(int64_t images, int64_t elements, double rate, uint32_t layer, const float *x, const float *key,
                float *y) {
    const uint32_t threshold = (uint32_t)(rate * 0x1p32);
    const float scale = (float)(1 / (1 - rate));
    for (int64_t n = 0; n < images; n++) {
        const uint32_t k0 = word(key[4 * n]), k1 = word(key[4 * n + 1]);
        const uint32_t k2 = word(key[4 * n + 2]), k3 = word(key[4 * n + 3]);
        for (int64_t i = 0; i < elements; i += 4) {
            uint32_t c[4] = {(uint32_t)(i / 4), layer, k2, k3};
            philox(c, k0, k1);
            for (int64_t j = 0; j < 4 && i + j < elements; j++) {
                const int64_t at = n * elements + i + j;
                y[at] = c[j] < threshold ? 0 : x[at] * scale;
            }
        }
    }
}
