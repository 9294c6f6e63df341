#include "item_builder.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>

#include "allocation.h"
#include "kernels.h"

/* Half the floats' range: the sum of two parts within it is finite. */
static const double part_limit = (double)FLT_MAX / 2.0;

/*
 * The widest spread of an item's ŝ in one head that a row of the table may hold. When only
 * codewords at the low end are in use, their weights are all that the scores are made of: at e^-40
 * = 4e-18 their products with values and decays are still far above where floats lose digits
 * (1e-38). A head's part of a query or codeword has a norm near √d, so that the ŝ of a trained
 * model spread by no more than about 2·√d.
 */
static const double spread_limit = 40.0;

/* ---- memory ---- */

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* Scratch space; false when there is no memory. */
static bool allocate_scratch(vql_item_builder *b)
{
    const vql_allocator *allocator = &b->tables->allocator;
    const vql_model *model = b->tables->model;
    const vql_shape *shape = &model->shape;
    uint32_t longest = larger(shape->width, b->tables->hidden);
    for (uint32_t g = 0; g < shape->groups; g++)
        longest = larger(longest, model->codewords[g]);
    const uint32_t widest = larger(shape->x_width, shape->type_width);
    b->x = vql_allocate_array(allocator, widest, sizeof *b->x, NULL);
    b->query = vql_allocate_array(allocator, shape->width, sizeof *b->query, NULL);
    b->product = vql_allocate_array(allocator, longest, sizeof *b->product, NULL);
    b->weights = vql_allocate_array(allocator, b->tables->head_start[shape->heads],
                                    sizeof *b->weights, NULL);
    return b->x != NULL && b->query != NULL && b->product != NULL && b->weights != NULL;
}

vql_code vql_item_builder_init(vql_tables *tables, vql_item_builder *out)
{
    const vql_allocator *allocator = &tables->allocator;
    const vql_model *model = tables->model;
    const vql_shape *shape = &model->shape;
    const vql_layer *first = &model->layers[0];
    *out = (vql_item_builder){.tables = tables};
    const bool made =
        allocate_scratch(out) &&
        vql_matrix_init(allocator, model->query_weight, shape->width, shape->x_width,
                        &out->query_weight) == VQL_OK &&
        vql_matrix_init(allocator, model->value_weight, shape->width,
                        shape->x_width + shape->type_width, &out->value_weight) == VQL_OK &&
        vql_matrix_init(allocator, first->weight, first->outputs, first->inputs,
                        &out->head_weight) == VQL_OK &&
        vql_quantizer_init(allocator, model, &out->quantizer) == VQL_OK;
    return made ? VQL_OK : VQL_NO_MEMORY;
}

void vql_item_builder_release(vql_item_builder *b)
{
    const vql_allocator *allocator = &b->tables->allocator;
    vql_quantizer_release(allocator, &b->quantizer);
    vql_matrix_release(allocator, &b->head_weight);
    vql_matrix_release(allocator, &b->value_weight);
    vql_matrix_release(allocator, &b->query_weight);
    vql_release(allocator, b->weights);
    vql_release(allocator, b->product);
    vql_release(allocator, b->query);
    vql_release(allocator, b->x);
}

/* ---- one item ---- */

/* Rounds a product to floats; false when a number of it is beyond part_limit. */
static bool round_part(const double *product, uint32_t count, float *part)
{
    for (uint32_t j = 0; j < count; j++) {
        if (!(fabs(product[j]) <= part_limit))
            return false;
        part[j] = (float)product[j];
    }
    return true;
}

static vql_code fail_item(uint64_t id, uint32_t row, const char *weight, vql_error *error)
{
    return vql_fail(error, VQL_VALUE,
                    "item %" PRIu64 " (row %" PRIu32 "): its product with %s is beyond %g", id, row,
                    weight, part_limit);
}

/*
 * Writes ŝ_a - max_a ŝ_a of one head (vql.md §6) with the query in b->query; false when they spread
 * beyond spread_limit.
 */
