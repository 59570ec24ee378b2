// What the forward and the backward group norm share: lanes. Private to this target.
//
// A row of C channels can be too short for vectors (C = 4, 8, 12), so an image [P, C] is read as rows of T floats, T a
// multiple of C and of 32, plus a shorter row of Q floats (a multiple of C). Lane j of a row is channel j mod C, and
// every coefficient of a channel is spread over the lanes once an image.
#pragma once
#include "CKernels.h"
#include "Vector.h"

/// As ck_group_norm and ck_group_norm_gradient, of images of one pixel.
void ck_group_norm_point(const ck_group_norm_shape *s, int silu, const float *x, const float *gamma, const float *beta,
                         const float *scaleShift, const float *residual, float *y, float *statistics);
void ck_group_norm_point_gradient(const ck_group_norm_shape *s, int silu, const float *dy, const float *x,
                                  const float *gamma, const float *beta, const float *scaleShift,
                                  const float *statistics, float *dx, float *dgamma, float *dbeta, float *dscaleShift,
                                  float *scratch);

/// Rows that are summed in float32 before the sum goes to float64.
enum { BLOCK = 32 };

typedef struct {
    int64_t lanes;  // T
    int64_t rows;   // whole rows of T in an image
    int64_t rest;   // Q
} lane_layout;

INLINE int64_t laneCount(int64_t channels) {
    int64_t a = channels, b = 32;
    while (b) {
        int64_t r = a % b;
        a = b;
        b = r;
    }
    int64_t lanes = channels / a * 32;
    return lanes < 64 ? 64 / lanes * lanes : lanes;
}

INLINE lane_layout lanesOf(const ck_group_norm_shape *s) {
    int64_t lanes = laneCount(s->channels), count = s->pixels * s->channels;
    return (lane_layout){.lanes = lanes, .rows = count / lanes, .rest = count % lanes};
}

/// out [T] from values [C].
INLINE void spread(const float *values, int64_t channels, float *out, int64_t lanes) {
    for (int64_t j = 0; j < lanes; j += channels) memcpy(out + j, values, (size_t)channels * sizeof(float));
}

/// out [C] = Σ of the lanes of each channel; lanes [T] in float64.
INLINE void gather(const double *lanes, int64_t count, double *out, int64_t channels) {
    memcpy(out, lanes, (size_t)channels * sizeof(double));
    for (int64_t j = channels; j < count; j += channels) {
        for (int64_t c = 0; c < channels; c++) out[c] += lanes[j + c];
    }
}
