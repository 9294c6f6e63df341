#include "model.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "random.h"
#include "train_memory.h"

enum { MODEL_MAX_X = 4096 }; /* what a model file may have */

static const double model_embedding_deviation = 0.05;

static size_t tensor_size(const train_tensor *tensor)
{
    return (size_t)tensor->rows * tensor->columns;
}

static train_tensor *add(train_model *model, const char *name, uint32_t rows, uint32_t columns,
                         train_rate rate)
{
    assert(model->parameter_count < TRAIN_MAX_PARAMETERS);
    train_tensor *tensor = &model->parameters[model->parameter_count++];
    *tensor = (train_tensor){.rows = rows, .columns = columns, .rate = rate};
    snprintf(tensor->name, sizeof tensor->name, "%s", name);
    const size_t size = tensor_size(tensor);
    tensor->value = memory_zeros(size, sizeof(float));
    tensor->gradient = memory_zeros(size, sizeof(float));
    tensor->first = memory_zeros(size, sizeof(float));
    tensor->second = memory_zeros(size, sizeof(float));
    return tensor;
}

static random_stream weights_of(const train_model *model, const train_tensor *tensor)
{
    return random_open(model->config.seed, RANDOM_WEIGHTS, (uint64_t)(tensor - model->parameters));
}

static train_tensor *add_embedding(train_model *model, const char *name, uint32_t rows,
                                   uint32_t columns, train_rate rate)
{
    train_tensor *tensor = add(model, name, rows, columns, rate);
    const random_stream stream = weights_of(model, tensor);
    const size_t size = tensor_size(tensor);
    for (size_t i = 0; i < size; i++)
        tensor->value[i] = (float)(model_embedding_deviation * random_normal(stream, i));
    return tensor;
}

/* Uniform in ± 1 / √inputs. */
static train_tensor *add_uniform(train_model *model, const char *name, uint32_t rows,
                                 uint32_t columns, uint32_t inputs)
{
    train_tensor *tensor = add(model, name, rows, columns, RATE_WEIGHT);
    const random_stream stream = weights_of(model, tensor);
    const double bound = 1.0 / sqrt((double)inputs);
    const size_t size = tensor_size(tensor);
    for (size_t i = 0; i < size; i++)
        tensor->value[i] = (float)(bound * (2.0 * random_uniform(stream, i) - 1.0));
    return tensor;
}

static void add_embeddings(train_model *model)
{
    const train_config *config = &model->config;
    const dataset *data = model->data;
    char name[TRAIN_NAME_BYTES];
    model->item =
        add_embedding(model, "item.embedding", data->rows, config->item_width, RATE_EMBEDDING);
    for (uint32_t f = 0; f < data->field_count; f++) {
        snprintf(name, sizeof name, "field.%s.embedding", data->fields[f].name);
        model->fields[f] =
            add_embedding(model, name, data->fields[f].values, config->field_width, RATE_EMBEDDING);
    }
    model->type = add_embedding(model, "event_type.embedding", data->event_types,
                                config->type_width, RATE_WEIGHT);
}

static void add_projections(train_model *model)
{
    const uint32_t width = model->config.width;
    model->query =
        add_uniform(model, "attention.query.weight", width, model->x_width, model->x_width);
    model->key =
        add_uniform(model, "attention.key.weight", width, model->event_width, model->event_width);
    model->value =
        add_uniform(model, "attention.value.weight", width, model->event_width, model->event_width);
    if (model->config.static_context)
        return;
    for (uint32_t row = 0; row < width; row++)
        for (uint32_t j = model->config.item_width; j < model->event_width; j++) {
            const size_t at = (size_t)row * model->event_width + j;
            model->key->value[at] = 0.0F;
            model->value->value[at] = 0.0F;
        }
}

