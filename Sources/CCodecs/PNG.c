#include "Internal.h"

#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

/* Everything that must survive a longjmp lives here, in the frame of the function above the one that calls setjmp. */
typedef struct {
    png_structp png;
    png_infop info;
    const uint8_t *bytes; /* reading */
    size_t count, position;
    uint8_t *pixels;
    png_bytep *rows;
    uint8_t *written; /* writing */
    size_t written_count, written_capacity;
    int status;
    char *message;
    size_t message_size;
} png_work;

static void on_error(png_structp png, png_const_charp text) {
    png_work *work = png_get_error_ptr(png);
    if (work->status == CODECS_OK)
        work->status = codecs_fail(CODECS_MALFORMED, work->message, work->message_size, "PNG: %s", text);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text) {
    (void)png;
    (void)text;
}

static void read_bytes(png_structp png, png_bytep out, size_t length) {
    png_work *work = png_get_io_ptr(png);
    if (length > work->count - work->position) png_error(png, "the file ends in the middle");
    memcpy(out, work->bytes + work->position, length);
    work->position += length;
}

static int decode(png_work *work, codecs_request request, codecs_image *out) {
    if (setjmp(png_jmpbuf(work->png))) return work->status;
    png_structp png = work->png;
    png_infop info = work->info;
    png_set_read_fn(png, work, read_bytes);
    /* Our own request follow below; libpng's default of a million a side must not speak first. Text and profiles are
       of no interest: refuse to let them grow. */
    png_set_user_limits(png, 0x7fffffff, 0x7fffffff);
    png_set_chunk_cache_max(png, 64);
    png_set_chunk_malloc_max(png, 8 << 20);
    png_read_info(png, info);

    png_uint_32 width = png_get_image_width(png, info), height = png_get_image_height(png, info);
    int status = codecs_check_size(width, height, request, work->message, work->message_size);
    if (status != CODECS_OK) return status;
    /* Deflate never shrinks by more than 1032: a header that promises more than the file can hold is a lie. */
    if (png_get_rowbytes(png, info) * (size_t)height / 1032 > work->count) {
        png_error(png, "the file is too short for its dimensions");
    }

    int type = png_get_color_type(png, info);
    if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
    if (type == PNG_COLOR_TYPE_GRAY && png_get_bit_depth(png, info) < 8) png_set_expand_gray_1_2_4_to_8(png);
    if (png_get_valid(png, info, PNG_INFO_tRNS)) png_set_tRNS_to_alpha(png);
    if (png_get_bit_depth(png, info) == 16) png_set_scale_16(png);
    if (!codecs_is_grey(request.background) && (type & PNG_COLOR_MASK_ALPHA || png_get_valid(png, info, PNG_INFO_tRNS)))
        png_set_gray_to_rgb(png);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);

    int channels = png_get_channels(png, info);
    size_t row_bytes = png_get_rowbytes(png, info);
    if (channels < 1 || channels > 4 || row_bytes != (size_t)width * (size_t)channels) {
        png_error(png, "an unexpected pixel layout");
    }
    work->pixels = malloc(row_bytes * height);
    work->rows = malloc(sizeof(png_bytep) * height);
    if (work->pixels == NULL || work->rows == NULL)
        return codecs_fail(CODECS_NO_MEMORY, work->message, work->message_size, "no memory for %u x %u pixels", width,
                           height);
    for (png_uint_32 y = 0; y < height; y++) work->rows[y] = work->pixels + (size_t)y * row_bytes;
    png_read_image(png, work->rows);
    png_read_end(png, NULL); /* finds a file cut after its pixels, and bad check sums */

    if (channels == 2 || channels == 4) {
        channels -= 1;
        codecs_composite(work->pixels, (size_t)width * height, channels, request.background);
    }
    *out = (codecs_image){work->pixels, (int)height, (int)width, channels};
    work->pixels = NULL;
    return CODECS_OK;
}

int codecs_png_decode(const uint8_t *bytes, size_t count, codecs_request request, codecs_image *out,
                      char *message, size_t message_size) {
    png_work work = {.bytes = bytes, .count = count, .message = message, .message_size = message_size};
    if (count < 8 || png_sig_cmp(bytes, 0, 8) != 0)
        return codecs_fail(CODECS_MALFORMED, message, message_size, "PNG: no PNG signature");
    work.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &work, on_error, on_warning);
    if (work.png != NULL) work.info = png_create_info_struct(work.png);
    int status = work.info != NULL
                     ? decode(&work, request, out)
                     : codecs_fail(CODECS_NO_MEMORY, message, message_size, "PNG: no memory for the decoder");
    png_destroy_read_struct(&work.png, &work.info, NULL);
    free(work.rows);
    free(work.pixels);
    return status;
}

static void write_bytes(png_structp png, png_bytep bytes, size_t length) {
    png_work *work = png_get_io_ptr(png);
    if (length > work->written_capacity - work->written_count) {
        size_t capacity = work->written_capacity * 2 + length + 4096;
        uint8_t *grown = realloc(work->written, capacity);
        if (grown == NULL) {
            work->status = codecs_fail(CODECS_NO_MEMORY, work->message, work->message_size,
                                       "PNG: no memory for the encoded image");
            png_error(png, "no memory");
        }
        work->written = grown;
        work->written_capacity = capacity;
    }
    memcpy(work->written + work->written_count, bytes, length);
    work->written_count += length;
}

static void flush_nothing(png_structp png) { (void)png; }

static int encode(png_work *work, const uint8_t *pixels, int height, int width, int channels) {
    if (setjmp(png_jmpbuf(work->png))) return work->status;
    png_set_write_fn(work->png, work, write_bytes, flush_nothing);
    png_set_user_limits(work->png, 0x7fffffff, 0x7fffffff);
    png_set_IHDR(work->png, work->info, (png_uint_32)width, (png_uint_32)height, 8,
                 channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(work->png, work->info);
    for (int y = 0; y < height; y++) {
        png_write_row(work->png, pixels + (size_t)y * (size_t)width * (size_t)channels);
    }
    png_write_end(work->png, NULL);
    return CODECS_OK;
}

int codecs_png_encode(const uint8_t *pixels, int height, int width, int channels, uint8_t **out, size_t *out_count,
                      char *message, size_t message_size) {
    png_work work = {.message = message, .message_size = message_size};
    if (height <= 0 || width <= 0 || (channels != 1 && channels != 3))
        return codecs_fail(CODECS_UNSUPPORTED, message, message_size,
                           "PNG: cannot write %d x %d pixels of %d channels", width, height, channels);
    work.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &work, on_error, on_warning);
    if (work.png != NULL) work.info = png_create_info_struct(work.png);
    int status = work.info != NULL
                     ? encode(&work, pixels, height, width, channels)
                     : codecs_fail(CODECS_NO_MEMORY, message, message_size, "PNG: no memory for the encoder");
    png_destroy_write_struct(&work.png, &work.info);
    if (status != CODECS_OK) {
        free(work.written);
        return status;
    }
    *out = work.written;
    *out_count = work.written_count;
    return CODECS_OK;
}
