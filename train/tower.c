#include "tower.h"

#include <math.h>
#include <string.h>

#include "product.h"
#include "random.h"

static uint32_t outputs_of(const train_model *model, uint32_t layer)
{
    return model->weight[layer]->rows;
}

/* The layers' activations, one after the other, [impressions, outputs] each, in two sets. */
static float *activations(const train_pass *pass, pass_thread *thread, uint32_t layer, bool slopes)
{
    const train_model *model = pass->model;
    const size_t count = thread->impressions.end - thread->impressions.begin;
    size_t before = 0, all = 0;
    for (uint32_t n = 0; n + 1 < model->layers; n++) {
        before += n < layer ? outputs_of(model, n) : 0;
        all += outputs_of(model, n);
    }
    float *room = memory_floats(&thread->head_room, 2 * count * all + 1);
    return room + count * (before + (slopes ? all : 0));
}

/* Adds the bias; of a hidden layer, relu and dropout follow, by impressions' place in the batch. */
static void activate(const train_pass *pass, const pass_thread *thread, uint32_t layer, float *out)
{
    const train_model *model = pass->model;
    const size_t width = outputs_of(model, layer);
    const size_t first = thread->impressions.begin;
    const float *bias = model->bias[layer]->value;
    const bool hidden = layer + 1 < model->layers;
    const double dropout = hidden && pass->backward ? model->config.dropout : 0.0;
    const float scale = (float)(1.0 / (1.0 - dropout));
    const random_stream stream = random_open(model->config.seed, RANDOM_DROPOUT,
                                             pass->step * (TRAIN_MAX_HIDDEN + 1) + layer);
    for (size_t i = 0; i < thread->impressions.end - first; i++)
        for (size_t j = 0; j < width; j++) {
            float *x = &out[i * width + j];
            *x += bias[j];
            if (hidden && *x < 0.0F)
                *x = 0.0F;
            if (dropout > 0.0)
                *x *= random_uniform(stream, (first + i) * width + j) < dropout ? 0.0F : scale;
        }
}

void tower_forward(const train_pass *pass, pass_thread *thread)
{
    const train_model *model = pass->model;
    const crew_part part = thread->impressions;
    size_t inputs = model->x_width + model->config.width;
    const float *from = pass->inputs + part.begin * inputs;
    for (uint32_t n = 0; n < model->layers; n++) {
        const size_t outputs = outputs_of(model, n);
        float *to = n + 1 < model->layers ? activations(pass, thread, n, false)
                                          : pass->logits + part.begin * outputs;
        product_forward(part.end - part.begin, outputs, inputs, (product_matrix){from, inputs},
                        model->weight[n]->value, to, outputs);
        activate(pass, thread, n, to);
        from = to;
        inputs = outputs;
    }
}

/* Writes the slopes of the logits over the logits. */
static void loss(const train_pass *pass, pass_thread *thread)
{
    const uint32_t tasks = pass->model->data->tasks;
    const double share = 1.0 / (double)pass->batch->count;
    for (size_t i = thread->impressions.begin; i < thread->impressions.end; i++)
        for (uint32_t t = 0; t < tasks; t++) {
            const double label = pass->batch->impressions[i]->labels[t];
            float *logit = &pass->logits[i * tasks + t];
            const double z = (double)*logit;
            thread->loss += fmax(z, 0.0) - label * z + log1p(exp(-fabs(z)));
            *logit = (float)(share * (1.0 / (1.0 + exp(-z)) - label));
        }
}

static void bias_gradient(size_t count, size_t width, const float *slopes, float *gradient)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < width; j++)
            gradient[j] += slopes[i * width + j];
}

/* What relu and dropout left at 0 has no slope; what dropout left is scaled. */
static void deactivate(const train_pass *pass, size_t count, const float *out, float *slopes)
{
    const float scale = (float)(1.0 / (1.0 - pass->model->config.dropout));
    for (size_t i = 0; i < count; i++)
        slopes[i] = out[i] > 0.0F ? scale * slopes[i] : 0.0F;
}

void tower_backward(const train_pass *pass, pass_thread *thread)
{
    const train_model *model = pass->model;
    const crew_part part = thread->impressions;
    const size_t count = part.end - part.begin;
    const size_t entry = model->x_width + model->config.width;
    loss(pass, thread);
    const float *slopes = pass->logits + part.begin * model->data->tasks;
    for (uint32_t n = model->layers; n-- > 0;) {
        const size_t outputs = outputs_of(model, n);
        const size_t inputs = model->weight[n]->columns;
        const product_matrix y = {slopes, outputs};
        const float *x =
            n > 0 ? activations(pass, thread, n - 1, false) : pass->inputs + part.begin * entry;
        float *to = n > 0 ? activations(pass, thread, n - 1, true)
                          : pass->input_slopes + part.begin * entry;
        bias_gradient(count, outputs, slopes,
                      thread->gradients[model->bias[n] - model->parameters]);
        product_gradient(count, outputs, inputs, y, (product_matrix){x, inputs},
                         thread->gradients[model->weight[n] - model->parameters]);
        product_backward(count, outputs, inputs, y, model->weight[n]->value, 0.0F, to, inputs);
        if (n > 0)
            deactivate(pass, count * inputs, x, to);
        slopes = to;
    }
}
