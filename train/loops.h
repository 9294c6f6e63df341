/*
 * The inner loops of training, built once a level of instruction set (loops.c), the best of which
 * is chosen when the program starts. Matrices are row-major float32 with a stride in numbers; what
 * is called columns is a multiple of LOOPS_LANES, and rows begin anywhere.
 */
#ifndef VQL_TRAIN_LOOPS_H
#define VQL_TRAIN_LOOPS_H

#include <stddef.h>

enum { LOOPS_LANES = 16 };

/* n rounded up to a multiple of LOOPS_LANES. */
static inline size_t loops_padded(size_t n)
{
    return (n + LOOPS_LANES - 1) / LOOPS_LANES * LOOPS_LANES;
}

typedef struct loops_matrix {
    float *at;
    size_t stride;
} loops_matrix;

/* A matrix that is only read. */
typedef struct loops_input {
    const float *at;
    size_t stride;
} loops_input;

static inline loops_input loops_read(loops_matrix matrix)
{
    return (loops_input){matrix.at, matrix.stride};
}

typedef struct train_loops {
    const char *name;

    /* out[i][j] = Σ_{k < depth} a[i][k] · b[k][j] for i < rows, j < columns. */
    void (*product)(size_t rows, size_t depth, size_t columns, loops_input a, loops_input b,
                    loops_matrix out);

    /* out[k][j] += Σ_{i < rows} a[i][k] · b[i][j] for k < depth, j < columns. */
    void (*spread)(size_t rows, size_t depth, size_t columns, loops_input a, loops_input b,
                   loops_matrix out);

    /*
     * x[j] = weights[j] · e^{factor · x[j]} / their sum, for j < columns; zeros when the sum is 0.
     * factor · x is at most 80. Returns the sum.
     */
    float (*softmax)(size_t columns, float factor, const float *weights, float *x);

    /* slope[j] = x[j] · (slope[j] - offset), and total[j] += slope[j], for j < columns. */
    void (*softmax_slope)(size_t columns, float offset, const float *x, float *slope, float *total);

    /* out[j] = e^{-rate · x[j]} for j < columns; rate · x is at least 0. */
    void (*decay)(size_t columns, float rate, const float *x, float *out);

    /* Which j < columns has the least offsets[j] - x[j], the first of equals. */
    size_t (*nearest)(size_t columns, const float *offsets, const float *x);

    /*
     * Multiplications and additions of registers alone, as fast as they can be had, with *x as what
     * is computed on and |factor| < 1. Returns how many there were.
     */
    double (*multiply_add)(size_t rounds, float factor, float *x);

    /* out[k · stride + i] = the k-th number of row i, rows[i][k], for k < depth, i < count. */
    void (*transpose)(size_t count, size_t depth, const float *const *rows, loops_matrix out);
} train_loops;

const train_loops *loops_active(void);

extern const train_loops loops_baseline;
#if defined(__x86_64__)
extern const train_loops loops_avx2;
extern const train_loops loops_avx512;
#endif

#endif
