/* Shared by the codecs of this target only. */
#pragma once

#include "CCodecs.h"

/* Writes a line into the caller's message buffer, always terminated, and returns `status`. */
int codecs_fail(codecs_status status, char *message, size_t message_size, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The caller's limits, checked in an order that cannot overflow. */
int codecs_check_size(int64_t width, int64_t height, codecs_limits limits, char *message, size_t message_size);
