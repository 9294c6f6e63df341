#include "adam.h"

#include <math.h>

static const double adam_first = 0.9, adam_second = 0.999, adam_epsilon = 1e-8;

typedef struct adam_task {
    train_model *model;
    uint64_t step;
    double factor;
} adam_task;

static double decay_of(const train_config *config, train_rate rate)
{
    if (rate == RATE_KERNEL)
        return 0.0;
    return rate == RATE_EMBEDDING ? config->embedding_decay : config->weight_decay;
}

static void update(const train_tensor *tensor, crew_part part, const adam_task *task)
{
    const train_config *config = &task->model->config;
    const double rate =
        task->factor * (tensor->rate == RATE_KERNEL ? config->kernel_rate : config->rate);
    const double first_left = 1.0 - pow(adam_first, (double)task->step);
    const double second_left = 1.0 - pow(adam_second, (double)task->step);
    const float keep = (float)(1.0 - rate * decay_of(config, tensor->rate));
    const float step = (float)(rate / first_left);
    const float scale = (float)(1.0 / second_left);
    const float a = (float)adam_first, b = (float)adam_second, epsilon = (float)adam_epsilon;
    float *restrict value = tensor->value, *restrict first = tensor->first;
    float *restrict second = tensor->second;
    const float *restrict gradient = tensor->gradient;
    for (size_t i = part.begin; i < part.end; i++) {
        const float slope = gradient[i];
        first[i] = a * first[i] + (1.0F - a) * slope;
        second[i] = b * second[i] + (1.0F - b) * slope * slope;
        value[i] = keep * value[i] - step * first[i] / (sqrtf(second[i] * scale) + epsilon);
    }
}

static void update_share(void *context, uint32_t thread, uint32_t threads)
{
    const adam_task *task = context;
    for (uint32_t i = 0; i < task->model->parameter_count; i++) {
        const train_tensor *tensor = &task->model->parameters[i];
        if (tensor->rate != RATE_FROZEN)
            update(tensor, crew_share((size_t)tensor->rows * tensor->columns, thread, threads),
                   task);
    }
}

void adam_step(train_model *model, train_crew *crew, uint64_t step, double factor)
{
    adam_task task = {model, step, factor};
    crew_run(crew, update_share, &task);
}
