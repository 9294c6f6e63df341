#include "matrix.h"

#include "allocation.h"

vql_code vql_matrix_init(const vql_allocator *allocator, const float *rows, uint32_t outputs,
                         uint32_t inputs, vql_matrix *out)
{
    *out = (vql_matrix){0};
    const uint64_t count = (uint64_t)inputs * outputs;
    double *columns = vql_allocate_array(allocator, count, sizeof *columns, NULL);
    if (columns == NULL)
        return VQL_NO_MEMORY;
    for (size_t j = 0; j < inputs; j++)
        for (size_t a = 0; a < outputs; a++)
            columns[j * outputs + a] = (double)rows[a * inputs + j];
    *out = (vql_matrix){inputs, outputs, columns};
    return VQL_OK;
}

void vql_matrix_release(const vql_allocator *allocator, vql_matrix *matrix)
{
    vql_release(allocator, matrix->columns);
    *matrix = (vql_matrix){0};
}

void vql_matrix_product(const vql_matrix *matrix, uint32_t first, uint32_t count, const double *x,
                        double *restrict y)
{
    const size_t outputs = matrix->outputs;
    for (size_t a = 0; a < outputs; a++)
        y[a] = 0.0;
    for (size_t j = 0; j < count; j++) {
        const double *column = matrix->columns + (first + j) * outputs;
        for (size_t a = 0; a < outputs; a++)
            y[a] += x[j] * column[a];
    }
}

void vql_matrix_distances(const vql_matrix *matrix, const double *x, double *restrict y)
{
    const size_t outputs = matrix->outputs;
    for (size_t a = 0; a < outputs; a++)
        y[a] = 0.0;
    for (size_t j = 0; j < matrix->inputs; j++) {
        const double *column = matrix->columns + j * outputs;
        for (size_t a = 0; a < outputs; a++) {
            const double difference = x[j] - column[a];
            y[a] += difference * difference;
        }
    }
}
