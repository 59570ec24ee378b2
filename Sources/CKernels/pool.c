// Windows of images: the largest, and the mean. Axis letters: N images, H rows, W columns, C channels.
#include "CKernels.h"
#include "Vector.h"

KERNEL void ck_relu(size_t count, const float *x, float *y) {
    int64_t i = 0, n = (int64_t)count;
#define BODY(W)                                                                                                        \
    {                                                                                                                  \
        const f##W v = READ(W, x + i);                                                                                 \
        AT(W, y + i) = CHOOSE(W, v < 0.0f, ALL(W, 0.0f), v);                                                           \
    }
    FOR_LANES(i, n, BODY)
#undef BODY
}

/// What a window sees of the image: rows and columns from `top` and `left` to below `bottom` and `right`.
typedef struct {
    int64_t top, bottom, left, right;
} span;

INLINE span inside(const ck_pool_shape *s, int64_t v, int64_t u) {
    const int64_t top = v * s->stride - s->paddingHeight, left = u * s->stride - s->paddingWidth;
    const int64_t bottom = top + s->kernelHeight, right = left + s->kernelWidth;
    return (span){top > 0 ? top : 0, bottom < s->height ? bottom : s->height, left > 0 ? left : 0,
                  right < s->width ? right : s->width};
}

KERNEL void ck_max_pool(const ck_pool_shape *s, const float *x, float *y) {
    for (int64_t n = 0; n < s->images; n++) {
        const float *image = x + n * s->height * s->width * s->channels;
        for (int64_t v = 0; v < s->outputHeight; v++) {
            for (int64_t u = 0; u < s->outputWidth; u++, y += s->channels) {
                const span w = inside(s, v, u);
                int64_t c = 0;
#define BODY(W)                                                                                                        \
    {                                                                                                                  \
        f##W most = READ(W, image + (w.top * s->width + w.left) * s->channels + c);                                    \
        for (int64_t h = w.top; h < w.bottom; h++) {                                                                   \
            for (int64_t i = w.left; i < w.right; i++) {                                                               \
                const f##W one = READ(W, image + (h * s->width + i) * s->channels + c);                                \
                most = CHOOSE(W, (one > most) | (one != one), one, most);                                              \
            }                                                                                                          \
        }                                                                                                              \
        AT(W, y + c) = most;                                                                                           \
    }
                FOR_LANES(c, s->channels, BODY)
#undef BODY
            }
        }
    }
}

KERNEL void ck_average_pool(const ck_pool_shape *s, const float *x, float *y) {
    for (int64_t n = 0; n < s->images; n++) {
        const float *image = x + n * s->height * s->width * s->channels;
        for (int64_t v = 0; v < s->outputHeight; v++) {
            for (int64_t u = 0; u < s->outputWidth; u++, y += s->channels) {
                const span w = inside(s, v, u);
                const float scale = 1.0f / (float)((w.bottom - w.top) * (w.right - w.left));
                int64_t c = 0;
#define BODY(W)                                                                                                        \
    {                                                                                                                  \
        f##W sum = {0};                                                                                                \
        for (int64_t h = w.top; h < w.bottom; h++) {                                                                   \
            for (int64_t i = w.left; i < w.right; i++) sum += READ(W, image + (h * s->width + i) * s->channels + c);   \
        }                                                                                                              \
        AT(W, y + c) = scale * sum;                                                                                    \
    }
                FOR_LANES(c, s->channels, BODY)
#undef BODY
            }
        }
    }
}

KERNEL void ck_average_pool_gradient(const ck_pool_shape *s, const float *dy, float *dx) {
    for (int64_t i = 0; i < s->images * s->height * s->width * s->channels; i++) dx[i] = 0;
    for (int64_t n = 0; n < s->images; n++) {
        float *image = dx + n * s->height * s->width * s->channels;
        for (int64_t v = 0; v < s->outputHeight; v++) {
            for (int64_t u = 0; u < s->outputWidth; u++, dy += s->channels) {
                const span w = inside(s, v, u);
                const float scale = 1.0f / (float)((w.bottom - w.top) * (w.right - w.left));
                for (int64_t h = w.top; h < w.bottom; h++) {
                    for (int64_t i = w.left; i < w.right; i++) {
                        float *pixel = image + (h * s->width + i) * s->channels;
                        int64_t c = 0;
#define BODY(W) AT(W, pixel + c) = READ(W, pixel + c) + scale * READ(W, dy + c);
                        FOR_LANES(c, s->channels, BODY)
#undef BODY
                    }
                }
            }
        }
    }
}
