/* Shared by the codecs of this target only. */
#pragma once

#include "CCodecs.h"

/* Writes a line into the caller's message buffer, always terminated, and returns `status`. */
int codecs_fail(codecs_status status, char *message, size_t message_size, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The request's limits, checked in an order that cannot overflow. */
int codecs_check_size(int64_t width, int64_t height, codecs_request request, char *message, size_t message_size);

/* Blends [count][channels + alpha] on the background and packs it to [count][channels], in place: the writer never
   overtakes the reader. One channel has the background's luma. */
void codecs_composite(uint8_t *pixels, size_t count, int channels, const uint8_t background[3]);

/* Whether the three numbers are one: then a grey image stays grey on it. */
static inline int codecs_is_grey(const uint8_t c[3]) { return c[0] == c[1] && c[1] == c[2]; }
