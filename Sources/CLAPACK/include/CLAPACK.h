// The few functions of BLAS and LAPACK that smd calls. Matrices are dense, double precision, rows one after the other.
#ifndef CLAPACK_H
#define CLAPACK_H

#include <stddef.h>

// All return 0, or what LAPACK returns: below 0 for an argument it refuses, above 0 where the numbers allow no result.

// Eigenvalues of the symmetric a [n][n], ascending, to values [n]; with `vectors` the rows of a become the eigenvectors.
int clapack_symmetric_eigen(int n, double *a, double *values, int vectors);
// The lower triangle l of a = l·lᵀ takes the place of a [n][n]; what is above the diagonal becomes 0.
int clapack_cholesky(int n, double *a);
// c [m][n] = alpha · op(a) · op(b) + beta · c, where op transposes where asked for; op(a) is [m][k], op(b) [k][n].
int clapack_multiply(
    int m, int n, int k, double alpha, const double *a, int transpose_a, const double *b, int transpose_b, double beta,
    double *c);
// c [count][columns - first] += the rows first ..< first + count of aᵀ·a, from column first on; a is [rows][columns].
int clapack_add_gram(int rows, int columns, const double *a, int first, int count, double *c);

#endif
