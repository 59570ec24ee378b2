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

int codecs_check_size(int64_t width, int64_t height, codecs_limits limits, char *message, size_t message_size) {
    if (width <= 0 || height <= 0)
        return codecs_fail(CODECS_MALFORMED, message, message_size, "an image of %lld x %lld pixels", (long long)width,
                           (long long)height);
    if (width > limits.max_side || height > limits.max_side || width > limits.max_pixels / height)
        return codecs_fail(CODECS_TOO_LARGE, message, message_size,
                           "%lld x %lld pixels is over the limit of %lld a side and %lld in all", (long long)width,
                           (long long)height, (long long)limits.max_side, (long long)limits.max_pixels);
    return CODECS_OK;
}

void codecs_free(void *memory) { free(memory); }
