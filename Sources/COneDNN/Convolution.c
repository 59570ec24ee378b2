// Convolutions: activations stay channels last, weights go to whatever layout the primitive wishes.
#include "Internal.h"

// Descriptions of the operands of one convolution, in oneDNN's logical order (N, C, H, W).
typedef struct {
    dnnl_memory_desc_t x, y, bias;      // float32, as they lie
    dnnl_memory_desc_t xRead, yRead;    // the same in the format that they are read in
    dnnl_memory_desc_t weights;         // in that format, layout left to the primitive
    dnnl_memory_desc_t weightGradient;  // float32, layout left to the primitive
    dnnl_memory_desc_t slice;           // the slice of the parameter [O, I, kh, kw], where it lies
    dnnl_dims_t strides, before, after;
} layouts;

static int describe(const odnn_convolution_shape *s, odnn_format format, layouts *out) {
    const dnnl_data_type_t f32 = dnnl_f32, read = format == odnn_bfloat16 ? dnnl_bf16 : dnnl_f32;
    dnnl_dims_t x = {s->images, s->inputChannels, s->height, s->width};
    dnnl_dims_t y = {s->images, s->outputChannels, s->outputHeight, s->outputWidth};
    dnnl_dims_t w = {s->outputChannels, s->inputChannels, s->kernelHeight, s->kernelWidth};
    dnnl_dims_t o = {s->outputChannels};
    int64_t kernel = s->kernelHeight * s->kernelWidth;
    dnnl_dims_t strides = {s->weightInputChannels * kernel, kernel, s->kernelWidth, 1};
    int status;
    ODNN_TRY(dnnl_memory_desc_init_by_tag(&out->x, 4, x, f32, dnnl_nhwc), done);
    ODNN_TRY(dnnl_memory_desc_init_by_tag(&out->y, 4, y, f32, dnnl_nhwc), done);
    ODNN_TRY(dnnl_memory_desc_init_by_tag(&out->bias, 1, o, f32, dnnl_x), done);
    ODNN_TRY(dnnl_memory_desc_init_by_tag(&out->xRead, 4, x, read, dnnl_nhwc), done);
    ODNN_TRY(dnnl_memory_desc_init_by_tag(&out->yRead, 4, y, read, dnnl_nhwc), done);
    ODNN_TRY(dnnl_memory_desc_init_by_tag(&out->weights, 4, w, read, dnnl_format_tag_any), done);
    ODNN_TRY(dnnl_memory_desc_init_by_tag(&out->weightGradient, 4, w, f32, dnnl_format_tag_any), done);
    ODNN_TRY(dnnl_memory_desc_init_by_strides(&out->slice, 4, w, f32, strides), done);
    out->strides[0] = out->strides[1] = s->stride;
    out->before[0] = s->paddingHeight;
    out->before[1] = s->paddingWidth;
    // What is missing at the end so that the last window fits; negative where the last rows are not used.
    out->after[0] = (s->outputHeight - 1) * s->stride + s->kernelHeight - s->height - s->paddingHeight;
    out->after[1] = (s->outputWidth - 1) * s->stride + s->kernelWidth - s->width - s->paddingWidth;
done:
    return status;
}

static const float *sliceOf(const float *w, const odnn_convolution_shape *s) {
    return w + s->firstWeightChannel * s->kernelHeight * s->kernelWidth;
}

static int describeForward(const layouts *l, int bias, const_dnnl_primitive_attr_t attributes, odnn_engine *engine,
                           dnnl_primitive_desc_t *out) {
    dnnl_convolution_desc_t description;
    int status = (int)dnnl_convolution_forward_desc_init(&description, dnnl_forward_training, dnnl_convolution_direct,
                                                         &l->xRead, &l->weights, bias ? &l->bias : NULL, &l->y,
                                                         l->strides, l->before, l->after);
    return status ? status : odnn_primitive_choose(engine, &description, attributes, NULL, out);
}

// The memory object that a primitive reads: `data` as it lies, or a copy in the pool that a step before it makes.
static int readAs(odnn_operation *operation, const dnnl_memory_desc_t *lies, const dnnl_memory_desc_t *read,
                  const float *data, dnnl_memory_t *out) {
    dnnl_memory_t source;
    int status = odnn_memory_at(operation, lies, data, &source);
    if (status) return status;
    if (read->data_type == lies->data_type) {
        *out = source;
        return 0;
    }
    status = odnn_memory_pooled(operation, read, out);
    if (status) return status;
    return odnn_step_reorder(operation, &operation->runs[operation->runCount++], source, *out, 0);
}

