#include "CLAPACK.h"

#include <cblas.h>
#include <lapacke.h>
#include <pthread.h>

// OpenBLAS without threads shares buffers among the threads that call it, and then gives wrong numbers now and then: one
// call at a time.
static pthread_mutex_t calling = PTHREAD_MUTEX_INITIALIZER;

int clapack_symmetric_eigen(int n, double *a, double *values, int vectors)
{
    // Columns of a column-major matrix are rows of ours; a is symmetric, so that the order does not matter on the way in.
    pthread_mutex_lock(&calling);
    const int status = LAPACKE_dsyevd(LAPACK_COL_MAJOR, vectors ? 'V' : 'N', 'L', n, a, n, values);
    pthread_mutex_unlock(&calling);
    return status;
}

int clapack_cholesky(int n, double *a)
{
    // The upper triangle of the column-major matrix is the lower one of ours.
    pthread_mutex_lock(&calling);
    const int status = LAPACKE_dpotrf(LAPACK_COL_MAJOR, 'U', n, a, n);
    pthread_mutex_unlock(&calling);
    for (int i = 0; i < n; i++)
        for (int j = i + 1; j < n; j++) a[(size_t)i * n + j] = 0;
    return status;
}

int clapack_multiply(
    int m, int n, int k, double alpha, const double *a, int transpose_a, const double *b, int transpose_b, double beta,
    double *c)
{
    pthread_mutex_lock(&calling);
    cblas_dgemm(
        CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans, m, n, k, alpha, a,
        transpose_a ? m : k, b, transpose_b ? k : n, beta, c, n);
    pthread_mutex_unlock(&calling);
    return 0;
}

int clapack_add_gram(int rows, int columns, const double *a, int first, int count, double *c)
{
    const int width = columns - first;
    pthread_mutex_lock(&calling);
    cblas_dgemm(
        CblasRowMajor, CblasTrans, CblasNoTrans, count, width, rows, 1, a + first, columns, a + first, columns, 1, c,
        width);
    pthread_mutex_unlock(&calling);
    return 0;
}
