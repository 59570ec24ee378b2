// Products of matrices with private, rearranged weights.
#include "Internal.h"

int odnn_matmul(odnn_engine *engine, int64_t m, int64_t k, int64_t o, int accumulate, const float *x, const float *w,
                int64_t strideK, int64_t strideO, const float *bias, float *y, odnn_operation **out) {
    odnn_operation *operation = NULL;
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_primitive_desc_t product = NULL;
    dnnl_matmul_desc_t description;
    dnnl_memory_desc_t xLayout, wLayout, slice, biasLayout, yLayout;
    dnnl_memory_t input, weights, offset, output;
    const dnnl_dims_t xDims = {m, k}, wDims = {k, o}, yDims = {m, o}, biasDims = {1, o}, wStrides = {strideK, strideO};
    int status;
    ODNN_TRY(odnn_operation_new(engine, &operation), done);
    ODNN_TRY(dnnl_memory_desc_init_by_tag(&xLayout, 2, xDims, dnnl_f32, dnnl_ab), done);
    ODNN_TRY(dnnl_memory_desc_init_by_tag(&wLayout, 2, wDims, dnnl_f32, dnnl_format_tag_any), done);
    ODNN_TRY(dnnl_memory_desc_init_by_strides(&slice, 2, wDims, dnnl_f32, wStrides), done);
    ODNN_TRY(dnnl_memory_desc_init_by_tag(&biasLayout, 2, biasDims, dnnl_f32, dnnl_ab), done);
    ODNN_TRY(dnnl_memory_desc_init_by_tag(&yLayout, 2, yDims, dnnl_f32, dnnl_ab), done);
    ODNN_TRY(odnn_attributes(accumulate, &attributes), done);
    ODNN_TRY(dnnl_matmul_desc_init(&description, &xLayout, &wLayout, bias ? &biasLayout : NULL, &yLayout), done);
    ODNN_TRY(odnn_primitive_choose(engine, &description, attributes, NULL, &product), done);

    ODNN_TRY(odnn_memory_weights(operation, product, &slice, w, &weights), done);

    odnn_step *step = &operation->runs[0];
    operation->runCount = 1;
    ODNN_TRY(odnn_step_make(operation, step, product), done);
    ODNN_TRY(odnn_memory_at(operation, &xLayout, x, &input), done);
    ODNN_TRY(odnn_memory_at(operation, &yLayout, y, &output), done);
    odnn_step_argument(step, DNNL_ARG_SRC, input);
    odnn_step_argument(step, DNNL_ARG_WEIGHTS, weights);
    odnn_step_argument(step, DNNL_ARG_DST, output);
    if (bias) {
        ODNN_TRY(odnn_memory_at(operation, &biasLayout, bias, &offset), done);
        odnn_step_argument(step, DNNL_ARG_BIAS, offset);
    }
done:
    return odnn_operation_finish(operation, status, NULL, product, attributes, out);
}