// `rotated`, unless NULL: the convolution whose input gradient this one computes; the parameter is that convolution's.
static int makeForward(odnn_engine *engine, const odnn_convolution_shape *shape, odnn_format format, int accumulate,
                       const float *x, const float *w, const odnn_convolution_shape *rotated, const float *bias,
                       float *y, odnn_operation **out) {
    odnn_operation *operation = NULL;
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_primitive_desc_t forward = NULL;
    dnnl_memory_t weights, input, output, offset;
    layouts l;
    int status;
    ODNN_TRY(odnn_operation_new(engine, &operation), done);
    ODNN_TRY(describe(shape, format, &l), done);
    ODNN_TRY(odnn_attributes(accumulate, &attributes), done);
    ODNN_TRY(describeForward(&l, bias != NULL, attributes, engine, &forward), done);

    if (rotated) {
        operation->rotated = odnn_allocate(dnnl_memory_desc_get_size(&l.slice));
        status = dnnl_out_of_memory;
        if (!operation->rotated) goto done;
        operation->rotatedFrom = w;
        operation->rotatedShape = *rotated;
        w = operation->rotated;
    }
    ODNN_TRY(odnn_memory_weights(operation, forward, &l.slice, sliceOf(w, shape), &weights), done);

    ODNN_TRY(readAs(operation, &l.x, &l.xRead, x, &input), done);
    odnn_step *step = &operation->runs[operation->runCount++];
    ODNN_TRY(odnn_step_make(operation, step, forward), done);
    ODNN_TRY(odnn_memory_at(operation, &l.y, y, &output), done);
    odnn_step_argument(step, DNNL_ARG_SRC, input);
    odnn_step_argument(step, DNNL_ARG_WEIGHTS, weights);
    odnn_step_argument(step, DNNL_ARG_DST, output);
    if (bias) {
        ODNN_TRY(odnn_memory_at(operation, &l.bias, bias, &offset), done);
        odnn_step_argument(step, DNNL_ARG_BIAS, offset);
    }
done:
    return odnn_operation_finish(operation, status, NULL, forward, attributes, out);
}

int odnn_convolution_forward(odnn_engine *engine, const odnn_convolution_shape *shape, odnn_format format,
                             int accumulate, const float *x, const float *w, const float *bias, float *y,
                             odnn_operation **out) {
    return makeForward(engine, shape, format, accumulate, x, w, NULL, bias, y, out);
}

void odnn_rotate_weights(const odnn_convolution_shape *shape, const float *w, float *to) {
    int64_t O = shape->outputChannels, C = shape->inputChannels, kernel = shape->kernelHeight * shape->kernelWidth;
    w = sliceOf(w, shape);
    for (int64_t c = 0; c < C; c++) {
        for (int64_t o = 0; o < O; o++) {
            const float *from = w + (o * shape->weightInputChannels + c) * kernel;
            float *window = to + (c * O + o) * kernel;
            for (int64_t k = 0; k < kernel; k++) window[k] = from[kernel - 1 - k];
        }
    }
}

// With stride 1 the input gradient is itself a convolution, of dy with the weights rotated by 180°; and unlike a
// backward primitive a forward one can add to what is there (at the same speed), which saves a pass over dx.
static int addInputGradient(odnn_engine *engine, const odnn_convolution_shape *shape, odnn_format format,
                            const float *dy, const float *w, float *dx, odnn_operation **out) {
    odnn_convolution_shape back = {
        .images = shape->images,
        .height = shape->outputHeight,
        .width = shape->outputWidth,
        .inputChannels = shape->outputChannels,
        .outputHeight = shape->height,
        .outputWidth = shape->width,
        .outputChannels = shape->inputChannels,
        .kernelHeight = shape->kernelHeight,
        .kernelWidth = shape->kernelWidth,
        .stride = 1,
        .paddingHeight = shape->kernelHeight - 1 - shape->paddingHeight,
        .paddingWidth = shape->kernelWidth - 1 - shape->paddingWidth,
        .weightInputChannels = shape->outputChannels,
        .firstWeightChannel = 0,
    };
    return makeForward(engine, &back, format, 1, dy, w, shape, NULL, dx, out);
}

