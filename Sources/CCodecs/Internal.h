/* Shared by the codecs of this target only. */
#ifndef CCODECS_INTERNAL_H
#define CCODECS_INTERNAL_H

#include "CCodecs.h"

/* Copies a line into the caller's message buffer, always terminated. */
void codecs_say(char *message, size_t message_size, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The caller's limits, checked in an order that cannot overflow. */
int codecs_check_size(int64_t width, int64_t height, codecs_limits limits, char *message, size_t message_size);

#endif
