#include "Internal.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h> /* needs stdio.h before it */

#include <jerror.h>

/* A progressive file may name thousands of scans, each as dear as a whole image; encoders make about ten. */
enum { maximum_scans = 100 };

/* The managers come first, so that libjpeg's pointer to one is a pointer to the whole. */
typedef struct {
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    struct jpeg_decompress_struct jpeg;
    jmp_buf escape;
    uint8_t *pixels, *row;
    int status;
    char *message;
    size_t message_size;
} jpeg_work;

static void on_error(j_common_ptr jpeg) {
    jpeg_work *work = (jpeg_work *)jpeg->err;
    char text[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, text);
    codecs_status status = jpeg->err->msg_code == JERR_OUT_OF_MEMORY ? CODECS_NO_MEMORY : CODECS_MALFORMED;
    work->status = codecs_fail(status, work->message, work->message_size, "JPEG: %s", text);
    longjmp(work->escape, 1);
}

/* libjpeg warns about missing or corrupt data and then invents pixels: that is an error here. What it says about
   stray bytes and version numbers harms nothing. */
static void on_message(j_common_ptr jpeg, int level) {
    if (level >= 0) return;
    int code = jpeg->err->msg_code;
    if (code == JWRN_EXTRANEOUS_DATA || code == JWRN_ADOBE_XFORM || code == JWRN_JFIF_MAJOR) return;
    on_error(jpeg);
}

static void on_progress(j_common_ptr jpeg) {
    jpeg_work *work = (jpeg_work *)jpeg->err;
    if (!jpeg->is_decompressor || ((j_decompress_ptr)jpeg)->input_scan_number <= maximum_scans) return;
    work->status = codecs_fail(CODECS_MALFORMED, work->message, work->message_size, "JPEG: more than %d scans",
                               maximum_scans);
    longjmp(work->escape, 1);
}

/* Photoshop stores the four inks inverted and says so with an Adobe marker. */
static void cmyk_to_rgb(const uint8_t *in, uint8_t *out, int width, int inverted) {
    for (int x = 0; x < width; x++, in += 4, out += 3) {
        for (int c = 0; c < 3; c++) {
            unsigned ink = inverted ? in[c] : 255u - in[c], black = inverted ? in[3] : 255u - in[3];
            out[c] = (uint8_t)((ink * black + 127u) / 255u);
        }
    }
}

static int decode(jpeg_work *work, const uint8_t *bytes, size_t count, codecs_request request, codecs_image *out) {
    struct jpeg_decompress_struct *jpeg = &work->jpeg;
    if (setjmp(work->escape)) return work->status;
    jpeg_create_decompress(jpeg);
    jpeg->progress = &work->progress;
    jpeg_mem_src(jpeg, bytes, (unsigned long)count);
    jpeg_read_header(jpeg, TRUE);
    int status = codecs_check_size(jpeg->image_width, jpeg->image_height, request, work->message, work->message_size);
    if (status != CODECS_OK) return status;
    if (jpeg->arith_code)
        return codecs_fail(CODECS_UNSUPPORTED, work->message, work->message_size,
                           "JPEG: arithmetic coding is not read; save it with Huffman coding");
    /* With Huffman's code every block of 8 x 8 pixels takes a bit at least, and a component has a block for 16 of them at
       the most: a header that promises more than the file can hold is a lie. */
    if ((size_t)jpeg->image_width * jpeg->image_height / 64 / 16 / 8 > count)
        return codecs_fail(CODECS_MALFORMED, work->message, work->message_size,
                           "JPEG: the file is too short for its dimensions");

    int inks = 0;
    switch (jpeg->jpeg_color_space) {
    case JCS_GRAYSCALE: jpeg->out_color_space = JCS_GRAYSCALE; break;
    case JCS_YCbCr:
    case JCS_RGB: jpeg->out_color_space = JCS_RGB; break;
    case JCS_CMYK:
    case JCS_YCCK:
        jpeg->out_color_space = JCS_CMYK;
        inks = 1;
        break;
    default:
        return codecs_fail(CODECS_UNSUPPORTED, work->message, work->message_size,
                           "JPEG: %d components of an unknown colour space", jpeg->num_components);
    }
    jpeg->dct_method = JDCT_ISLOW; /* the exact one: the same pixels on every machine */
    jpeg_start_decompress(jpeg);

    int channels = jpeg->out_color_space == JCS_GRAYSCALE ? 1 : 3;
    size_t width = jpeg->output_width, height = jpeg->output_height, row_bytes = width * (size_t)channels;
    work->pixels = malloc(row_bytes * height);
    if (inks) work->row = malloc(width * 4);
    if (work->pixels == NULL || (inks && work->row == NULL))
        return codecs_fail(CODECS_NO_MEMORY, work->message, work->message_size, "no memory for %zu x %zu pixels",
                           width, height);
    while (jpeg->output_scanline < jpeg->output_height) {
        uint8_t *pixels = work->pixels + (size_t)jpeg->output_scanline * row_bytes;
        JSAMPROW row = inks ? work->row : pixels;
        jpeg_read_scanlines(jpeg, &row, 1);
        if (inks) cmyk_to_rgb(work->row, pixels, (int)width, jpeg->saw_Adobe_marker);
    }
    jpeg_finish_decompress(jpeg);
    *out = (codecs_image){work->pixels, (int)height, (int)width, channels};
    work->pixels = NULL;
    return CODECS_OK;
}

int codecs_jpeg_decode(const uint8_t *bytes, size_t count, codecs_request request, codecs_image *out,
                       char *message, size_t message_size) {
    jpeg_work work;
    memset(&work, 0, sizeof work);
    work.message = message;
    work.message_size = message_size;
    work.jpeg.err = jpeg_std_error(&work.errors);
    work.errors.error_exit = on_error;
    work.errors.emit_message = on_message;
    work.progress.progress_monitor = on_progress;
    int status = decode(&work, bytes, count, request, out);
    jpeg_destroy_decompress(&work.jpeg);
    free(work.row);
    free(work.pixels);
    return status;
}
