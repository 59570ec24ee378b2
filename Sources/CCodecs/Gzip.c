#include "Internal.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

/* Inflates all members into *memory, which grows up to cap. The stream is the caller's to end. */
static int inflate_members(z_stream *stream, const uint8_t *bytes, size_t count, size_t cap, uint8_t **memory,
                           size_t *written, char *message, size_t message_size) {
    size_t capacity = count / 2 < cap / 8 ? count * 4 + 4096 : cap, consumed = 0;
    if (capacity > cap) capacity = cap;
    *memory = malloc(capacity > 0 ? capacity : 1);
    if (*memory == NULL)
        return codecs_fail(CODECS_NO_MEMORY, message, message_size, "gzip: no memory for %zu bytes", capacity);
    for (;;) {
        if (*written == capacity && capacity < cap) {
            size_t wanted = capacity > cap / 2 ? cap : capacity * 2;
            uint8_t *grown = realloc(*memory, wanted);
            if (grown == NULL)
                return codecs_fail(CODECS_NO_MEMORY, message, message_size, "gzip: no memory for %zu bytes", wanted);
            *memory = grown;
            capacity = wanted;
        }
        size_t left = count - consumed, room = capacity - *written;
        uint8_t spare; /* with the buffer full at the cap, one more byte of output means the cap is passed */
        uInt given = left > UINT_MAX ? UINT_MAX : (uInt)left, offered = room > UINT_MAX ? UINT_MAX : (uInt)room;
        stream->next_in = (Bytef *)(uintptr_t)(bytes + consumed);
        stream->avail_in = given;
        stream->next_out = room > 0 ? *memory + *written : &spare;
        stream->avail_out = room > 0 ? offered : 1;
        int result = inflate(stream, Z_NO_FLUSH);
        consumed += given - stream->avail_in;
        if (room > 0) {
            *written += offered - stream->avail_out;
        } else if (stream->avail_out == 0) {
            return codecs_fail(CODECS_TOO_LARGE, message, message_size, "gzip: holds more than %zu bytes", cap);
        }
        if (result == Z_STREAM_END) {
            if (consumed == count) return CODECS_OK;
            if (inflateReset(stream) != Z_OK) result = Z_STREAM_ERROR; /* next member */
            else continue;
        }
        if (result == Z_MEM_ERROR) return codecs_fail(CODECS_NO_MEMORY, message, message_size, "gzip: no memory");
        if (result != Z_OK && result != Z_BUF_ERROR)
            return codecs_fail(CODECS_MALFORMED, message, message_size, "gzip: %s",
                               stream->msg != NULL ? stream->msg : "damaged");
        if (consumed == count && stream->avail_out > 0)
            return codecs_fail(CODECS_MALFORMED, message, message_size, "gzip: the file ends in the middle");
    }
}

int codecs_gzip_inflate(const uint8_t *bytes, size_t count, size_t cap, int beginning, uint8_t **out,
                        size_t *out_count, char *message, size_t message_size) {
    z_stream stream = {0};
    if (inflateInit2(&stream, 15 + 16) != Z_OK) /* 16: gzip headers and check sums only */
        return codecs_fail(CODECS_NO_MEMORY, message, message_size, "gzip: no memory for the decoder");
    uint8_t *memory = NULL;
    size_t written = 0;
    int status = inflate_members(&stream, bytes, count, cap, &memory, &written, message, message_size);
    inflateEnd(&stream);
    if (beginning && status == CODECS_TOO_LARGE) status = CODECS_OK;
    if (status != CODECS_OK) {
        free(memory);
        return status;
    }
    *out = memory;
    *out_count = written;
    return CODECS_OK;
}
