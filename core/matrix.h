/*
 * A float32 matrix made ready for float64 arithmetic: widened and transposed, so that the inner
 * loop runs over outputs, in vector registers, and each output is still one plain sum from the
 * first input to the last, whatever the width of a register.
 *
 *     rows [outputs, inputs] float  ──>  columns [inputs, outputs] double
 */
#ifndef VQL_CORE_MATRIX_H
#define VQL_CORE_MATRIX_H

#include <stddef.h>
#include <stdint.h>

#include "vql/allocator.h"
#include "vql/error.h"

typedef struct vql_matrix {
    uint32_t inputs;
    uint32_t outputs;
    double *columns; /* [inputs, outputs] */
} vql_matrix;

/* Returns VQL_OK or VQL_NO_MEMORY; *out is then all zeros. rows is read during the call only. */
vql_code vql_matrix_init(const vql_allocator *allocator, const float *rows, uint32_t outputs,
                         uint32_t inputs, vql_matrix *out);

/* Releases a matrix; one of all zeros is allowed. */
void vql_matrix_release(const vql_allocator *allocator, vql_matrix *matrix);

/*
 * y[a] = Σ_{j < count} x[j] · rows[a][first + j] for every output a: the product with a range of
 * the inputs. x holds count numbers, y outputs of them.
 */
void vql_matrix_product(const vql_matrix *matrix, uint32_t first, uint32_t count, const double *x,
                        double *restrict y);

/* y[a] = Σ_j (x[j] - rows[a][j])² for every output a. x holds inputs numbers, y outputs of them. */
void vql_matrix_distances(const vql_matrix *matrix, const double *x, double *restrict y);

#endif