/* λ = softplus(raw). */
static void add_kernel(train_model *model)
{
    const train_config *config = &model->config;
    const train_rate rate = config->kernels > 0 ? RATE_KERNEL : RATE_FROZEN;
    model->raw_decay = add(model, "time.raw_decay", 1, model->kernels, rate);
    model->raw_weight = add(model, "time.raw_weight", config->heads, model->kernels, rate);
    if (config->kernels == 0)
        model->raw_decay->value[0] = -INFINITY;
    for (uint32_t r = 0; r < config->kernels; r++) {
        const double decay = config->decay_start[r];
        model->raw_decay->value[r] = (float)(decay > 30.0 ? decay : log(expm1(decay)));
        for (uint32_t h = 0; h < config->heads; h++)
            model->raw_weight->value[(size_t)h * model->kernels + r] =
                (float)config->mixture_start[r];
    }
}

static void add_head(train_model *model)
{
    const train_config *config = &model->config;
    uint32_t inputs = model->x_width + config->width;
    for (uint32_t n = 0; n < model->layers; n++) {
        const uint32_t outputs = n < config->hidden_layers ? config->hidden[n] : model->data->tasks;
        char name[TRAIN_NAME_BYTES];
        snprintf(name, sizeof name, "head.%u.weight", n);
        model->weight[n] = add_uniform(model, name, outputs, inputs, inputs);
        snprintf(name, sizeof name, "head.%u.bias", n);
        model->bias[n] = add_uniform(model, name, 1, outputs, inputs);
        inputs = outputs;
    }
}

static void add_codebooks(train_model *model)
{
    for (uint32_t g = 0; g < model->config.groups; g++) {
        train_codebook *codebook = &model->codebooks[g];
        codebook->codewords = model->config.codewords[g];
        const size_t size = (size_t)codebook->codewords * model->group_width;
        codebook->value = memory_zeros(size, sizeof(float));
        codebook->mass = memory_zeros(codebook->codewords, sizeof(float));
        codebook->sum = memory_zeros(size, sizeof(float));
        if (model->config.quantize_values)
            codebook->value_sum = memory_zeros(size, sizeof(float));
    }
    model->counts =
        memory_zeros((size_t)model->data->rows * model->data->event_types, sizeof(float));
}

vql_code train_model_new(const train_config *config, const dataset *data, train_model **out,
                         vql_error *error)
{
    const uint64_t x =
        (uint64_t)config->item_width + (uint64_t)data->field_count * config->field_width;
    if (x > MODEL_MAX_X)
        return vql_fail(error, VQL_VALUE, "an item's embeddings are %llu wide, more than %d",
                        (unsigned long long)x, MODEL_MAX_X);
    if ((uint64_t)data->rows * data->event_types >= UINT32_MAX)
        return vql_fail(error, VQL_VALUE, "%u items by %u event types: 2^32 or more", data->rows,
                        data->event_types);
    train_model *model = memory_zeros(1, sizeof *model);
    model->config = *config;
    model->data = data;
    model->x_width = (uint32_t)x;
    model->event_width = model->x_width + config->type_width;
    model->head_width = config->width / config->heads;
    model->group_width = config->width / config->groups;
    model->kernels = config->kernels > 0 ? config->kernels : 1;
    model->layers = config->hidden_layers + 1;
    add_embeddings(model);
    add_projections(model);
    add_kernel(model);
    add_head(model);
    add_codebooks(model);
    *out = model;
    return VQL_OK;
}

void train_model_free(train_model *model)
{
    if (model == NULL)
        return;
    for (uint32_t i = 0; i < model->parameter_count; i++) {
        const train_tensor *tensor = &model->parameters[i];
        free(tensor->value);
        free(tensor->gradient);
        free(tensor->first);
        free(tensor->second);
    }
    for (uint32_t g = 0; g < model->config.groups; g++) {
        free(model->codebooks[g].value);
        free(model->codebooks[g].mass);
        free(model->codebooks[g].sum);
        free(model->codebooks[g].value_sum);
    }
    free(model->counts);
    free(model);
}
