// Small products of matrices. Axis letters: m rows and n columns of the result, k the depth.
#include "attention.h"

/// One tile: COUNT rows and N·W columns of C, in registers while it goes through the depth. One of the strides of A is
/// a literal 1 wherever this is called.
#define DEFINE_TILE(COUNT, W, N)                                                                                       \
    INLINE void tile##COUNT##x##W##x##N(int64_t depth, float alpha, const float *a, int64_t row, int64_t column,       \
                                        const float *b, int64_t bRow, int accumulate, float *c, int64_t cRow) {        \
        f##W sums[COUNT * N];                                                                                          \
        const float *rows[(COUNT + 2) / 3]; /* every third: an address can add one or two strides */                   \
        _Pragma("clang loop unroll(full)") for (int t = 0; t < COUNT; t += 3) rows[t / 3] = a + t * row;               \
        _Pragma("clang loop unroll(full)") for (int t = 0; t < COUNT * N; t++) sums[t] = ALL(W, 0.0f);                 \
        _Pragma("clang loop unroll_count(4)") for (int64_t k = 0; k < depth; k++) {                                    \
            OPAQUE(b);                                                                                                 \
            _Pragma("clang loop unroll(full)") for (int t = 0; t < COUNT; t += 3) OPAQUE(rows[t / 3]);                 \
            f##W bk[N];                                                                                                \
            _Pragma("clang loop unroll(full)") for (int j = 0; j < N; j++) bk[j] = READ(W, b + j * W);                 \
            _Pragma("clang loop unroll(full)") for (int t = 0; t < COUNT * N; t++) sums[t] +=                          \
                rows[t / N / 3][t / N % 3 * row] * bk[t % N];                                                          \
            _Pragma("clang loop unroll(full)") for (int t = 0; t < COUNT; t += 3) rows[t / 3] += column;               \
            b += bRow;                                                                                                 \
        }                                                                                                              \
        _Pragma("clang loop unroll(full)") for (int t = 0; t < COUNT * N; t++) {                                       \
            float *to = c + t / N * cRow + t % N * W;                                                                  \
            if (accumulate) AT(W, to) += alpha * sums[t];                                                              \
            else AT(W, to) = alpha * sums[t];                                                                          \
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

/// C [m, n] = alpha · A B (+ C), for at most DEPTH rows of B. ROW and COLUMN: strides of A.
#define TILE(COUNT, W, N)                                                                                              \
    tile##COUNT##x##W##x##N(depth, alpha, a + i * row, row, column, b + j, bRow, add, c + i * cRow + j, cRow)
#define ROWS(COUNT, W, N)                                                                                              \
    for (; i + COUNT <= m; i += COUNT) TILE(COUNT, W, N);
INLINE void slab(int64_t m, int64_t n, int64_t depth, float alpha, const float *a, int64_t row, int64_t column,
                 const float *b, int64_t bRow, int add, float *c, int64_t cRow) {
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

KERNEL void ck_product(int64_t m, int64_t n, int64_t k, float alpha, ck_matrix a, const float *b, int64_t bRow,
                       int accumulate, float *c, int64_t cRow) {
    // Rows that lie far apart fall into few sets of the first cache; what several tiles read is brought together.
    float packedA[DEPTH * 64], packedB[DEPTH * 64];
    const int packA = a.row == 1 && a.column != m && m <= 64 && n > 16;
    const int packB = bRow != n && n <= 64 && m > 16;
    for (int64_t k0 = 0; k0 < k; k0 += DEPTH) {
        int64_t depth = k - k0 < DEPTH ? k - k0 : DEPTH, rowB = bRow, columnA = a.column;
        int add = accumulate || k0 > 0;
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
        if (a.row == 1) slab(m, n, depth, alpha, ak, 1, columnA, bk, rowB, add, c, cRow);
        else slab(m, n, depth, alpha, ak, a.row, 1, bk, rowB, add, c, cRow);
    }
}

// Rows of a product's result that wait in the first cache with what is added to them.
enum { LINEAR_ROWS = 64 };

void ck_linear(int64_t rows, int64_t inputs, int64_t outputs, const float *x, const float *w, const float *bias,
               const float *addend, float *y) {
    for (int64_t i0 = 0; i0 < rows; i0 += LINEAR_ROWS) {
        const int64_t count = rows - i0 < LINEAR_ROWS ? rows - i0 : LINEAR_ROWS;
        float *to = y + i0 * outputs;
        if (addend && addend != y) memcpy(to, addend + i0 * outputs, (size_t)(count * outputs) * sizeof(float));
        for (int64_t i = 0; bias && i < count; i++) {
            if (addend) ck_add((size_t)outputs, bias, to + i * outputs, to + i * outputs);
            else memcpy(to + i * outputs, bias, (size_t)outputs * sizeof(float));
        }
        ck_product(count, outputs, inputs, 1.0f, (ck_matrix){x + i0 * inputs, inputs, 1}, w, outputs, bias || addend,
                   to, outputs);
    }
}

// to [8, 8] with rows `toRow` apart = from [8, 8] turned.
INLINE void transpose8(const float *from, int64_t row, float *to, int64_t toRow) {
    f8 a[8];
    for (int i = 0; i < 8; i++) a[i] = READ(8, from + i * row);
    turn8(a);
    for (int i = 0; i < 8; i++) AT(8, to + i * toRow) = a[i];
}

KERNEL void ck_transpose(int64_t m, int64_t n, const float *from, int64_t row, float *to) {
    const int64_t m8 = m / 8 * 8, n8 = n / 8 * 8;
    // In blocks of whole cache lines: of long rows no more lines than these stay in the first cache.
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
