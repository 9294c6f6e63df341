#include "quantizer.h"

#include <math.h>
#include <string.h>

#include "allocation.h"

static uint32_t most_codewords(const vql_model *model)
{
    uint32_t most = 0;
    for (uint32_t g = 0; g < model->shape.groups; g++)
        most = model->codewords[g] > most ? model->codewords[g] : most;
    return most;
}

static vql_code init_codebooks(const vql_allocator *allocator, vql_quantizer *quantizer)
{
    const vql_model *model = quantizer->model;
    const uint32_t groups = model->shape.groups;
    quantizer->codebooks =
        vql_allocate_array(allocator, groups, sizeof *quantizer->codebooks, NULL);
    if (quantizer->codebooks == NULL)
        return VQL_NO_MEMORY;
    memset(quantizer->codebooks, 0, groups * sizeof *quantizer->codebooks);
    vql_code code = VQL_OK;
    for (uint32_t g = 0; code == VQL_OK && g < groups; g++) {
        code = vql_matrix_init(allocator, model->codebooks[g], model->codewords[g],
                               model->shape.group_width, &quantizer->codebooks[g]);
    }
    return code;
}

/* type_parts[a] = (W_k's type part) e_a. */
static void compute_type_parts(vql_quantizer *quantizer)
{
    const vql_model *model = quantizer->model;
    const vql_shape *shape = &model->shape;
    for (uint32_t a = 0; a < shape->event_types; a++) {
        vql_model_type(model, a, quantizer->scratch);
        vql_matrix_product(&quantizer->key, shape->x_width, shape->type_width, quantizer->scratch,
                           quantizer->type_parts + (size_t)a * shape->width);
    }
}

vql_code vql_quantizer_init(const vql_allocator *allocator, const vql_model *model,
                            vql_quantizer *out)
{
    const vql_shape *shape = &model->shape;
    vql_quantizer made = {.model = model};
    vql_code code = vql_matrix_init(allocator, model->key_weight, shape->width,
                                    shape->x_width + shape->type_width, &made.key);
    if (code == VQL_OK)
        code = init_codebooks(allocator, &made);
    const size_t number = sizeof(double);
    const uint32_t scratch = shape->width > shape->type_width ? shape->width : shape->type_width;
    made.type_parts =
        vql_allocate_array(allocator, (uint64_t)shape->event_types * shape->width, number, NULL);
    made.scratch = vql_allocate_array(allocator, scratch, number, NULL);
    made.distances = vql_allocate_array(allocator, most_codewords(model), number, NULL);
    if (code != VQL_OK || made.type_parts == NULL || made.scratch == NULL ||
        made.distances == NULL) {
        vql_quantizer_release(allocator, &made);
        return VQL_NO_MEMORY;
    }
    compute_type_parts(&made);
    *out = made;
    return VQL_OK;
}

void vql_quantizer_release(const vql_allocator *allocator, vql_quantizer *quantizer)
{
    vql_release(allocator, quantizer->distances);
    vql_release(allocator, quantizer->scratch);
    vql_release(allocator, quantizer->type_parts);
    for (uint32_t g = 0; quantizer->codebooks != NULL && g < quantizer->model->shape.groups; g++)
        vql_matrix_release(allocator, &quantizer->codebooks[g]);
    vql_release(allocator, quantizer->codebooks);
    vql_matrix_release(allocator, &quantizer->key);
}

void vql_quantizer_item_part(const vql_quantizer *quantizer, const double *x, double *part)
{
    vql_matrix_product(&quantizer->key, 0, quantizer->model->shape.x_width, x, part);
}

static uint16_t lowest(const double *distances, uint32_t count)
{
    uint32_t best = 0;
    for (uint32_t a = 1; a < count; a++)
        best = distances[a] < distances[best] ? a : best;
    return (uint16_t)best;
}

void vql_quantizer_key(const vql_quantizer *quantizer, const double *item_part, uint32_t event_type,
                       double *key)
{
    const uint32_t width = quantizer->model->shape.width;
    const double *type_part = quantizer->type_parts + (size_t)event_type * width;
    for (uint32_t j = 0; j < width; j++)
        key[j] = item_part[j] + type_part[j];
    vql_norm(quantizer->model, key);
}

void vql_quantizer_codes(vql_quantizer *quantizer, const double *item_part, uint32_t event_type,
                         uint16_t *codes)
{
    const vql_model *model = quantizer->model;
    const vql_shape *shape = &model->shape;
    double *key = quantizer->scratch;
    vql_quantizer_key(quantizer, item_part, event_type, key);
    for (uint32_t g = 0; g < shape->groups; g++) {
        vql_matrix_distances(&quantizer->codebooks[g], key + (size_t)g * shape->group_width,
                             quantizer->distances);
        codes[g] = lowest(quantizer->distances, model->codewords[g]);
    }
}

void vql_norm(const vql_model *model, double *x)
{
    const uint32_t head_width = model->shape.head_width;
    for (uint32_t h = 0; h < model->shape.heads; h++, x += head_width) {
        double squares = 0.0;
        for (uint32_t j = 0; j < head_width; j++)
            squares += x[j] * x[j];
        const double root = sqrt(squares / (double)head_width + model->rms_epsilon);
        for (uint32_t j = 0; j < head_width; j++)
            x[j] /= root;
    }
}
