// Products of matrices with private, rearranged weights.
#include "Internal.h"

int odnn_matmul(odnn_engine *engine, int64_t m, int64_t k, int64_t o, int accumulate, const float *x, const float *w,
                int64_t strideK, int64_t strideO, const float *bias, float *y, odnn_operation **out) {
    odnn_operation *operation = NULL;
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_primitive_desc_t product = NULL;
    dnnl_matmul_desc_t description;
    dnnl_memory_desc_t xLayout, wLayout, slice, biasLayout, yLayout;
    dnnl_memory_t input, parameter, weights, offset, output;
    const dnnl_dims_t xDims = {m, k}, wDims = {k, o}, yDims = {m, o}, biasDims = {1, o}, wStrides = {strideK, strideO};
    int status;
    ODNN_TRY(odnn_operation_new(engine, &operation), failed);
    ODNN_TRY(dnnl_memory_desc_init_by_tag(&xLayout, 2, xDims, dnnl_f32, dnnl_ab), failed);
    ODNN_TRY(dnnl_memory_desc_init_by_tag(&wLayout, 2, wDims, dnnl_f32, dnnl_format_tag_any), failed);
    ODNN_TRY(dnnl_memory_desc_init_by_strides(&slice, 2, wDims, dnnl_f32, wStrides), failed);
    ODNN_TRY(dnnl_memory_desc_init_by_tag(&biasLayout, 2, biasDims, dnnl_f32, dnnl_ab), failed);
    ODNN_TRY(dnnl_memory_desc_init_by_tag(&yLayout, 2, yDims, dnnl_f32, dnnl_ab), failed);
    ODNN_TRY(odnn_attributes(accumulate, &attributes), failed);
    ODNN_TRY(dnnl_matmul_desc_init(&description, &xLayout, &wLayout, bias ? &biasLayout : NULL, &yLayout), failed);
    ODNN_TRY(odnn_primitive_choose(engine, &description, attributes, NULL, &product), failed);

    const dnnl_memory_desc_t *chosen = dnnl_primitive_desc_query_md(product, dnnl_query_weights_md, 0);
    ODNN_TRY(odnn_memory_at(operation, &slice, w, &parameter), failed);
    ODNN_TRY(odnn_memory_private(operation, chosen, &weights), failed);
    ODNN_TRY(odnn_step_reorder(operation, &operation->reload, parameter, weights, 0), failed);

    odnn_step *step = &operation->runs[0];
    operation->runCount = 1;
    ODNN_TRY(odnn_step_make(operation, step, product), failed);
    ODNN_TRY(odnn_memory_at(operation, &xLayout, x, &input), failed);
    ODNN_TRY(odnn_memory_at(operation, &yLayout, y, &output), failed);
    odnn_step_argument(step, DNNL_ARG_SRC, input);
    odnn_step_argument(step, DNNL_ARG_WEIGHTS, weights);
    odnn_step_argument(step, DNNL_ARG_DST, output);
    if (bias) {
        ODNN_TRY(odnn_memory_at(operation, &biasLayout, bias, &offset), failed);
        odnn_step_argument(step, DNNL_ARG_BIAS, offset);
    }
    ODNN_TRY(dnnl_primitive_desc_query(product, dnnl_query_impl_info_str, 0, (void *)&operation->implementation),
             failed);
    ODNN_TRY(odnn_operation_finish(operation), failed);
    *out = operation;
    operation = NULL;
failed:
    if (product) dnnl_primitive_desc_destroy(product);
    if (attributes) dnnl_primitive_attr_destroy(attributes);
    odnn_operation_destroy(operation);
    return status;
}
