/* Image and gzip codecs over libpng, libjpeg-turbo, libwebp, libtiff and zlib, from memory to memory; resampling.

   Contract of every function: it returns a codecs_status; on anything but CODECS_OK the outputs are untouched and
   `message` (of `message_size` bytes, may be NULL) holds one zero-terminated line that says what was wrong. Buffers
   handed out belong to the caller, who returns them with codecs_free (NULL is fine). No global state: every function
   may be called from any thread. No header of these libraries is needed to include this one. */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef enum {
    CODECS_OK = 0,
    CODECS_MALFORMED = 1,  /* the bytes are not a whole, valid file of the format */
    CODECS_TOO_LARGE = 2,  /* beyond the limits given by the caller; nothing was allocated for the pixels */
    CODECS_NO_MEMORY = 3,
    CODECS_UNSUPPORTED = 4 /* valid, but of a kind that is not read (a JPEG with 2 components, say) */
} codecs_status;

/* What a decoder is asked for. The limits are checked against the file's header before memory for the pixels is asked for. */
typedef struct {
    int64_t max_side;      /* pixels along either side */
    int64_t max_pixels;    /* height x width */
    uint8_t background[3]; /* RGB under pixels that are transparent */
} codecs_request;

/* Row-major pixels [height][width][channels], 8 bits a channel; channels is 1 (grey) or 3 (RGB). */
typedef struct {
    uint8_t *pixels;
    int height;
    int width;
    int channels;
} codecs_image;

/* PNG of any colour type, bit depth and interlacing. 16-bit channels are rounded to 8, palettes expanded, transparent
   pixels composited on the background (in the stored values; gamma and colour profiles are not applied). */
int codecs_png_decode(const uint8_t *bytes, size_t count, codecs_request limits, codecs_image *out,
                      char *message, size_t message_size);

/* JPEG, baseline or progressive; grey stays grey, YCbCr, RGB, CMYK and YCCK become RGB. A file that libjpeg could
   only patch up (data missing or corrupt) is CODECS_MALFORMED. */
int codecs_jpeg_decode(const uint8_t *bytes, size_t count, codecs_request limits, codecs_image *out,
                       char *message, size_t message_size);

/* WebP, lossy or lossless; of an animation the first frame on its canvas. Transparent pixels as in PNG. */
int codecs_webp_decode(const uint8_t *bytes, size_t count, codecs_request request, codecs_image *out,
                       char *message, size_t message_size);

/* The first picture of a TIFF, upright, of any kind that libtiff turns into 8-bit RGBA: grey, palette, RGB, CMYK, YCbCr;
   1 to 16 bits; strips or tiles; the compressions of Debian's libtiff. */
int codecs_tiff_decode(const uint8_t *bytes, size_t count, codecs_request request, codecs_image *out,
                       char *message, size_t message_size);

/* How one axis of an image is resampled: output pixel i is the sum over k < counts[i] of
   weights[i * stride + k] * input[starts[i] + k], weights in units of 2^-22, rounded and clamped to a byte. */
typedef struct {
    const int32_t *starts, *counts, *weights;
    int stride;
} codecs_taps;

/* Each row of [rows][width][channels] to `out_width` pixels: [rows][out_width][channels]. Any channels. */
void codecs_resample_rows(const uint8_t *in, int rows, int width, int channels, codecs_taps taps, int out_width,
                          uint8_t *out);
/* [height][row_length] to [out_rows][row_length]. */
void codecs_resample_columns(const uint8_t *in, int row_length, codecs_taps taps, int out_rows, uint8_t *out);

/* pixels [height][width][channels], channels 1 or 3, to an 8-bit PNG without time stamps. */
int codecs_png_encode(const uint8_t *pixels, int height, int width, int channels, uint8_t **out, size_t *out_count,
                      char *message, size_t message_size);

/* Inflates a .gz file (one member or several). More than `cap` bytes of output is CODECS_TOO_LARGE; with `beginning`, the
   first `cap` bytes are handed out then. */
int codecs_gzip_inflate(const uint8_t *bytes, size_t count, size_t cap, int beginning, uint8_t **out,
                        size_t *out_count, char *message, size_t message_size);

void codecs_free(void *memory);
