#include "Internal.h"

#include <stdlib.h>
#include <string.h>
#include <webp/decode.h>
#include <webp/demux.h>

/* The first frame of an animation, RGBA. */
static uint8_t *first_frame(const uint8_t *bytes, size_t count, size_t size) {
    WebPAnimDecoderOptions options;
    WebPAnimDecoder *decoder = NULL;
    uint8_t *pixels = NULL, *canvas = NULL;
    int time = 0;
    if (WebPAnimDecoderOptionsInit(&options)) {
        options.color_mode = MODE_RGBA;
        decoder = WebPAnimDecoderNew(&(WebPData){bytes, count}, &options);
    }
    if (decoder != NULL && WebPAnimDecoderGetNext(decoder, &canvas, &time)) {
        pixels = malloc(size);
        if (pixels != NULL) memcpy(pixels, canvas, size);
    }
    WebPAnimDecoderDelete(decoder);
    return pixels;
}

int codecs_webp_decode(const uint8_t *bytes, size_t count, codecs_request request, codecs_image *out,
                       char *message, size_t message_size) {
    WebPBitstreamFeatures features;
    if (WebPGetFeatures(bytes, count, &features) != VP8_STATUS_OK)
        return codecs_fail(CODECS_MALFORMED, message, message_size, "WebP: a damaged header");
    int status = codecs_check_size(features.width, features.height, request, message, message_size);
    if (status != CODECS_OK) return status;
    const size_t width = (size_t)features.width, height = (size_t)features.height;
    const int transparent = features.has_alpha || features.has_animation;
    const size_t channels = transparent ? 4 : 3, size = width * height * channels;
    uint8_t *pixels;
    if (features.has_animation) {
        pixels = first_frame(bytes, count, size);
    } else {
        pixels = malloc(size);
        if (pixels == NULL)
            return codecs_fail(CODECS_NO_MEMORY, message, message_size, "no memory for %zu x %zu pixels", width, height);
        const int stride = (int)(width * channels);
        uint8_t *done = transparent ? WebPDecodeRGBAInto(bytes, count, pixels, size, stride)
                                    : WebPDecodeRGBInto(bytes, count, pixels, size, stride);
        if (done == NULL) {
            free(pixels);
            pixels = NULL;
        }
    }
    if (pixels == NULL)
        return codecs_fail(CODECS_MALFORMED, message, message_size, "WebP: damaged, or the file ends in the middle");
    if (transparent) codecs_composite(pixels, width * height, 3, request.background);
    *out = (codecs_image){pixels, features.height, features.width, 3};
    return CODECS_OK;
}
