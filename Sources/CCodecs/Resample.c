#include "CCodecs.h"

/* Sums stay below 2^31: weights of an output pixel add up to 2^22, and those of Lanczos' filter to less than 1.5 times
   that in absolute value. */
enum { one_half = 1 << 21, bits = 22 };

static inline uint8_t byte_of(int32_t sum) {
    const int32_t value = sum >> bits;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* With the channels known the compiler keeps the sums in registers. */
static inline void resample_row(const uint8_t *in, int channels, codecs_taps taps, int out_width, uint8_t *out) {
    for (int x = 0; x < out_width; x++) {
        const int32_t *weights = taps.weights + (size_t)x * (size_t)taps.stride;
        const uint8_t *from = in + (size_t)taps.starts[x] * (size_t)channels;
        int32_t sums[4] = {one_half, one_half, one_half, one_half};
        for (int k = 0; k < taps.counts[x]; k++)
            for (int c = 0; c < channels; c++) sums[c] += weights[k] * from[k * channels + c];
        for (int c = 0; c < channels; c++) *out++ = byte_of(sums[c]);
    }
}

void codecs_resample_rows(const uint8_t *in, int rows, int width, int channels, codecs_taps taps, int out_width,
                          uint8_t *out) {
    for (int y = 0; y < rows; y++) {
        const uint8_t *from = in + (size_t)y * (size_t)width * (size_t)channels;
        uint8_t *to = out + (size_t)y * (size_t)out_width * (size_t)channels;
        switch (channels) {
        case 1: resample_row(from, 1, taps, out_width, to); break;
        case 3: resample_row(from, 3, taps, out_width, to); break;
        default: resample_row(from, channels, taps, out_width, to); break;
        }
    }
}

void codecs_resample_columns(const uint8_t *in, int row_length, codecs_taps taps, int out_rows, uint8_t *out) {
    enum { piece = 256 };
    int32_t sums[piece];
    for (int y = 0; y < out_rows; y++) {
        const int32_t *weights = taps.weights + (size_t)y * (size_t)taps.stride;
        const uint8_t *from = in + (size_t)taps.starts[y] * (size_t)row_length;
        uint8_t *to = out + (size_t)y * (size_t)row_length;
        for (int begin = 0; begin < row_length; begin += piece) {
            const int length = row_length - begin < piece ? row_length - begin : piece;
            for (int i = 0; i < length; i++) sums[i] = one_half;
            for (int k = 0; k < taps.counts[y]; k++) {
                const uint8_t *row = from + (size_t)k * (size_t)row_length + begin;
                const int32_t weight = weights[k];
                for (int i = 0; i < length; i++) sums[i] += weight * row[i];
            }
            for (int i = 0; i < length; i++) to[begin + i] = byte_of(sums[i]);
        }
    }
}
