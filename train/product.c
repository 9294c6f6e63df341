#include "product.h"

#include <cblas.h>

typedef blasint dimension;

void product_init(void)
{
    openblas_set_num_threads(1);
}

void product_forward(size_t n, size_t outputs, size_t inputs, product_matrix x, const float *weight,
                     float *y, size_t y_stride)
{
    if (n == 0)
        return;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (dimension)n, (dimension)outputs,
                (dimension)inputs, 1.0F, x.at, (dimension)x.stride, weight, (dimension)inputs, 0.0F,
                y, (dimension)y_stride);
}

void product_backward(size_t n, size_t outputs, size_t inputs, product_matrix y,
                      const float *weight, float keep, float *x, size_t x_stride)
{
    if (n == 0)
        return;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (dimension)n, (dimension)inputs,
                (dimension)outputs, 1.0F, y.at, (dimension)y.stride, weight, (dimension)inputs,
                keep, x, (dimension)x_stride);
}

void product_gradient(size_t n, size_t outputs, size_t inputs, product_matrix y, product_matrix x,
                      float *gradient)
{
    if (n == 0)
        return;
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (dimension)outputs, (dimension)inputs,
                (dimension)n, 1.0F, y.at, (dimension)y.stride, x.at, (dimension)x.stride, 1.0F,
                gradient, (dimension)inputs);
}
