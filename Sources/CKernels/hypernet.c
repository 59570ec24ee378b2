// The hypernetwork (SMD, section 4). Its layer is W r = p (p·r) + softplus(s) r; all of it is, for a pixel,
//
//     r_0 = W_in x + b_in,  p_i = W_i z + b_i,  r_i = p_i (p_i·r_{i-1}) + softplus(s_i) r_{i-1},  i = 1 … K
//     y = x + W_out r_K + b_out
//
// computed for one tile of rows at a time, which stays in cache: only x, z and y pass through memory, and the gradient
// computes r and p of its tile again. (With many channels the products that are computed twice cost more than the
// traffic that is saved: Graph.fuse(for:) keeps hypernetworks wider than 128 as operations of their own.) Axis letters:
// R rows (pixels), C channels of x, L latent numbers, K layers.
#include "attention.h"
#include "product.h"
#include <math.h>

enum { ROWS = 64 };

static float softplus(float s) {
    return (float)(s > 0 ? (double)s + log1p(exp(-(double)s)) : log1p(exp((double)s)));
}

static double sigmoid(float s) { return 1 / (1 + exp(-(double)s)); }

// Row i of p is the numbers at p + i·row, and `bias`, unless NULL, to be added to each.
typedef struct {
    const float *base, *bias;
    int64_t row;
} vectors;

#define VECTOR(W, p, i, l)                                                                                             \
    ((p).bias ? READ(W, (p).base + (i) * (p).row + (l)) + READ(W, (p).bias + (l))                                      \
              : READ(W, (p).base + (i) * (p).row + (l)))

