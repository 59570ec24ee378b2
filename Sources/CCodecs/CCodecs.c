#include "Internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void codecs_say(char *message, size_t message_size, const char *format, ...) {
    if (message == NULL || message_size == 0) return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, message_size, format, arguments);
    va_end(arguments);
}

int codecs_check_size(int64_t width, int64_t height, codecs_limits limits, char *message, size_t message_size) {
    if (width <= 0 || height <= 0) {
        codecs_say(message, message_size, "an image of %lld x %lld pixels", (long long)width, (long long)height);
        return CODECS_MALFORMED;
    }
    if (width > limits.max_side || height > limits.max_side || width > limits.max_pixels / height) {
        codecs_say(message, message_size, "%lld x %lld pixels is over the limit of %lld a side and %lld in all",
                   (long long)width, (long long)height, (long long)limits.max_side, (long long)limits.max_pixels);
        return CODECS_TOO_LARGE;
    }
    return CODECS_OK;
}

void codecs_free(void *memory) { free(memory); }
