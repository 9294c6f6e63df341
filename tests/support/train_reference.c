#include "train_reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { REFERENCE_WIDTH = 256 }; /* more than any vector of these tests */

static double *parameter(const train_reference *reference, const train_tensor *tensor)
{
    return reference->parameters[tensor - reference->model->parameters];
}

static void *take(size_t count, size_t size)
{
    void *memory = calloc(count + 1, size);
    if (memory == NULL)
        abort();
    return memory;
}

static uint32_t item_x(const train_reference *reference, uint32_t item, double *x)
{
    const train_model *model = reference->model;
    const uint32_t width = model->config.item_width;
    memcpy(x, parameter(reference, model->item) + (size_t)item * width, width * sizeof *x);
    uint32_t at = width;
    for (uint32_t f = 0; f < reference->data->field_count; f++) {
        const train_field *field = &reference->data->fields[f];
        const uint32_t begin = field->offsets[item], end = field->offsets[item + 1];
        for (uint32_t j = 0; j < model->config.field_width; j++) {
            double sum = 0.0;
            for (uint32_t i = begin; i < end; i++)
                sum += parameter(
                    reference,
                    model->fields[f])[(size_t)field->indices[i] * model->config.field_width + j];
            x[at++] = end > begin ? sum / (double)(end - begin) : 0.0;
        }
    }
    return at;
}

static void multiply(const double *weight, uint32_t outputs, uint32_t inputs, const double *x,
                     double *y)
{
    for (uint32_t i = 0; i < outputs; i++) {
        y[i] = 0.0;
        for (uint32_t j = 0; j < inputs; j++)
            y[i] += weight[(size_t)i * inputs + j] * x[j];
    }
}

static void norm(const train_model *model, double *y)
{
    const uint32_t width = model->head_width;
    for (uint32_t h = 0; h < model->config.heads; h++, y += width) {
        double squares = 0.0;
        for (uint32_t j = 0; j < width; j++)
            squares += y[j] * y[j];
        for (uint32_t j = 0; j < width; j++)
            y[j] /= sqrt(squares / width + 1e-6);
    }
}

static void row_key_value(const train_reference *reference, uint32_t row, double *key,
                          double *value)
{
    const train_model *model = reference->model;
    const uint32_t types = reference->data->event_types;
    double x[REFERENCE_WIDTH];
    uint32_t at = item_x(reference, row / types, x);
    for (uint32_t j = 0; j < model->config.type_width; j++)
        x[at++] =
            parameter(reference, model->type)[(size_t)(row % types) * model->config.type_width + j];
    if (!model->config.static_context)
        for (uint32_t j = model->config.item_width; j < at; j++)
            x[j] = 0.0;
    multiply(parameter(reference, model->key), model->config.width, at, x, key);
    multiply(parameter(reference, model->value), model->config.width, at, x, value);
    norm(model, key);
}

static void freeze_codes(train_reference *made)
{
    const train_model *model = made->model;
    const uint32_t width = model->config.width, groups = model->config.groups;
    for (uint32_t row = 0; row < made->data->rows * made->data->event_types; row++)
        for (uint32_t g = 0; g < groups; g++) {
            double least = (double)INFINITY;
            for (uint32_t a = 0; a < model->codebooks[g].codewords; a++) {
                double apart = 0.0;
                for (uint32_t j = 0; j < model->group_width; j++) {
                    const double delta =
                        made->keys[(size_t)row * width + g * model->group_width + j] -
                        (double)model->codebooks[g].value[(size_t)a * model->group_width + j];
                    apart += delta * delta;
                }
                if (apart < least) {
                    least = apart;
                    made->codes[(size_t)row * groups + g] = a;
                }
            }
        }
}

static uint32_t first_event(const train_reference *reference, const train_impression *impression)
{
    const uint32_t most = reference->model->config.max_history;
    return impression->history > most ? impression->history - most : 0;
}

static uint32_t row_of(const train_reference *reference, const train_impression *impression,
                       uint32_t i)
{
    const train_event *event =
        &reference->data->events[reference->data->starts[impression->user] + i];
    return event->row * reference->data->event_types + event->type;
}

