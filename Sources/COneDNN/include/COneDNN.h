// The part of oneDNN that smd needs, behind opaque handles. No header of oneDNN is included here.
//
// Contract of every function that returns int: 0 is success, anything else is a status whose text is
// odnn_status_text(status); `out` is untouched on failure. Destroy functions accept NULL. Handles belong to the caller
// and must be destroyed before their engine. Nothing here is thread-safe: one engine belongs to one thread.
//
// Axis letters: N images, H rows, W columns, C input channels of this convolution, O output channels, I input channels
// of the whole weight parameter, M rows of a matrix. All operands are float32.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// From now on, until called with 0, memory that this thread's calls ask for is reserved and counted but not touched:
/// operations can be prepared, not run. Each call sets the count to zero.
void odnn_reserve(int on);
/// Bytes counted since, those given back taken off.
size_t odnn_reserved_bytes(void);

/// The device and its stream, and one pool of memory that all operations of the engine share while they run.
typedef struct odnn_engine odnn_engine;
/// A primitive with its operands at fixed places.
typedef struct odnn_operation odnn_operation;

/// A convolution over channels `firstWeightChannel ..< firstWeightChannel + C` of a weight parameter [O, I, kh, kw].
typedef struct {
    int64_t images, height, width, inputChannels;              // x  [N, H, W, C]
    int64_t outputHeight, outputWidth, outputChannels;         // y  [N, H', W', O]
    int64_t kernelHeight, kernelWidth, stride;                 // w  [O, I, kh, kw]
    int64_t paddingHeight, paddingWidth;
    int64_t weightInputChannels, firstWeightChannel;           // I, first of C
} odnn_convolution_shape;

/// Format in which a convolution reads activations (and gradients of them) and weights. Operands stay float32: bfloat16
/// copies are made in the pool at each run, of weights at each reload. Sums, biases and results are float32.
typedef enum { odnn_float32, odnn_bfloat16 } odnn_format;

/// 1 where oneDNN multiplies tiles of bfloat16 (AMX), 0 where it has vectors of them, emulates them or has no bfloat16
/// at all.
int odnn_has_bfloat16_tiles(void);

/// What oneDNN says a status means; never NULL.
const char *odnn_status_text(int status);

/// Makes an engine; oneDNN is kept to one thread whatever the environment says.
int odnn_engine_create(odnn_engine **out);
void odnn_engine_destroy(odnn_engine *engine);

/// y [N,H',W',O] = conv(x [N,H,W,C], w[:, slice]) (+ bias [O]) (+ y itself when `accumulate`). `bias` may be NULL.
/// w is copied into another layout by odnn_operation_reload, which must run after every change of it.
int odnn_convolution_forward(odnn_engine *engine, const odnn_convolution_shape *shape, odnn_format format,
                             int accumulate, const float *x, const float *w, const float *bias, float *y,
                             odnn_operation **out);

/// dx [N,H,W,C] = gradient of the convolution towards its input for dy [N,H',W',O] (+ addend [N,H,W,C] unless NULL,
/// which may be dx itself). Reload as above.
int odnn_convolution_input_gradient(odnn_engine *engine, const odnn_convolution_shape *shape, odnn_format format,
                                    const float *dy, const float *w, const float *addend, float *dx,
                                    odnn_operation **out);

/// dw[:, slice] += gradient towards w; dbias [O] += sum of dy as it is read, unless NULL. Nothing to reload.
int odnn_convolution_parameter_gradient(odnn_engine *engine, const odnn_convolution_shape *shape, odnn_format format,
                                        const float *x, const float *dy, float *dw, float *dbias,
                                        odnn_operation **out);

/// y [M,O] = x [M,K] · b [K,O] (+ bias [O]) (+ y itself when `accumulate`), b[k,o] at w[k·strideK + o·strideO].
/// Reload as above.
int odnn_matmul(odnn_engine *engine, int64_t m, int64_t k, int64_t o, int accumulate, const float *x, const float *w,
                int64_t strideK, int64_t strideO, const float *bias, float *y, odnn_operation **out);

/// Copies parameters into the private layout. Nothing to do, and 0, where nothing is derived.
int odnn_operation_reload(odnn_operation *operation);
int odnn_operation_run(odnn_operation *operation);
void odnn_operation_destroy(odnn_operation *operation);

/// C [m,n] = alpha · op(A) · op(B) + beta · C, row-major with leading dimensions; op transposes where the flag is set.
int odnn_sgemm(int transposeA, int transposeB, int64_t m, int64_t n, int64_t k, float alpha, const float *a,
               int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc);
