// Small products of matrices. Axis letters: m rows and n columns of the result, k the depth.
#include "attention.h"

/// One tile: COUNT rows and N·W columns of C, in registers while it goes through the depth: alpha (bias + A B), and
/// + from where `add`; bias [N·W] or NULL, from laid out as C. One of A's strides is a literal 1 wherever this is
/// called. Columns of A and rows of B are prefetched `ahead` of their use.
#define DEFINE_TILE(COUNT, W, N)                                                                                       \
    INLINE void tile##COUNT##x##W##x##N(int64_t depth, float alpha, const float *a, int64_t row, int64_t column,       \
                                        const float *b, int64_t bRow, const float *bias, int add, const float *from,   \
                                        float *c, int64_t cRow, int64_t ahead) {                                       \
        f##W sums[COUNT * N];                                                                                          \
        const float *rows[(COUNT + 2) / 3]; /* every third: an address can add one or two strides */                   \
        _Pragma("clang loop unroll(full)") for (int t = 0; t < COUNT; t += 3) rows[t / 3] = a + t * row;               \
        _Pragma("clang loop unroll(full)") for (int t = 0; t < COUNT * N; t++) sums[t] =                               \
            bias ? READ(W, bias + t % N * W) : ALL(W, 0.0f);                                                           \
        if (bias) { /* a layer's data are not in cache: prefetched while sums start, as are the next tile's rows */   \
            _Pragma("clang loop unroll(full)") for (int t = 0; add && t < COUNT * N; t++)                              \
                __builtin_prefetch(from + t / N * cRow + t % N * W);                                                   \
            for (int64_t t = 0; t < COUNT * row; t += 16) __builtin_prefetch(a + COUNT * row + t);                     \
        }                                                                                                              \
        _Pragma("clang loop unroll_count(4)") for (int64_t k = 0; k < depth; k++) {                                    \
            OPAQUE(b);                                                                                                 \
            _Pragma("clang loop unroll(full)") for (int t = 0; t < COUNT; t += 3) OPAQUE(rows[t / 3]);                 \
            if (row == 1 && !bias && COUNT * N >= 12) { /* a test of `ahead` in the loop costs more than this */       \
                __builtin_prefetch(rows[0] + ahead * column);                                                          \
                __builtin_prefetch(b + ahead * bRow);                                                                  \
            }                                                                                                          \
            f##W bk[N];                                                                                                \
            _Pragma("clang loop unroll(full)") for (int j = 0; j < N; j++) bk[j] = READ(W, b + j * W);                 \
            _Pragma("clang loop unroll(full)") for (int t = 0; t < COUNT * N; t++) sums[t] +=                          \
                rows[t / N / 3][t / N % 3 * row] * bk[t % N];                                                          \
            _Pragma("clang loop unroll(full)") for (int t = 0; t < COUNT; t += 3) rows[t / 3] += column;               \
            b += bRow;                                                                                                 \
        }                                                                                                              \
        _Pragma("clang loop unroll(full)") for (int t = 0; t < COUNT * N; t++) {                                       \
            const int64_t at = t / N * cRow + t % N * W;                                                               \
            if (add) AT(W, c + at) = READ(W, from + at) + alpha * sums[t];                                             \
            else AT(W, c + at) = alpha * sums[t];                                                                      \
        }                                                                                                              \
    }
DEFINE_TILE(6, 16, 4)
DEFINE_TILE(4, 16, 4)
DEFINE_TILE(2, 16, 4)
DEFINE_TILE(1, 16, 4)
DEFINE_TILE(8, 16, 2)
DEFINE_TILE(4, 16, 2)
DEFINE_TILE(1, 16, 2)
DEFINE_TILE(12, 16, 1)
DEFINE_TILE(8, 16, 1)
DEFINE_TILE(4, 16, 1)
DEFINE_TILE(1, 16, 1)
DEFINE_TILE(8, 8, 1)
DEFINE_TILE(4, 8, 1)
DEFINE_TILE(1, 8, 1)
DEFINE_TILE(8, 4, 1)
DEFINE_TILE(4, 4, 1)
DEFINE_TILE(1, 4, 1)
DEFINE_TILE(4, 1, 1)
DEFINE_TILE(1, 1, 1)

/// C [m, n] = alpha (bias + A B), and + from where `add`, for at most DEPTH rows of B; bias [n] may be NULL where
/// `biased`, from is laid out as C. ROW and COLUMN: strides of A.
#define TILE(COUNT, W, N)                                                                                              \
    tile##COUNT##x##W##x##N(depth, alpha, a + i * row, row, column, b + j, bRow,                                       \
                            biased ? bias ? bias + j : zeros : NULL, add, from + i * cRow + j, c + i * cRow + j,       \
                            cRow, ahead)
#define ROWS(COUNT, W, N)                                                                                              \
    for (; i + COUNT <= m; i += COUNT) TILE(COUNT, W, N);
