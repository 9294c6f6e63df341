/*
 * The temporal kernel in training (vql.md §5): λ = softplus(raw), w = softmax(raw) per head.
 */
#ifndef VQL_TRAIN_KERNEL_H
#define VQL_TRAIN_KERNEL_H

#include "model.h"

/* As it stands, in the order of the parameters. */
typedef struct train_kernel {
    uint32_t kernels, heads;
    float decay[TRAIN_MAX_KERNELS]; /* λ per hour: [R] */
    const float *weight;            /* w: [H, R]; the owner's */
} train_kernel;

/* Writes w into weight [H, R]. */
train_kernel train_kernel_of(const train_model *model, float *weight);

/* The gradients of λ [R] and w [H, R], in float64, to those of the parameters. */
void train_kernel_backward(train_model *model, const train_kernel *kernel, const double *decay,
                           const double *weight);

/* How many milliseconds an hour has. */
static const double kernel_hour_ms = 3600000.0;

#endif