// to [R] = p·r row by row. How a sum is formed does not depend on the rows that are taken together.
INLINE void dots(int64_t rows, int64_t length, vectors p, const float *r, float *to) {
    const int64_t whole = length / 16 * 16;
    for (int64_t row = 0; row < rows; row += 4) {
        const int64_t count = rows - row < 4 ? rows - row : 4;
        f16 s[4] = {{0}};
        if (count == 4) {
            for (int64_t l = 0; l < whole; l += 16) {
                for (int k = 0; k < 4; k++) s[k] += VECTOR(16, p, row + k, l) * READ(16, r + (row + k) * length + l);
            }
        } else {
            for (int64_t k = 0; k < count; k++) {
                for (int64_t l = 0; l < whole; l += 16) {
                    s[k] += VECTOR(16, p, row + k, l) * READ(16, r + (row + k) * length + l);
                }
            }
        }
        // Halves are added to halves, of four rows at once.
        f16 low = __builtin_shufflevector(s[0], s[1], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23)
            + __builtin_shufflevector(s[0], s[1], 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
        f16 high = __builtin_shufflevector(s[2], s[3], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23)
            + __builtin_shufflevector(s[2], s[3], 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
        f16 all = __builtin_shufflevector(low, high, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27)
            + __builtin_shufflevector(low, high, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
        f8 half = __builtin_shufflevector(all, all, 0, 1, 4, 5, 8, 9, 12, 13)
            + __builtin_shufflevector(all, all, 2, 3, 6, 7, 10, 11, 14, 15);
        f4 sums = __builtin_shufflevector(half, half, 0, 2, 4, 6) + __builtin_shufflevector(half, half, 1, 3, 5, 7);
        if (count == 4) AT(4, to + row) = sums;
        for (int64_t k = 0; k < count && count < 4; k++) to[row + k] = sums[k];
        for (int64_t k = row; k < row + count && whole < length; k++) {
            int64_t l = whole;
#define BODY(W)                                                                                                        \
    {                                                                                                                  \
        f##W part = VECTOR(W, p, k, l) * READ(W, r + k * length + l);                                                  \
        to[k] += sum##W(&part);                                                                                        \
    }
            FOR_LANES(l, length, BODY)
#undef BODY
        }
    }
}

// y = p (p·r) + own r; along [R] receives p·r. y may be r.
INLINE void update(int64_t rows, int64_t length, float own, const float *r, vectors p, float *y, float *along) {
    dots(rows, length, p, r, along);
    int64_t l = 0;
#define BODY(W)                                                                                                        \
    for (int64_t i = 0; i < rows; i++) {                                                                               \
        AT(W, y + i * length + l) = VECTOR(W, p, i, l) * along[i] + READ(W, r + i * length + l) * own;                 \
    }
    FOR_LANES(l, length, BODY)
#undef BODY
}

// dr = p (p·dy) + own dy, dp = dy (p·r) + r (p·dy); returns Σ dy·r, its columns added up in float32: for one tile.
// along [R] is p·r, back [R] is scratch; rows of dp are as far apart as those of p. dr may be dy, dp may be p.
// columnsOfR and columnsOfP [L], unless NULL, receive the sums of columns of dr and dp.
INLINE double updateGradient(int64_t rows, int64_t length, float own, const float *along, const float *dy,
                             const float *r, vectors p, float *dr, float *dp, float *back, float *columnsOfR,
                             float *columnsOfP) {
    double total = 0;
    dots(rows, length, p, dy, back);
    int64_t l = 0;
#define BODY(W)                                                                                                        \
    {                                                                                                                  \
        const float *d = dy + l, *before = r + l, *v = p.base + l;                                                     \
        float *toR = dr + l, *toP = dp + l;                                                                            \
        f##W sum = {0}, sumR = {0}, sumP = {0}, bias = {0};                                                            \
        if (p.bias) bias = READ(W, p.bias + l);                                                                        \
        for (int64_t i = 0; i < rows; i++) {                                                                           \
            OPAQUE(before);                                                                                            \
            const f##W di = READ(W, d), ri = READ(W, before), vi = READ(W, v) + bias;                                  \
            const f##W newP = di * along[i] + ri * back[i], newR = vi * back[i] + di * own;                            \
            sum += di * ri;                                                                                            \
            sumP += newP;                                                                                              \
            sumR += newR;                                                                                              \
            AT(W, toP) = newP;                                                                                         \
            AT(W, toR) = newR;                                                                                         \
            d += length, before += length, toR += length, v += p.row, toP += p.row;                                    \
        }                                                                                                              \
        if (columnsOfR) AT(W, columnsOfR + l) = sumR;                                                                  \
        if (columnsOfP) AT(W, columnsOfP + l) = sumP;                                                                  \
        total += (double)sum##W(&sum);                                                                                 \
    }
    FOR_LANES(l, length, BODY)
#undef BODY
    return total;
}

KERNEL void ck_rank_one_update(int64_t rows, int64_t length, const float *r, const float *p, const float *scale,
                               float *y) {
    float along[ROWS];
    const float own = softplus(*scale);
    for (int64_t i0 = 0; i0 < rows; i0 += ROWS) {
        const int64_t count = rows - i0 < ROWS ? rows - i0 : ROWS, first = i0 * length;
        update(count, length, own, r + first, (vectors){p + first, NULL, length}, y + first, along);
    }
}

KERNEL void ck_rank_one_update_gradient(int64_t rows, int64_t length, const float *dy, const float *r, const float *p,
                                        const float *scale, float *dr, float *dp, float *dscale) {
    float along[ROWS], back[ROWS];
    const float own = softplus(*scale);
    double total = 0;
    for (int64_t i0 = 0; i0 < rows; i0 += ROWS) {
        const int64_t count = rows - i0 < ROWS ? rows - i0 : ROWS, first = i0 * length;
        const vectors pt = {p + first, NULL, length};
        dots(count, length, pt, r + first, along);
        total += updateGradient(count, length, own, along, dy + first, r + first, pt, dr + first, dp + first, back,
                                NULL, NULL);
    }
    *dscale += (float)(total * sigmoid(*scale));
}

// MARK: The whole of it

// Where the parameters are, in the order of the operation; then W_i and b_i of each layer.
enum { W_IN, B_IN, W_OUT, B_OUT, SCALES, LAYERS };

// Parameters as the kernels read them, D = K·L: W_inᵀ [C, L]; W_outᵀ [L, C]; W_1ᵀ … W_Kᵀ side by side [L, D]; W_1 … W_K
// one below the other [D, L]; b_1 … b_K [D]; softplus(scales) [K].
typedef struct {
    float *into, *outOf, *projections, *stacked, *bias, *own;
    size_t count;
} weights;

#define PLACE(NAME, COUNT) l.NAME = base ? base + next : NULL, next += (size_t)((COUNT) + 15) / 16 * 16;
INLINE weights weightsAt(const ck_hypernetwork_shape *s, float *base) {
    const int64_t D = s->layers * s->latent;
    weights l;
    size_t next = 0;
    PLACE(into, s->channels * s->latent)
    PLACE(outOf, s->channels * s->latent)
    PLACE(projections, D * s->latent)
    PLACE(stacked, D * s->latent)
    PLACE(bias, D)
    PLACE(own, s->layers)
    l.count = next;
    return l;
}

// Of a tile: r_0 … r_K [K+1, R, L], then dr over r_K; p of all layers side by side [R, D], without the bias, then dp
// over it; p_i·r_{i-1} [K, R], p_i·dr_i [R], sums of columns of dy [C], dr [L] and dp [D]. Of all tiles: dW_1ᵀ … dW_Kᵀ
// side by side [L, D]; dW_1 … dW_K one below the other [D, L]; sums for b_out [C], b_in [L], b_1 … b_K [D], scales [K],
// in double.
typedef struct {
    float *r, *p, *along, *back, *columns, *columnsOfR, *columnsOfP, *dw, *transposedDW, *sums;
    size_t count;
} tile;

INLINE tile tileAt(const ck_hypernetwork_shape *s, float *base) {
    const int64_t C = s->channels, L = s->latent, K = s->layers, D = K * L;
    tile l;
    size_t next = 0;
    PLACE(r, (K + 1) * ROWS * L)
    PLACE(p, ROWS * D)
    PLACE(along, K * ROWS)
    PLACE(back, ROWS)
    PLACE(columns, C)
    PLACE(columnsOfR, L)
    PLACE(columnsOfP, D)
    PLACE(dw, L * D)
    PLACE(transposedDW, L * D)
    PLACE(sums, 2 * (C + L + D + K))
    l.count = next;
    return l;
}
#undef PLACE

size_t ck_hypernetwork_weights(const ck_hypernetwork_shape *s) { return weightsAt(s, NULL).count; }
size_t ck_hypernetwork_scratch(const ck_hypernetwork_shape *s) { return tileAt(s, NULL).count; }

void ck_hypernetwork_arrange(const ck_hypernetwork_shape *s, const float *const *parameters, float *to) {
    const int64_t C = s->channels, L = s->latent, K = s->layers;
    const weights w = weightsAt(s, to);
    ck_transpose(L, C, parameters[W_IN], C, w.into);
    ck_transpose(C, L, parameters[W_OUT], L, w.outOf);
    for (int64_t i = 0; i < K; i++) {
        memcpy(w.stacked + i * L * L, parameters[LAYERS + 2 * i], (size_t)(L * L) * sizeof(float));
        memcpy(w.bias + i * L, parameters[LAYERS + 2 * i + 1], (size_t)L * sizeof(float));
        w.own[i] = softplus(parameters[SCALES][i]);
    }
    ck_transpose(K * L, L, w.stacked, L, w.projections);
}

// Every row of y [R, n] = bias (+ that of base, unless NULL). y may be base.
INLINE void biasedRows(int64_t rows, int64_t n, const float *bias, const float *base, float *y) {
    int64_t j = 0;
#define BODY(W)                                                                                                        \
    {                                                                                                                  \
        const f##W b = READ(W, bias + j);                                                                              \
        for (int64_t i = j; i < rows * n; i += n) AT(W, y + i) = base ? READ(W, base + i) + b : b;                     \
    }
    FOR_LANES(j, n, BODY)
#undef BODY
}

// sums [n] += Σ over a tile's rows of x [R, n]; columns [n] is scratch.
INLINE void addColumnSums(int64_t rows, int64_t n, const float *x, double *sums, float *columns) {
    int64_t j = 0;
#define BODY(W)                                                                                                        \
    {                                                                                                                  \
        f##W s[4] = {{0}};                                                                                             \
        int64_t i = 0;                                                                                                 \
        for (; i + 4 <= rows; i += 4) {                                                                                \
            for (int k = 0; k < 4; k++) s[k] += READ(W, x + (i + k) * n + j);                                          \
        }                                                                                                              \
        for (; i < rows; i++) s[0] += READ(W, x + i * n + j);                                                          \
        AT(W, columns + j) = (s[0] + s[1]) + (s[2] + s[3]);                                                            \
    }
    FOR_LANES(j, n, BODY)
#undef BODY
    for (j = 0; j < n; j++) sums[j] += (double)columns[j];
}

// Rows of the tile that begins at `first`.
INLINE int64_t rowsFrom(const ck_hypernetwork_shape *s, int64_t first) {
    return s->rows - first < ROWS ? s->rows - first : ROWS;
}

// A matrix [rows, n] that another product is going to read or write, and that is not in L1 or L2.
typedef struct {
    const float *base;
    int64_t rows, n;
} wanted;

static const wanted nothing = {NULL, 0, 0};

// Prefetches rows i ..< i + count of a matrix into L1.
INLINE void fetch(wanted matrix, int64_t i, int64_t count) {
    const int64_t end = i + count < matrix.rows ? i + count : matrix.rows;
    for (int64_t j = i * matrix.n; j < end * matrix.n; j += 16) __builtin_prefetch(matrix.base + j);
}

// C [m,n] (+)= A [m,k] B [k,n], prefetching two matrices meanwhile: a few rows at a time, because more requests than
// the cache can have open would make the product wait. The product is divided for that, unless B is too large to be
// read so often.
INLINE void productWhile(wanted first, wanted second, int64_t m, int64_t n, int64_t k, const float *a, const float *b,
                         int add, float *c) {
    const int64_t part = n * k <= 4096 ? 12 : m;
    for (int64_t i = 0; i < m; i += part) {
        const int64_t rows = m - i < part ? m - i : part;
        fetch(first, i, rows);
        fetch(second, i, rows);
        product(rows, n, k, a + i * k, b, add, c + i * n);
    }
}

// p of all layers but for the bias, and r: layer i reads r + i·step and writes r + (i+1)·step, over it where step is 0.
// Meanwhile `soon` are prefetched.
INLINE void applyLayers(const ck_hypernetwork_shape *s, const float *biasIn, const weights *w, int64_t rows,
                        const float *x, const float *z, float *r, int64_t step, float *p, float *along,
                        const wanted soon[3]) {
    const int64_t L = s->latent, K = s->layers, D = K * L;
    biasedRows(rows, L, biasIn, NULL, r);
    productWhile(soon[0], nothing, rows, L, s->channels, x, w->into, 1, r);
    productWhile(soon[1], soon[2], rows, D, L, z, w->projections, 0, p);
    for (int64_t i = 0; i < K; i++) {
        const vectors pi = {p + i * L, w->bias + i * L, D};
        update(rows, L, w->own[i], r + i * step, pi, r + (i + 1) * step, along + i * ROWS);
    }
}

KERNEL void ck_hypernetwork(const ck_hypernetwork_shape *s, const float *const *parameters, const float *arranged,
                            const float *x, const float *z, float *y, float *scratch) {
    const int64_t C = s->channels, L = s->latent;
    const weights w = weightsAt(s, (float *)arranged);
    const tile t = tileAt(s, scratch);
    for (int64_t i0 = 0; i0 < s->rows; i0 += ROWS) {
        const int64_t rows = rowsFrom(s, i0), next = rowsFrom(s, i0 + rows);
        const float *xt = x + i0 * C, *zt = z + i0 * L;
        float *yt = y + i0 * C;
        const wanted soon[3] = {{yt, rows, C}, {xt + rows * C, next, C}, {zt + rows * L, next, L}};
        applyLayers(s, parameters[B_IN], &w, rows, xt, zt, t.r, 0, t.p, t.along, soon);
        biasedRows(rows, C, parameters[B_OUT], xt, yt);
        product(rows, C, L, t.r, w.outOf, 1, yt);
    }
}

KERNEL void ck_hypernetwork_gradient(const ck_hypernetwork_shape *s, const float *const *parameters,
                                     const float *arranged, const float *dy, const float *x, const float *z,
                                     const float *addend, float *dx, float *dz, float *const *gradients,
                                     float *scratch) {
    const int64_t C = s->channels, L = s->latent, K = s->layers, D = K * L, step = ROWS * L;
    const weights w = weightsAt(s, (float *)arranged);
    const tile t = tileAt(s, scratch);
    double *sumsOut = (double *)t.sums, *sumsIn = sumsOut + C, *sums = sumsIn + L, *totals = sums + D;
    memset(t.sums, 0, (size_t)(C + L + D + K) * sizeof(double));
    for (int64_t i0 = 0; i0 < s->rows; i0 += ROWS) {
        const int64_t rows = rowsFrom(s, i0), next = rowsFrom(s, i0 + rows);
        const float *dyt = dy + i0 * C, *xt = x + i0 * C, *zt = z + i0 * L;
        float *dxt = dx + i0 * C, *dzt = dz + i0 * L;
        const wanted soon[3] = {nothing, addend ? (wanted){addend + i0 * L, rows, L} : nothing, nothing};
        applyLayers(s, parameters[B_IN], &w, rows, xt, zt, t.r, step, t.p, t.along, soon);

        productOfTransposed(C, L, rows, dyt, t.r + K * step, 1, gradients[W_OUT]);
        addColumnSums(rows, C, dyt, sumsOut, t.columns);
        float *dr = t.r + K * step, *dp = t.p;
        productWhile((wanted){dzt, rows, L}, (wanted){dxt, rows, C}, rows, L, C, dyt, parameters[W_OUT], 0, dr);

        for (int64_t i = K - 1; i >= 0; i--) {
            const vectors pi = {t.p + i * L, w.bias + i * L, D};
            totals[i] += updateGradient(rows, L, w.own[i], t.along + i * ROWS, dr, t.r + i * step, pi, dr, dp + i * L,
                                        t.back, t.columnsOfR, t.columnsOfP + i * L);
        }
        productOfTransposed(L, D, rows, zt, dp, i0 > 0, t.dw);
        for (int64_t j = 0; j < D; j++) sums[j] += (double)t.columnsOfP[j];
        if (addend && addend != dz) memcpy(dzt, addend + i0 * L, (size_t)(rows * L) * sizeof(float));
        productWhile((wanted){xt + rows * C, next, C}, (wanted){dyt + rows * C, next, C}, rows, L, D, dp, w.stacked,
                     addend != NULL, dzt);

        productOfTransposed(L, C, rows, dr, xt, 1, gradients[W_IN]);
        for (int64_t j = 0; j < L; j++) sumsIn[j] += (double)t.columnsOfR[j];
        if (dx != dy) memcpy(dxt, dyt, (size_t)(rows * C) * sizeof(float));
        productWhile((wanted){zt + rows * L, next, L}, nothing, rows, C, L, dr, parameters[W_IN], 1, dxt);
    }
    ck_transpose(L, D, t.dw, D, t.transposedDW);
    for (int64_t c = 0; c < C; c++) gradients[B_OUT][c] += (float)sumsOut[c];
    for (int64_t l = 0; l < L; l++) gradients[B_IN][l] += (float)sumsIn[l];
    for (int64_t i = 0; i < K; i++) {
        float *dw = gradients[LAYERS + 2 * i], *dbias = gradients[LAYERS + 2 * i + 1];
        ck_add((size_t)(L * L), t.transposedDW + i * L * L, dw, dw);
        for (int64_t l = 0; l < L; l++) dbias[l] += (float)sums[i * L + l];
        gradients[SCALES][i] += (float)(totals[i] * sigmoid(parameters[SCALES][i]));
    }
}