static bool write_logits(vql_item_builder *b, uint32_t head, float *logits)
{
    const vql_shape *shape = &b->tables->model->shape;
    const uint32_t heads_per_group = shape->heads / shape->groups;
    const uint32_t group = head / heads_per_group;
    const uint32_t count = b->tables->model->codewords[group];
    vql_matrix_product(&b->quantizer.codebooks[group], head % heads_per_group * shape->head_width,
                       shape->head_width, b->query + (size_t)head * shape->head_width, b->product);
    double most = b->product[0];
    double least = b->product[0];
    for (uint32_t a = 1; a < count; a++) {
        most = b->product[a] > most ? b->product[a] : most;
        least = b->product[a] < least ? b->product[a] : least;
    }
    const double scale = 1.0 / sqrt((double)shape->head_width);
    for (uint32_t a = 0; a < count; a++)
        logits[a] = (float)((b->product[a] - most) * scale);
    return (most - least) * scale <= spread_limit;
}

/* Sets the item's row in the table, or refuses the item. */
static void build_weights(vql_item_builder *b, uint32_t row)
{
    const uint32_t *start = b->tables->head_start;
    const uint32_t heads = b->tables->model->shape.heads;
    for (uint32_t h = 0; h < heads; h++) {
        if (!write_logits(b, h, b->weights + start[h])) {
            vql_weight_table_refuse(&b->tables->table, row);
            return;
        }
    }
    vql_kernels_active()->exponential(start[heads], b->weights);
    vql_weight_table_put(&b->tables->table, row, start, b->weights);
}

/* The query of the item in b->x, into b->query and the catalog. */
static void build_query(vql_item_builder *b, uint32_t row)
{
    const vql_shape *shape = &b->tables->model->shape;
    float *query = b->tables->queries + row * b->tables->query_stride;
    vql_matrix_product(&b->query_weight, 0, shape->x_width, b->x, b->query);
    vql_norm(b->tables->model, b->query);
    for (uint32_t j = 0; j < shape->width; j++)
        query[j] = (float)b->query[j];
    if (b->tables->query_stride > shape->width)
        query[shape->width] = 0.0f;
}

/* The codes of the item in b->x under every event type. */
static void build_codes(vql_item_builder *b, uint32_t row)
{
    const vql_shape *shape = &b->tables->model->shape;
    uint16_t *codes = b->tables->codes + (size_t)row * shape->event_types * shape->groups;
    vql_quantizer_item_part(&b->quantizer, b->x, b->product);
    for (uint32_t a = 0; a < shape->event_types; a++)
        vql_quantizer_codes(&b->quantizer, b->product, a, codes + (size_t)a * shape->groups);
}

vql_code vql_item_builder_row(vql_item_builder *b, uint32_t row, uint64_t id, vql_error *error)
{
    const vql_shape *shape = &b->tables->model->shape;
    const uint32_t hidden = b->tables->hidden;
    build_query(b, row);
    if (b->tables->table.slots[row] != VQL_NO_SLOT)
        build_weights(b, row);
    build_codes(b, row);
    vql_matrix_product(&b->value_weight, 0, shape->x_width, b->x, b->product);
    if (!round_part(b->product, shape->width, b->tables->value_item + (size_t)row * shape->width))
        return fail_item(id, row, "attention.value.weight", error);
    vql_matrix_product(&b->head_weight, 0, shape->x_width, b->x, b->product);
    for (uint32_t j = 0; j < hidden; j++)
        b->product[j] += (double)b->tables->model->layers[0].bias[j];
    if (!round_part(b->product, hidden, b->tables->head_item + (size_t)row * hidden))
        return fail_item(id, row, "head.0.weight", error);
    return VQL_OK;
}

vql_code vql_item_builder_types(vql_item_builder *b, vql_error *error)
{
    const vql_model *model = b->tables->model;
    const vql_shape *shape = &model->shape;
    for (uint32_t a = 0; a < shape->event_types; a++) {
        float *value = b->tables->value_type + (size_t)a * shape->width;
        vql_model_type(model, a, b->x);
        vql_matrix_product(&b->value_weight, shape->x_width, shape->type_width, b->x, b->product);
        if (!round_part(b->product, shape->width, value)) {
            return vql_fail(error, VQL_VALUE,
                            "event type %s: its product with attention.value.weight is beyond %g",
                            model->event_types[a], part_limit);
        }
    }
    return VQL_OK;
}
