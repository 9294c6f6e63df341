#include "rows.h"

#include <string.h>

#include "codebook.h"
#include "item_features.h"
#include "product.h"
#include "selection.h"

static void lay_out(train_pass *pass)
{
    const train_model *model = pass->model;
    const train_config *config = &model->config;
    const size_t count = pass->batch->row_count;
    const size_t width = config->width;
    const size_t numbers = 2 * model->event_width + 4 * width + config->heads;
    float *room = memory_floats(&pass->row_room, count * numbers);
    pass->row_inputs = room;
    pass->row_slopes = pass->row_inputs + count * model->event_width;
    pass->keys = pass->row_slopes + count * model->event_width;
    pass->values = pass->keys + count * width;
    pass->seen_keys = pass->values + count * width;
    pass->seen_values = pass->seen_keys + count * width;
    pass->key_scales = pass->seen_values + count * width;
    pass->codes = memory_integers(&pass->code_room, count * config->groups);
    if (config->attention == ATTENTION_HASH)
        pass->row_signatures = memory_reserve(&pass->signature_room, count * config->heads,
                                              sizeof *pass->row_signatures);
    if (!pass->quantized)
        pass->seen_keys = pass->keys;
    if (!pass->quantized || !config->quantize_values)
        pass->seen_values = pass->values;
}

static void sign(const train_pass *pass, size_t row)
{
    const train_model *model = pass->model;
    const size_t planes = (size_t)SELECTION_BITS * SELECTION_GROUPS * model->x_width;
    for (uint32_t h = 0; h < model->config.heads; h++)
        pass->row_signatures[row * model->config.heads + h] = selection_signature(
            model->x_width, pass->planes + h * planes, pass->row_inputs + row * model->event_width);
}

static void quantize(const train_pass *pass, size_t row)
{
    const train_model *model = pass->model;
    const size_t width = model->config.width;
    const uint32_t *codes = pass->codes + row * model->config.groups;
    for (uint32_t g = 0; g < model->config.groups; g++) {
        const train_codebook *codebook = &model->codebooks[g];
        const size_t at = row * width + (size_t)g * model->group_width;
        const size_t from = (size_t)codes[g] * model->group_width;
        memcpy(pass->seen_keys + at, codebook->value + from, model->group_width * sizeof(float));
        if (!model->config.quantize_values)
            continue;
        const float scale = 1.0F / codebook->mass[codes[g]];
        for (uint32_t j = 0; j < model->group_width; j++)
            pass->seen_values[at + j] = scale * codebook->value_sum[from + j];
    }
}

static void forward_share(void *context, uint32_t thread, uint32_t threads)
{
    const train_pass *pass = context;
    const train_model *model = pass->model;
    const size_t width = model->config.width, inputs = model->event_width;
    const crew_part part = crew_share(pass->batch->row_count, thread, threads);
    const size_t count = part.end - part.begin;
    for (size_t i = part.begin; i < part.end; i++)
        features_row(model, pass->batch->rows[i], pass->row_inputs + i * inputs);
    const product_matrix x = {pass->row_inputs + part.begin * inputs, inputs};
    product_forward(count, width, inputs, x, model->key->value, pass->keys + part.begin * width,
                    width);
    product_forward(count, width, inputs, x, model->value->value, pass->values + part.begin * width,
                    width);
    for (size_t i = part.begin; i < part.end; i++) {
        features_norm(model, pass->keys + i * width, pass->key_scales + i * model->config.heads);
        if (pass->row_signatures != NULL)
            sign(pass, i);
    }
    if (!pass->quantized)
        return;
    codebook_assign(model, pass->loops, pass->keys + part.begin * width, count,
                    &pass->thread[thread].gather_room,
                    pass->codes + part.begin * model->config.groups);
    for (size_t i = part.begin; i < part.end; i++)
        quantize(pass, i);
}

void rows_forward(train_pass *pass)
{
    lay_out(pass);
    crew_run(pass->crew, forward_share, pass);
}

/* Sums the threads' slopes of the part's rows into the first thread's. */
static void sum_threads(const train_pass *pass, crew_part part)
{
    const size_t width = pass->model->config.width;
    float *keys = pass->thread[0].key_slopes, *values = pass->thread[0].value_slopes;
    for (uint32_t t = 1; t < pass->threads; t++) {
        const float *more_keys = pass->thread[t].key_slopes;
        const float *more_values = pass->thread[t].value_slopes;
        for (size_t i = part.begin * width; i < part.end * width; i++) {
            keys[i] += more_keys[i];
            values[i] += more_values[i];
        }
    }
}

/* Adds the slope of β / D · Σ_g mean ‖k - sg(C_z)‖² to that of the row's key. */
static void commit(const train_pass *pass, pass_thread *thread, size_t row)
{
    const train_config *config = &pass->model->config;
    const size_t width = config->width;
    const float *key = pass->keys + row * width, *seen = pass->seen_keys + row * width;
    float *slopes = pass->thread[0].key_slopes + row * width;
    const double share = (double)pass->batch->row_counts[row] / pass->batch->events;
    const float factor = (float)(2.0 * config->commitment / (double)width * share);
    float squares = 0.0F;
    for (size_t j = 0; j < width; j++) {
        const float apart = key[j] - seen[j];
        squares += apart * apart;
        slopes[j] += factor * apart;
    }
    thread->commitment += share * (double)squares / (double)width;
}

static void backward_share(void *context, uint32_t thread, uint32_t threads)
{
    const train_pass *pass = context;
    const train_model *model = pass->model;
    pass_thread *own = &pass->thread[thread];
    const size_t width = model->config.width, inputs = model->event_width;
    const crew_part part = crew_share(pass->batch->row_count, thread, threads);
    const size_t count = part.end - part.begin;
    sum_threads(pass, part);
    float *keys = pass->thread[0].key_slopes;
    for (size_t i = part.begin; i < part.end; i++) {
        if (pass->quantized && pass->batch->events > 0.0)
            commit(pass, own, i);
        features_norm_backward(model, pass->keys + i * width,
                               pass->key_scales + i * model->config.heads, keys + i * width);
    }
    const product_matrix x = {pass->row_inputs + part.begin * inputs, inputs};
    const product_matrix k = {keys + part.begin * width, width};
    const product_matrix v = {pass->thread[0].value_slopes + part.begin * width, width};
    float *slopes = pass->row_slopes + part.begin * inputs;
    product_gradient(count, width, inputs, k, x, own->gradients[model->key - model->parameters]);
    product_gradient(count, width, inputs, v, x, own->gradients[model->value - model->parameters]);
    product_backward(count, width, inputs, k, model->key->value, 0.0F, slopes, inputs);
    product_backward(count, width, inputs, v, model->value->value, 1.0F, slopes, inputs);
}

void rows_backward(train_pass *pass)
{
    crew_run(pass->crew, backward_share, pass);
}