int odnn_convolution_input_gradient(odnn_engine *engine, const odnn_convolution_shape *shape, odnn_format format,
                                    const float *dy, const float *w, const float *addend, float *dx,
                                    odnn_operation **out) {
    if (addend == dx && shape->stride == 1 && shape->kernelHeight == shape->kernelWidth
        && shape->paddingHeight < shape->kernelHeight && shape->paddingWidth < shape->kernelWidth) {
        return addInputGradient(engine, shape, format, dy, w, dx, out);
    }
    odnn_operation *operation = NULL;
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_primitive_desc_t hint = NULL, backward = NULL;
    dnnl_convolution_desc_t description;
    dnnl_memory_t weights, dInput, dOutput;
    layouts l;
    int status;
    ODNN_TRY(odnn_operation_new(engine, &operation), done);
    ODNN_TRY(describe(shape, format, &l), done);
    ODNN_TRY(odnn_attributes(0, &attributes), done);
    ODNN_TRY(describeForward(&l, 0, NULL, engine, &hint), done);
    ODNN_TRY(dnnl_convolution_backward_data_desc_init(&description, dnnl_convolution_direct, &l.x, &l.weights,
                                                      &l.yRead, l.strides, l.before, l.after),
             done);
    ODNN_TRY(odnn_primitive_choose(engine, &description, attributes, hint, &backward), done);

    ODNN_TRY(odnn_memory_weights(operation, backward, &l.slice, sliceOf(w, shape), &weights), done);

    ODNN_TRY(readAs(operation, &l.y, &l.yRead, dy, &dOutput), done);
    odnn_step *step = &operation->runs[operation->runCount++];
    ODNN_TRY(odnn_step_make(operation, step, backward), done);
    if (addend) {
        // oneDNN 2.6 has no sum after a backward convolution: the gradient goes to the pool, then both are added.
        ODNN_TRY(odnn_memory_pooled(operation, &l.x, &dInput), done);
        operation->addTarget = dx;
        operation->addSource = addend;
        operation->addOffset = operation->pooled[operation->pooledCount - 1].offset;
        operation->addCount = (size_t)(shape->images * shape->height * shape->width * shape->inputChannels);
    } else {
        ODNN_TRY(odnn_memory_at(operation, &l.x, dx, &dInput), done);
    }
    odnn_step_argument(step, DNNL_ARG_DIFF_DST, dOutput);
    odnn_step_argument(step, DNNL_ARG_WEIGHTS, weights);
    odnn_step_argument(step, DNNL_ARG_DIFF_SRC, dInput);
done:
    return odnn_operation_finish(operation, status, hint, backward, attributes, out);
}

int odnn_convolution_parameter_gradient(odnn_engine *engine, const odnn_convolution_shape *shape, odnn_format format,
                                        const float *x, const float *dy, float *dw, float *dbias,
                                        odnn_operation **out) {
    odnn_operation *operation = NULL;
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_primitive_desc_t hint = NULL, backward = NULL;
    dnnl_convolution_desc_t description;
    dnnl_memory_t slice, dWeights, input, dOutput, dOffset;
    layouts l;
    int status;
    ODNN_TRY(odnn_operation_new(engine, &operation), done);
    ODNN_TRY(describe(shape, format, &l), done);
    ODNN_TRY(odnn_attributes(0, &attributes), done);
    ODNN_TRY(describeForward(&l, dbias != NULL, NULL, engine, &hint), done);
    ODNN_TRY(dnnl_convolution_backward_weights_desc_init(&description, dnnl_convolution_direct, &l.xRead,
                                                         &l.weightGradient, dbias ? &l.bias : NULL, &l.yRead,
                                                         l.strides, l.before, l.after),
             done);
    ODNN_TRY(odnn_primitive_choose(engine, &description, attributes, hint, &backward), done);

    ODNN_TRY(readAs(operation, &l.x, &l.xRead, x, &input), done);
    ODNN_TRY(readAs(operation, &l.y, &l.yRead, dy, &dOutput), done);
    odnn_step *step = &operation->runs[operation->runCount++];
    ODNN_TRY(odnn_step_make(operation, step, backward), done);
    const dnnl_memory_desc_t *chosen = dnnl_primitive_desc_query_md(backward, dnnl_query_diff_weights_md, 0);
    ODNN_TRY(odnn_memory_pooled(operation, chosen, &dWeights), done);
    odnn_step_argument(step, DNNL_ARG_SRC, input);
    odnn_step_argument(step, DNNL_ARG_DIFF_DST, dOutput);
    odnn_step_argument(step, DNNL_ARG_DIFF_WEIGHTS, dWeights);
    if (dbias) {
        ODNN_TRY(odnn_memory_pooled(operation, &l.bias, &dOffset), done);
        odnn_step_argument(step, DNNL_ARG_DIFF_BIAS, dOffset);
        operation->addTarget = dbias;
        operation->addSource = dbias;
        operation->addOffset = operation->pooled[operation->pooledCount - 1].offset;
        operation->addCount = (size_t)shape->outputChannels;
    }
    // The primitive assigns in its own layout; the parameter's gradient accumulates in O, I, H, W.
    ODNN_TRY(odnn_memory_at(operation, &l.slice, sliceOf(dw, shape), &slice), done);
    odnn_step *accumulate = &operation->runs[operation->runCount++];
    ODNN_TRY(odnn_step_reorder(operation, accumulate, dWeights, slice, 1), done);
done:
    return odnn_operation_finish(operation, status, hint, backward, attributes, out);
}
