/*
 * Matrix products by OpenBLAS, each on the calling thread. Matrices are row-major.
 */
#ifndef VQL_TRAIN_PRODUCT_H
#define VQL_TRAIN_PRODUCT_H

#include <stddef.h>

typedef struct product_matrix {
    const float *at;
    size_t stride;
} product_matrix;

/* Lets OpenBLAS start no threads of its own: call it before the others. */
void product_init(void);

/* y [n, outputs] = x [n, inputs] · weight [outputs, inputs]ᵀ. */
void product_forward(size_t n, size_t outputs, size_t inputs, product_matrix x, const float *weight,
                     float *y, size_t y_stride);

/* slopes of x [n, inputs] = slopes of y [n, outputs] · weight, plus what x has times keep. */
void product_backward(size_t n, size_t outputs, size_t inputs, product_matrix y,
                      const float *weight, float keep, float *x, size_t x_stride);

/* gradient [outputs, inputs] += slopes of y [n, outputs]ᵀ · x [n, inputs]. */
void product_gradient(size_t n, size_t outputs, size_t inputs, product_matrix y, product_matrix x,
                      float *gradient);

#endif
