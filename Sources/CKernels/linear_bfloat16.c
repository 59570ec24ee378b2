// Linear layers with factors in bfloat16 on the processor's vectors. `inputs` and `outputs` are multiples of 16.
#include "bfloat16.h"

// Rows that are rounded at a time, few enough to stay with their results in L1 or L2.
enum { LINEAR_ROWS = 64 };

size_t ck_linear_bfloat16_scratch(int64_t inputs, int64_t outputs) {
    return (size_t)(LINEAR_ROWS / 2 * (inputs + outputs) + inputs * outputs);
}

KERNEL void ck_linear_bfloat16_weights(int64_t depth, int64_t columns, const float *w, int64_t row, int64_t column,
                                       uint32_t *to) {
    for (int64_t k = 0; k < depth; k += 2) {
        for (int64_t j = 0; j < columns; j++) {
            const float *pair = w + k * row + j * column;
            to[k / 2 * columns + j] = nearestBFloat16(pair[0]) >> 16 | nearestBFloat16(pair[row]);
        }
    }
}

void ck_linear_bfloat16(int64_t rows, int64_t inputs, int64_t outputs, const float *x, const uint32_t *w,
                        const float *bias, const float *addend, float *y, float *scratch) {
    uint16_t *packed = (uint16_t *)scratch;
    for (int64_t i0 = 0; i0 < rows; i0 += LINEAR_ROWS) {
        const int64_t count = rows - i0 < LINEAR_ROWS ? rows - i0 : LINEAR_ROWS;
        float *to = y + i0 * outputs;
        bf16_pack_rows(count * inputs, x + i0 * inputs, packed);
        if (addend && addend != y) memcpy(to, addend + i0 * outputs, (size_t)(count * outputs) * sizeof(float));
        for (int64_t i = 0; bias && i < count; i++) {
            if (addend) ck_add((size_t)outputs, bias, to + i * outputs, to + i * outputs);
            else memcpy(to + i * outputs, bias, (size_t)outputs * sizeof(float));
        }
        const bf16_pairs a = {(const uint32_t *)packed, inputs / 2, 1};
        bf16_vector_product(count, outputs, inputs / 2, a, w, outputs, bias || addend, to, outputs);
    }
}

void ck_linear_bfloat16_gradient(int64_t rows, int64_t inputs, int64_t outputs, const float *x, const float *dy,
                                 float *dw, int64_t dwRow, float *scratch) {
    uint32_t *xs = (uint32_t *)scratch, *dys = xs + LINEAR_ROWS / 2 * inputs;
    float *sums = (float *)(dys + LINEAR_ROWS / 2 * outputs);
    for (int64_t i0 = 0; i0 < rows; i0 += LINEAR_ROWS) {
        const int64_t count = rows - i0 < LINEAR_ROWS ? rows - i0 : LINEAR_ROWS;
        bf16_pack_pairs(count, inputs, x + i0 * inputs, xs);
        bf16_pack_pairs(count, outputs, dy + i0 * outputs, dys);
        const bf16_pairs a = {dys, 1, outputs};
        bf16_vector_product(outputs, inputs, (count + 1) / 2, a, xs, inputs, i0 > 0, sums, inputs);
    }
    for (int64_t o = 0; o < outputs; o++) {
        ck_add((size_t)inputs, sums + o * inputs, dw + o * dwRow, dw + o * dwRow);
    }
}
