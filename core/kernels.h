/*
 * The inner loops of scoring, behind a table of function pointers: one table a level of instruction
 * set, the scalar one the reference that the others are compared with. Shapes are the caller's
 * duty; nothing may alias unless said.
 */
#ifndef VQL_CORE_KERNELS_H
#define VQL_CORE_KERNELS_H

#include <stddef.h>
#include <stdint.h>

typedef struct vql_kernels {
    const char *name;

    /* sum[j] += a · x[j] for j < count: appends, fold and head. */
    void (*axpy)(size_t count, float a, const float *x, float *sum);

    /* Σ_j x[j] · y[j]. */
    float (*dot)(size_t count, const float *x, const float *y);

    /*
     * One head of one candidate (vql.md §6): out[j] = Σ_i weights[codes[i]] · rows[i][j] for
     * j < width, i < count. rows is [count, width]; the caller's last column is the normaliser, so
     * width is d + 1.
     */
    void (*attend)(size_t count, size_t width, const float *weights, const uint16_t *codes,
                   const float *rows, float *out);

    /* x[j] = e^{x[j]} for j < count. */
    void (*exponential)(size_t count, float *x);
} vql_kernels;

/* The table in use, chosen once. */
const vql_kernels *vql_kernels_active(void);

extern const vql_kernels vql_kernels_scalar;

#endif
