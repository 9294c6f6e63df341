/*
 * Plain C, shaped so that a compiler makes vectors of it at any baseline: sums run in a fixed
 * number of independent lanes, so that the order of additions does not depend on the machine.
 */
#include "kernels.h"

#include <math.h>

enum {
    LANES = 8,
};

static void axpy(size_t count, float a, const float *restrict x, float *restrict sum)
{
    for (size_t j = 0; j < count; j++)
        sum[j] += a * x[j];
}

static float dot(size_t count, const float *x, const float *y)
{
    float lanes[LANES] = {0.0f};
    size_t j = 0;
    for (; j + LANES <= count; j += LANES)
        for (size_t k = 0; k < LANES; k++)
            lanes[k] += x[j + k] * y[j + k];
    float sum = 0.0f;
    for (; j < count; j++)
        sum += x[j] * y[j];
    for (size_t k = 0; k < LANES; k++)
        sum += lanes[k];
    return sum;
}

/* attend for `columns` columns from rows[0][0] on; a constant where it is called. */
static inline __attribute__((always_inline)) void attend_columns(size_t columns, size_t count,
                                                                 size_t width, const float *weights,
                                                                 const uint16_t *codes,
                                                                 const float *rows, float *out)
{
    float sums[2 * LANES] = {0.0f};
    for (size_t i = 0; i < count; i++) {
        const float weight = weights[codes[i]];
        for (size_t j = 0; j < columns; j++)
            sums[j] += weight * rows[i * width + j];
    }
    for (size_t j = 0; j < columns; j++)
        out[j] = sums[j];
}

/* attend for the one column that begins at rows[0][0]. */
static float attend_column(size_t count, size_t width, const float *weights, const uint16_t *codes,
                           const float *rows)
{
    float lanes[LANES] = {0.0f};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (size_t k = 0; k < LANES; k++)
            lanes[k] += weights[codes[i + k]] * rows[(i + k) * width];
    float sum = 0.0f;
    for (; i < count; i++)
        sum += weights[codes[i]] * rows[i * width];
    for (size_t k = 0; k < LANES; k++)
        sum += lanes[k];
    return sum;
}

static void attend(size_t count, size_t width, const float *weights, const uint16_t *codes,
                   const float *rows, float *out)
{
    size_t j = 0;
    for (; j + 2 * LANES <= width; j += 2 * LANES)
        attend_columns(2 * LANES, count, width, weights, codes, rows + j, out + j);
    for (; j + LANES / 2 <= width; j += LANES / 2)
        attend_columns(LANES / 2, count, width, weights, codes, rows + j, out + j);
    for (; j < width; j++)
        out[j] = attend_column(count, width, weights, codes, rows + j);
}

static void exponential(size_t count, float *x)
{
    for (size_t j = 0; j < count; j++)
        x[j] = expf(x[j]);
}

const vql_kernels vql_kernels_scalar = {
    .name = "scalar",
    .axpy = axpy,
    .dot = dot,
    .attend = attend,
    .exponential = exponential,
};