train_reference *reference_new(const train_model *model, const train_impressions *impressions)
{
    train_reference *made = take(1, sizeof *made);
    made->model = model;
    made->data = model->data;
    for (uint32_t i = 0; i < model->parameter_count; i++) {
        const train_tensor *tensor = &model->parameters[i];
        const size_t size = (size_t)tensor->rows * tensor->columns;
        made->parameters[i] = take(size, sizeof(double));
        for (size_t j = 0; j < size; j++)
            made->parameters[i][j] = (double)tensor->value[j];
    }
    const size_t rows = (size_t)model->data->rows * model->data->event_types;
    made->keys = take(rows * model->config.width, sizeof(double));
    made->values = take(rows * model->config.width, sizeof(double));
    made->codes = take(rows * model->config.groups, sizeof *made->codes);
    made->weights = take(rows, sizeof(double));
    for (uint32_t row = 0; row < rows; row++)
        row_key_value(made, row, made->keys + (size_t)row * model->config.width,
                      made->values + (size_t)row * model->config.width);
    if (model->quantized)
        freeze_codes(made);
    for (size_t i = 0; i < impressions->count; i++)
        for (uint32_t l = first_event(made, &impressions->at[i]); l < impressions->at[i].history;
             l++)
            made->weights[row_of(made, &impressions->at[i], l)] += 1.0;
    return made;
}

void reference_free(train_reference *reference)
{
    for (uint32_t i = 0; i < TRAIN_MAX_PARAMETERS; i++)
        free(reference->parameters[i]);
    free(reference->keys);
    free(reference->values);
    free(reference->codes);
    free(reference->weights);
    free(reference);
}

/* What attention sees of the row: k̂ and v̂. Returns ‖k - C_z‖². */
static double seen_row(const train_reference *reference, uint32_t row, double *key, double *value)
{
    const train_model *model = reference->model;
    row_key_value(reference, row, key, value);
    double apart = 0.0;
    for (uint32_t j = 0; model->quantized && j < model->config.width; j++) {
        const uint32_t g = j / model->group_width;
        const train_codebook *codebook = &model->codebooks[g];
        const uint32_t code = reference->codes[(size_t)row * model->config.groups + g];
        const size_t at = (size_t)code * model->group_width + j % model->group_width;
        const size_t from = (size_t)row * model->config.width + j;
        const double codeword = (double)codebook->value[at];
        apart += (key[j] - codeword) * (key[j] - codeword);
        key[j] += codeword - reference->keys[from];
        if (model->config.quantize_values)
            value[j] += (double)codebook->value_sum[at] / (double)codebook->mass[code] -
                        reference->values[from];
    }
    return apart;
}

static double kappa(const train_reference *reference, uint32_t head, double hours)
{
    const train_model *model = reference->model;
    const double *raw = parameter(reference, model->raw_weight) + (size_t)head * model->kernels;
    double sum = 0.0, all = 0.0;
    for (uint32_t r = 0; r < model->kernels; r++) {
        const double decay = log1p(exp(parameter(reference, model->raw_decay)[r]));
        all += exp(raw[r]);
        sum += exp(raw[r]) * exp(-decay * hours);
    }
    return sum / all;
}

static double logit_of(const train_model *model, const double *query, const double *key)
{
    double sum = 0.0;
    for (uint32_t j = 0; j < model->head_width; j++)
        sum += query[j] * key[j];
    return model->config.attention == ATTENTION_MEAN ? 0.0 : sum / sqrt(model->head_width);
}

/* The logits as one head of all the width would have them; keys [count, D]. */
static void whole_logits(const train_model *model, const double *query, const double *keys,
                         uint32_t count, double *logits)
{
    for (uint32_t i = 0; i < count; i++) {
        logits[i] = 0.0;
        for (uint32_t j = 0; j < model->config.width; j++)
            logits[i] += query[j] * keys[(size_t)i * model->config.width + j];
    }
}

