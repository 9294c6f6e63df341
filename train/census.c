#include "census.h"

#include <stdlib.h>

#include "item_features.h"
#include "product.h"

enum { CENSUS_ROWS = 256 }; /* at once */

typedef struct census_task {
    const train_model *model;
    const uint32_t *numbers; /* [count] */
    size_t count;
    float *inputs; /* [threads, CENSUS_ROWS, X + E_a] */
    float *keys, *values;
    uint32_t *codes;
} census_task;

static void take_chunk(const census_task *task, float *inputs, size_t begin, size_t end)
{
    const train_model *model = task->model;
    const size_t width = model->config.width, stride = model->event_width;
    float scales[256];
    for (size_t i = begin; i < end; i++)
        features_row(model, task->numbers[i], inputs + (i - begin) * stride);
    const product_matrix x = {inputs, stride};
    product_forward(end - begin, width, stride, x, model->key->value, task->keys + begin * width,
                    width);
    product_forward(end - begin, width, stride, x, model->value->value,
                    task->values + begin * width, width);
    for (size_t i = begin; i < end; i++)
        features_norm(model, task->keys + i * width, scales);
}

static void take_share(void *context, uint32_t thread, uint32_t threads)
{
    const census_task *task = context;
    const train_model *model = task->model;
    const crew_part part = crew_share(task->count, thread, threads);
    float *inputs = task->inputs + (size_t)thread * CENSUS_ROWS * model->event_width;
    for (size_t i = part.begin; i < part.end; i += CENSUS_ROWS)
        take_chunk(task, inputs, i, part.end - i < CENSUS_ROWS ? part.end : i + CENSUS_ROWS);
    if (!model->quantized)
        return;
    memory_buffer room = {0};
    codebook_assign(model, loops_active(), task->keys + part.begin * model->config.width,
                    part.end - part.begin, &room, task->codes + part.begin * model->config.groups);
    free(room.data);
}

void census_take(train_census *census, const train_model *model, train_crew *crew)
{
    const size_t all = (size_t)model->data->rows * model->data->event_types;
    uint32_t *numbers = memory_integers(&census->number_room, all);
    size_t count = 0;
    for (size_t row = 0; row < all; row++)
        if (model->counts[row] > 0.0F)
            numbers[count++] = (uint32_t)row;
    const size_t width = model->config.width;
    float *room = memory_floats(&census->room, count * (2 * width + 1) + 1);
    census_task task = {.model = model, .numbers = numbers, .count = count, .keys = room};
    task.values = room + count * width;
    task.inputs = memory_floats(&census->input_room,
                                (size_t)crew_threads(crew) * CENSUS_ROWS * model->event_width);
    task.codes = memory_integers(&census->code_room, count * model->config.groups + 1);
    float *weights = task.values + count * width;
    for (size_t i = 0; i < count; i++)
        weights[i] = model->counts[numbers[i]];
    crew_run(crew, take_share, &task);
    census->rows = (codebook_rows){count, task.keys, task.values, weights, task.codes};
}

void census_release(train_census *census)
{
    free(census->number_room.data);
    free(census->input_room.data);
    free(census->room.data);
    free(census->code_room.data);
    *census = (struct train_census){0};
}
