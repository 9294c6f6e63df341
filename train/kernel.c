#include "kernel.h"

#include <math.h>

#include "train_memory.h"

train_kernel train_kernel_of(const train_model *model, float *weight)
{
    train_kernel kernel = {
        .kernels = model->kernels, .heads = model->config.heads, .weight = weight};
    for (uint32_t r = 0; r < model->kernels; r++) {
        const double raw = (double)model->raw_decay->value[r];
        kernel.decay[r] = (float)(raw > 30.0 ? raw : log1p(exp(raw)));
    }
    for (uint32_t h = 0; h < model->config.heads; h++) {
        const float *raw = model->raw_weight->value + (size_t)h * model->kernels;
        double largest = (double)raw[0];
        for (uint32_t r = 1; r < model->kernels; r++)
            largest = fmax(largest, (double)raw[r]);
        double sum = 0.0;
        for (uint32_t r = 0; r < model->kernels; r++)
            sum += exp((double)raw[r] - largest);
        for (uint32_t r = 0; r < model->kernels; r++)
            weight[(size_t)h * model->kernels + r] = (float)(exp((double)raw[r] - largest) / sum);
    }
    return kernel;
}

void train_kernel_backward(train_model *model, const train_kernel *kernel, const double *decay,
                           const double *weight)
{
    const uint32_t kernels = kernel->kernels;
    if (model->raw_decay->rate == RATE_FROZEN)
        return;
    for (uint32_t r = 0; r < kernels; r++) {
        const double sigmoid = 1.0 / (1.0 + exp(-(double)model->raw_decay->value[r]));
        model->raw_decay->gradient[r] = (float)(decay[r] * sigmoid);
    }
    for (uint32_t h = 0; h < kernel->heads; h++) {
        const float *w = kernel->weight + (size_t)h * kernels;
        const double *slope = weight + (size_t)h * kernels;
        double mean = 0.0;
        for (uint32_t r = 0; r < kernels; r++)
            mean += (double)w[r] * slope[r];
        for (uint32_t r = 0; r < kernels; r++)
            model->raw_weight->gradient[(size_t)h * kernels + r] =
                (float)((double)w[r] * (slope[r] - mean));
    }
}

void train_model_kernel(const train_model *model, float *decay, float *weight)
{
    float mixture[TRAIN_MAX_KERNELS * 256];
    const train_kernel kernel = train_kernel_of(model, mixture);
    uint32_t order[TRAIN_MAX_KERNELS];
    for (uint32_t r = 0; r < kernel.kernels; r++) {
        uint32_t at = r;
        for (; at > 0 && kernel.decay[order[at - 1]] > kernel.decay[r]; at--)
            order[at] = order[at - 1];
        order[at] = r;
    }
    for (uint32_t r = 0; r < kernel.kernels; r++) {
        decay[r] = kernel.decay[order[r]];
        for (uint32_t h = 0; h < kernel.heads; h++)
            weight[(size_t)h * kernel.kernels + r] = mixture[(size_t)h * kernel.kernels + order[r]];
    }
}