/* Zeroes the weights of all events but those of the largest logits, of equal ones the last. */
static void keep_largest(uint32_t count, uint32_t most, const double *logits, double *weights)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t above = 0;
        for (uint32_t j = 0; j < count; j++)
            above += logits[j] > logits[i] || (logits[j] == logits[i] && j > i);
        weights[i] = above < most ? weights[i] : 0.0;
    }
}

static void attend(const train_reference *reference, const train_impression *impression,
                   const double *query, double *o)
{
    const train_model *model = reference->model;
    const uint32_t begin = first_event(reference, impression);
    const uint32_t count = impression->history - begin;
    memset(o, 0, model->config.width * sizeof *o);
    if (count == 0 || model->config.attention == ATTENTION_NONE)
        return;
    double *values = take((size_t)count * model->config.width, sizeof *values);
    double *keys = take((size_t)count * model->config.width, sizeof *keys);
    double *logits = take((size_t)count * 2, sizeof *logits), *weights = logits + count;
    for (uint32_t h = 0; h < model->config.heads; h++) {
        for (uint32_t i = 0; i < count; i++) {
            double *key = keys + (size_t)i * model->config.width;
            seen_row(reference, row_of(reference, impression, begin + i), key,
                     values + (size_t)i * model->config.width);
            const train_event *event =
                &reference->data->events[reference->data->starts[impression->user] + begin + i];
            logits[i] = logit_of(model, query + h * model->head_width, key + h * model->head_width);
            weights[i] =
                exp(logits[i]) *
                kappa(reference, h, (double)(impression->time_ms - event->time_ms) / 3.6e6);
        }
        if (model->config.attention == ATTENTION_SEARCH)
            whole_logits(model, query, keys, count, logits);
        if (train_config_chooses(&model->config))
            keep_largest(count, model->config.attention_count, logits, weights);
        double all = 0.0;
        for (uint32_t i = 0; i < count; i++)
            all += weights[i];
        for (uint32_t i = 0; i < count; i++)
            for (uint32_t j = h * model->head_width; j < (h + 1) * model->head_width; j++)
                o[j] += weights[i] / all * values[(size_t)i * model->config.width + j];
    }
    free(logits);
    free(keys);
    free(values);
}

static double impression_loss(const train_reference *reference, const train_impression *impression)
{
    const train_model *model = reference->model;
    double x[REFERENCE_WIDTH], y[REFERENCE_WIDTH], query[REFERENCE_WIDTH] = {0.0};
    uint32_t inputs = item_x(reference, impression->row, x);
    multiply(parameter(reference, model->query), model->config.width, inputs, x, query);
    norm(model, query);
    attend(reference, impression, query, x + inputs);
    inputs += model->config.width;
    for (uint32_t n = 0; n < model->layers; n++) {
        const uint32_t outputs = model->weight[n]->rows;
        multiply(parameter(reference, model->weight[n]), outputs, inputs, x, y);
        for (uint32_t i = 0; i < outputs; i++) {
            x[i] = y[i] + parameter(reference, model->bias[n])[i];
            if (n + 1 < model->layers)
                x[i] = fmax(x[i], 0.0);
        }
        inputs = outputs;
    }
    double loss = 0.0;
    for (uint32_t t = 0; t < reference->data->tasks; t++)
        loss += log1p(exp(x[t])) - impression->labels[t] * x[t];
    return loss;
}

double reference_loss(const train_reference *reference, const train_impressions *impressions)
{
    const train_model *model = reference->model;
    double loss = 0.0, commitment = 0.0, events = 0.0;
    for (size_t i = 0; i < impressions->count; i++)
        loss += impression_loss(reference, &impressions->at[i]);
    for (uint32_t row = 0; row < reference->data->rows * reference->data->event_types; row++) {
        double key[REFERENCE_WIDTH] = {0.0}, value[REFERENCE_WIDTH];
        commitment += reference->weights[row] * seen_row(reference, row, key, value);
        events += reference->weights[row];
    }
    if (events > 0.0)
        commitment *= model->config.commitment / model->config.width / events;
    return loss / (double)impressions->count + commitment;
}
