#include "CLAPACK.h"

#include <cblas.h>
#include <lapacke.h>

int clapack_symmetric_eigen(int n, double *a, double *values, int vectors)
{
    // Columns of a column-major matrix are rows of ours; a is symmetric, so that the order does not matter on the way in.
    return LAPACKE_dsyevd(LAPACK_COL_MAJOR, vectors ? 'V' : 'N', 'L', n, a, n, values);
}

int clapack_cholesky(int n, double *a)
{
    // The upper triangle of the column-major matrix is the lower one of ours.
    const int status = LAPACKE_dpotrf(LAPACK_COL_MAJOR, 'U', n, a, n);
    for (int i = 0; i < n; i++)
        for (int j = i + 1; j < n; j++) a[(size_t)i * n + j] = 0;
    return status;
}

int clapack_multiply(
    int m, int n, int k, double alpha, const double *a, int transpose_a, const double *b, int transpose_b, double beta,
    double *c)
{
    cblas_dgemm(
        CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans, m, n, k, alpha, a,
        transpose_a ? m : k, b, transpose_b ? k : n, beta, c, n);
    return 0;
}

int clapack_add_gram(int rows, int columns, const double *a, int first, int count, double *c)
{
    const int width = columns - first;
    cblas_dgemm(
        CblasRowMajor, CblasTrans, CblasNoTrans, count, width, rows, 1, a + first, columns, a + first, columns, 1, c,
        width);
    return 0;
}
