#include "Internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int codecs_fail(codecs_status status, char *message, size_t message_size, const char *format, ...) {
    if (message == NULL || message_size == 0) return status;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, message_size, format, arguments);
    va_end(arguments);
    return status;
}

int codecs_check_size(int64_t width, int64_t height, codecs_request request, char *message, size_t message_size) {
    if (width <= 0 || height <= 0)
        return codecs_fail(CODECS_MALFORMED, message, message_size, "an image of %lld x %lld pixels", (long long)width,
                           (long long)height);
    if (width > request.max_side || height > request.max_side || width > request.max_pixels / height)
        return codecs_fail(CODECS_TOO_LARGE, message, message_size,
                           "%lld x %lld pixels is over the limit of %lld a side and %lld in all", (long long)width,
                           (long long)height, (long long)request.max_side, (long long)request.max_pixels);
    return CODECS_OK;
}

void codecs_composite(uint8_t *pixels, size_t count, int channels, const uint8_t background[3]) {
    uint8_t *out = pixels;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *in = pixels + i * (size_t)(channels + 1);
        unsigned alpha = in[channels];
        for (int c = 0; c < channels; c++)
            *out++ = (uint8_t)((in[c] * alpha + background[c] * (255u - alpha) + 127u) / 255u);
    }
}

void codecs_free(void *memory) { free(memory); }
