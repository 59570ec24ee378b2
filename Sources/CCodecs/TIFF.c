#include "Internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tiffio.h>

/* The file in memory, and what libtiff says about it. */
typedef struct {
    const uint8_t *bytes;
    size_t count, position;
    char reason[200];
} tiff_work;

static tmsize_t on_read(thandle_t handle, void *out, tmsize_t size) {
    tiff_work *work = handle;
    if (work->position >= work->count || size <= 0) return 0;
    const size_t left = work->count - work->position, taken = (size_t)size < left ? (size_t)size : left;
    memcpy(out, work->bytes + work->position, taken);
    work->position += taken;
    return (tmsize_t)taken;
}

static tmsize_t on_write(thandle_t handle, void *in, tmsize_t size) {
    (void)handle, (void)in, (void)size;
    return 0;
}

static toff_t on_seek(thandle_t handle, toff_t offset, int from) {
    tiff_work *work = handle;
    const toff_t base = from == SEEK_SET ? 0 : from == SEEK_CUR ? work->position : work->count;
    work->position = (size_t)(base + offset);
    return work->position;
}

static toff_t on_size(thandle_t handle) { return ((tiff_work *)handle)->count; }

static int on_close(thandle_t handle) {
    (void)handle;
    return 0;
}

static int on_error(TIFF *tiff, void *user, const char *module, const char *format, va_list arguments) {
    (void)tiff, (void)module;
    tiff_work *work = user;
    if (work->reason[0] == 0) vsnprintf(work->reason, sizeof work->reason, format, arguments);
    return 1;
}

static int on_warning(TIFF *tiff, void *user, const char *module, const char *format, va_list arguments) {
    (void)tiff, (void)user, (void)module, (void)format, (void)arguments;
    return 1;
}

static int failed(tiff_work *work, codecs_status status, const char *otherwise, char *message, size_t message_size) {
    return codecs_fail(status, message, message_size, "TIFF: %s", work->reason[0] ? work->reason : otherwise);
}

/* libtiff's words, 0xAABBGGRR with colours multiplied by alpha, to [height][width][channels] on the background. */
static void unpack(const uint32_t *words, size_t count, int channels, const uint8_t background[3], uint8_t *out) {
    for (size_t i = 0; i < count; i++) {
        const unsigned alpha = TIFFGetA(words[i]);
        const unsigned colours[3] = {TIFFGetR(words[i]), TIFFGetG(words[i]), TIFFGetB(words[i])};
        for (int c = 0; c < channels; c++) {
            const unsigned value = colours[c] + (background[c] * (255u - alpha) + 127u) / 255u;
            *out++ = (uint8_t)(value > 255 ? 255 : value);
        }
    }
}

static int decode(TIFF *tiff, tiff_work *work, codecs_request request, codecs_image *out, char *message,
                  size_t message_size) {
    uint32_t width = 0, height = 0;
    uint16_t samples = 1, photometric = PHOTOMETRIC_RGB;
    TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &width);
    TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &height);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &samples);
    TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &photometric);
    int status = codecs_check_size(width, height, request, message, message_size);
    if (status != CODECS_OK) return status;
    char reason[1024] = "";
    if (!TIFFRGBAImageOK(tiff, reason))
        return codecs_fail(CODECS_UNSUPPORTED, message, message_size, "TIFF: %.180s", reason);

    const size_t count = (size_t)width * height;
    uint32_t *words = malloc(count * sizeof *words);
    if (words == NULL)
        return codecs_fail(CODECS_NO_MEMORY, message, message_size, "no memory for %u x %u pixels", width, height);
    /* 1: stop at an error, instead of going on with what is there. */
    if (!TIFFReadRGBAImageOriented(tiff, width, height, words, ORIENTATION_TOPLEFT, 1) || work->reason[0] != 0) {
        free(words);
        return failed(work, CODECS_MALFORMED, "damaged, or the file ends in the middle", message, message_size);
    }
    const int grey = photometric == PHOTOMETRIC_MINISBLACK || photometric == PHOTOMETRIC_MINISWHITE;
    const int channels = grey && (samples == 1 || codecs_is_grey(request.background)) ? 1 : 3;
    /* Bytes are never written ahead of the words they come from. */
    unpack(words, count, channels, request.background, (uint8_t *)words);
    *out = (codecs_image){(uint8_t *)words, (int)height, (int)width, channels};
    return CODECS_OK;
}

int codecs_tiff_decode(const uint8_t *bytes, size_t count, codecs_request request, codecs_image *out,
                       char *message, size_t message_size) {
    tiff_work work = {.bytes = bytes, .count = count};
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    if (options == NULL) return codecs_fail(CODECS_NO_MEMORY, message, message_size, "TIFF: no memory for the decoder");
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, (tmsize_t)request.max_pixels * 4 + (1 << 20));
    TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, &work);
    TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, &work);
    /* r: read; m: not mapped. */
    TIFF *tiff = TIFFClientOpenExt("image", "rm", &work, on_read, on_write, on_seek, on_close, on_size, NULL, NULL, options);
    TIFFOpenOptionsFree(options);
    if (tiff == NULL) return failed(&work, CODECS_MALFORMED, "a damaged header", message, message_size);
    int status = decode(tiff, &work, request, out, message, message_size);
    TIFFClose(tiff);
    return status;
}