INLINE void slab(int64_t m, int64_t n, int64_t depth, float alpha, const float *a, int64_t row, int64_t column,
                 const float *b, int64_t bRow, int biased, const float *bias, int add, const float *from, float *c,
                 int64_t cRow, int64_t ahead) {
    static const float zeros[64];
    const int wide = wideVectors();
    int64_t j = 0;
    for (; wide && j + 64 <= n; j += 64) {
        int64_t i = 0;
        ROWS(6, 16, 4)
        ROWS(4, 16, 4)
        ROWS(2, 16, 4)
        ROWS(1, 16, 4)
    }
    for (; wide && j + 32 <= n; j += 32) {
        int64_t i = 0;
        ROWS(8, 16, 2)
        ROWS(4, 16, 2)
        ROWS(1, 16, 2)
    }
    for (; j + 16 <= n; j += 16) {
        int64_t i = 0;
        for (; wide && i + 12 <= m; i += 12) TILE(12, 16, 1);
        for (; wide && i + 8 <= m; i += 8) TILE(8, 16, 1);
        ROWS(4, 16, 1)
        ROWS(1, 16, 1)
    }
    // Eight sums are needed to hide the latency of a multiply-add; a single column gains nothing.
    for (; j + 8 <= n; j += 8) {
        int64_t i = 0;
        ROWS(8, 8, 1)
        ROWS(4, 8, 1)
        ROWS(1, 8, 1)
    }
    for (; j + 4 <= n; j += 4) {
        int64_t i = 0;
        ROWS(8, 4, 1)
        ROWS(4, 4, 1)
        ROWS(1, 4, 1)
    }
    for (; j < n; j++) {
        int64_t i = 0;
        ROWS(4, 1, 1)
        ROWS(1, 1, 1)
    }
}
#undef ROWS
#undef TILE

/// The same of any depth. What the compiler knows of bias and from costs nothing.
INLINE void slabs(int64_t m, int64_t n, int64_t k, float alpha, ck_matrix a, const float *b, int64_t bRow, int biased,
                  const float *bias, int add, const float *from, float *c, int64_t cRow) {
    // Rows that lie far apart fall into few sets of L1; what several tiles read is copied together.
    float packedA[DEPTH * 64], packedB[DEPTH * 64];
    const int packA = a.row == 1 && a.column != m && m <= 64 && n > 16;
    const int packB = bRow != n && n <= 64 && m > 16;
    for (int64_t k0 = 0; k0 < k; k0 += DEPTH) {
        int64_t depth = k - k0 < DEPTH ? k - k0 : DEPTH, rowB = bRow, columnA = a.column;
        const float *ak = a.base + k0 * a.column, *bk = b + k0 * bRow;
        if (packA) {
            for (int64_t r = 0; r < depth; r++) multiply(m, 1.0f, ak + r * a.column, packedA + r * m);
            ak = packedA;
            columnA = m;
        }
        if (packB) {
            for (int64_t r = 0; r < depth; r++) multiply(n, 1.0f, bk + r * bRow, packedB + r * n);
            bk = packedB;
            rowB = n;
        }
        // A gradient of weights goes through activations of a whole micro-batch: the next slab is cold.
        const int64_t ahead = k0 + DEPTH < k && !packA && !packB ? DEPTH : 0;
        if (a.row == 1) slab(m, n, depth, alpha, ak, 1, columnA, bk, rowB, biased, bias, add, from, c, cRow, ahead);
        else slab(m, n, depth, alpha, ak, a.row, 1, bk, rowB, biased, bias, add, from, c, cRow, ahead);
        bias = NULL;
        add = 1;
        from = c;
    }
}

KERNEL void ck_product(int64_t m, int64_t n, int64_t k, float alpha, ck_matrix a, const float *b, int64_t bRow,
                       int accumulate, float *c, int64_t cRow) {
    slabs(m, n, k, alpha, a, b, bRow, 0, NULL, accumulate, c, c, cRow);
}

// Rows of x that stay in L1 for the next columns of the result, or of its sums for the next slab.
enum { LINEAR_ROWS = 64 };

KERNEL void ck_linear(int64_t rows, int64_t inputs, int64_t outputs, const float *x, const float *w, const float *bias,
                      const float *addend, float *y) {
    const int64_t block = inputs <= DEPTH && outputs <= 64 ? rows : LINEAR_ROWS;
    for (int64_t i0 = 0; i0 < rows; i0 += block) {
        slabs(rows - i0 < block ? rows - i0 : block, outputs, inputs, 1.0f, (ck_matrix){x + i0 * inputs, inputs, 1}, w,
              outputs, 1, bias, addend != NULL, (addend ? addend : y) + i0 * outputs, y + i0 * outputs, outputs);
    }
}

// to [8, 8] with rows `toRow` apart = from [8, 8] transposed.
INLINE void transpose8(const float *from, int64_t row, float *to, int64_t toRow) {
    f8 a[8];
    for (int i = 0; i < 8; i++) a[i] = READ(8, from + i * row);
    transpose8x8(a);
    for (int i = 0; i < 8; i++) AT(8, to + i * toRow) = a[i];
}

KERNEL void ck_transpose(int64_t m, int64_t n, const float *from, int64_t row, float *to) {
    const int64_t m8 = m / 8 * 8, n8 = n / 8 * 8;
    // In blocks of whole cache lines: of long rows no more lines than these stay in L1.
    for (int64_t i0 = 0; i0 < m8; i0 += 16) {
        for (int64_t j0 = 0; j0 < n8; j0 += 16) {
            for (int64_t i = i0; i < m8 && i < i0 + 16; i += 8) {
                for (int64_t j = j0; j < n8 && j < j0 + 16; j += 8) {
                    transpose8(from + i * row + j, row, to + j * m + i, m);
                }
            }
        }
    }
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = i < m8 ? n8 : 0; j < n; j++) to[j * m + i] = from[i * row + j];
    }
}
