/*
 * The model as an object: its end, its accessors, x_i and e_a. model_parse.c makes it.
 */
#include "allocation.h"
#include "model_data.h"

static void free_fields(vql_model *model)
{
    for (uint32_t f = 0; model->fields != NULL && f < model->field_count; f++) {
        vql_release(&model->allocator, model->fields[f].embedding);
        vql_release(&model->allocator, model->fields[f].offsets);
        vql_release(&model->allocator, model->fields[f].indices);
    }
    vql_release(&model->allocator, model->fields);
}

static void free_codebooks(vql_model *model)
{
    for (uint32_t g = 0; model->codebooks != NULL && g < model->shape.groups; g++)
        vql_release(&model->allocator, model->codebooks[g]);
    vql_release(&model->allocator, model->codebooks);
    vql_release(&model->allocator, model->codewords);
}

static void free_layers(vql_model *model)
{
    for (uint32_t layer = 0; model->layers != NULL && layer < model->layer_count; layer++) {
        vql_release(&model->allocator, model->layers[layer].weight);
        vql_release(&model->allocator, model->layers[layer].bias);
    }
    vql_release(&model->allocator, model->layers);
}

void vql_model_free(vql_model *model)
{
    if (model == NULL)
        return;
    const vql_allocator allocator = model->allocator;
    free_layers(model);
    free_codebooks(model);
    free_fields(model);
    void *const arrays[] = {model->tasks,          model->event_types,    model->item_ids,
                            model->item_embedding, model->type_embedding, model->query_weight,
                            model->key_weight,     model->value_weight,   model->decay,
                            model->kernel_weight};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
        vql_release(&allocator, arrays[i]);
    vql_release(&allocator, model);
}

const vql_shape *vql_model_shape(const vql_model *model)
{
    return &model->shape;
}

const char *vql_model_name(const vql_model *model)
{
    return model->name;
}

const char *vql_model_task(const vql_model *model, uint32_t task)
{
    return model->tasks[task];
}

const char *vql_model_event_type(const vql_model *model, uint32_t event_type)
{
    return model->event_types[event_type];
}

uint32_t vql_model_codewords(const vql_model *model, uint32_t group)
{
    return model->codewords[group];
}

double vql_model_decay(const vql_model *model, uint32_t kernel)
{
    return (double)model->decay[kernel];
}

double vql_model_kernel_weight(const vql_model *model, uint32_t head, uint32_t kernel)
{
    return (double)model->kernel_weight[head * model->shape.kernels + kernel];
}

uint64_t vql_model_fingerprint(const vql_model *model)
{
    return model->fingerprint;
}

size_t vql_model_bytes(const vql_model *model)
{
    return model->bytes;
}

static void widen(const float *from, uint32_t count, double *to)
{
    for (uint32_t j = 0; j < count; j++)
        to[j] = (double)from[j];
}

void vql_model_type(const vql_model *model, uint32_t event_type, double *e)
{
    const uint32_t width = model->shape.type_width;
    widen(model->type_embedding + (size_t)event_type * width, width, e);
}

void vql_field_mean(const vql_field *field, const uint32_t *values, size_t count, double *mean)
{
    for (uint32_t j = 0; j < field->width; j++)
        mean[j] = 0.0;
    for (size_t i = 0; i < count; i++) {
        const float *value = field->embedding + (size_t)values[i] * field->width;
        for (uint32_t j = 0; j < field->width; j++)
            mean[j] += (double)value[j];
    }
    for (uint32_t j = 0; j < field->width && count > 0; j++)
        mean[j] /= (double)count;
}

void vql_model_item(const vql_model *model, uint32_t row, double *x)
{
    widen(model->item_embedding + (size_t)row * model->item_width, model->item_width, x);
    x += model->item_width;
    for (uint32_t f = 0; f < model->field_count; f++) {
        const vql_field *field = &model->fields[f];
        const uint32_t first = field->offsets[row];
        vql_field_mean(field, field->indices + first, field->offsets[row + 1] - first, x);
        x += field->width;
    }
}
