/*
 * Building a catalog: one pass over the items, each of whose x_i is read once. Everything is summed
 * in float64 and rounded to float once.
 */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "allocation.h"
#include "catalog_data.h"
#include "item_table.h"
#include "kernels.h"
#include "matrix.h"
#include "model_data.h"
#include "quantizer.h"

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

typedef struct builder {
    vql_catalog *catalog;
    const vql_model *model;
    const vql_allocator *allocator;
    vql_error *error;
    vql_scoring_format format;

    vql_quantizer quantizer;
    vql_matrix query_weight; /* W_q: [D, X] */
    vql_matrix value_weight; /* W_v: [D, X+E_a] */
    vql_matrix head_weight;  /* W_1: [hidden, X+D] */
    double *x;               /* [max(X, E_a)]: x_i or e_a */
    double *query;           /* [D]: q_i */
    double *product;         /* [max(D, hidden, K_g)] */
    float *weights;          /* [head_start[H]]: e^{ŝ} of an item */
} builder;

/* ---- sizes and memory ---- */

static void *allocate(builder *b, uint64_t count, size_t element_bytes)
{
    return vql_allocate_array(b->allocator, count, element_bytes, &b->catalog->bytes);
}

/* head_start, and a panel of each head's codewords; false when there is no memory. */
static bool build_codewords(builder *b)
{
    const vql_shape *shape = &b->model->shape;
    vql_catalog *catalog = b->catalog;
    catalog->head_start = allocate(b, shape->heads + 1u, sizeof *catalog->head_start);
    catalog->codewords = allocate(b, shape->heads, sizeof *catalog->codewords);
    if (catalog->codewords != NULL)
        memset(catalog->codewords, 0, shape->heads * sizeof *catalog->codewords);
    if (catalog->head_start == NULL || catalog->codewords == NULL)
        return false;
    catalog->head_start[0] = 0;
    for (uint32_t h = 0; h < shape->heads; h++) {
        const uint32_t group = h / (shape->heads / shape->groups);
        const vql_panel_source source = {
            .rows = b->model->codebooks[group],
            .outputs = b->model->codewords[group],
            .inputs = shape->head_width,
            .first = h * shape->head_width % shape->group_width,
            .stride = shape->group_width,
        };
        catalog->head_start[h + 1] = catalog->head_start[h] + source.outputs;
        if (vql_panel_init(&catalog->codewords[h], source, b->allocator, &catalog->bytes) != VQL_OK)
            return false;
    }
    return true;
}

/* Panels of W_1's part for o and of the layers up to the last; false when there is no memory. */
static bool build_panels(builder *b)
{
    const vql_model *model = b->model;
    vql_catalog *catalog = b->catalog;
    const uint32_t count = model->layer_count > 1 ? model->layer_count - 1 : 1;
    catalog->panels = allocate(b, count, sizeof *catalog->panels);
    if (catalog->panels == NULL)
        return false;
    memset(catalog->panels, 0, count * sizeof *catalog->panels);
    catalog->panel_count = count;
    for (uint32_t l = 0; l < count; l++) {
        const vql_layer *layer = &model->layers[l];
        const uint32_t first = l == 0 ? model->shape.x_width : 0;
        const vql_panel_source source = {
            .rows = layer->weight,
            .outputs = layer->outputs,
            .inputs = layer->inputs - first,
            .first = first,
            .stride = layer->inputs,
        };
        if (vql_panel_init(&catalog->panels[l], source, b->allocator, &catalog->bytes) != VQL_OK)
            return false;
    }
    return true;
}

/* The catalog's arrays; false when there is no memory. */
static bool allocate_catalog(builder *b, const vql_catalog_options *options)
{
    vql_catalog *catalog = b->catalog;
    const vql_shape *shape = &b->model->shape;
    const uint64_t items = shape->items;
    catalog->hidden = b->model->layers[0].outputs;
    catalog->slot_mask = vql_item_table_mask(shape->items);
    catalog->slots = allocate(b, catalog->slot_mask + 1, sizeof *catalog->slots);
    /* One more: products take inputs in pairs, so that an odd d reads one beyond. */
    catalog->queries = allocate(b, items * shape->width + 1, sizeof(float));
    catalog->value_item = allocate(b, items * shape->width, sizeof(float));
    catalog->value_type = allocate(b, (uint64_t)shape->event_types * shape->width, sizeof(float));
    catalog->codes = allocate(b, items * shape->event_types * shape->groups, sizeof(uint16_t));
    catalog->head_item = allocate(b, items * catalog->hidden, sizeof(float));
    return catalog->slots != NULL && catalog->queries != NULL && catalog->value_item != NULL &&
           catalog->value_type != NULL && catalog->codes != NULL && catalog->head_item != NULL &&
           build_codewords(b) && build_panels(b) &&
           vql_weight_table_init(&catalog->table, b->model, b->format, options->table_bytes,
                                 options->hotness, b->allocator, &catalog->bytes) == VQL_OK;
}

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* Matrices and scratch space; false when there is no memory. */
static bool allocate_work(builder *b)
{
    const vql_model *model = b->model;
    const vql_shape *shape = &model->shape;
    const vql_layer *first = &model->layers[0];
    uint32_t longest = larger(shape->width, first->outputs);
    for (uint32_t g = 0; g < shape->groups; g++)
        longest = larger(longest, model->codewords[g]);
    b->x = vql_allocate_array(b->allocator, larger(shape->x_width, shape->type_width), sizeof *b->x,
                              NULL);
    b->query = vql_allocate_array(b->allocator, shape->width, sizeof *b->query, NULL);
    b->product = vql_allocate_array(b->allocator, longest, sizeof *b->product, NULL);
    b->weights = vql_allocate_array(b->allocator, b->catalog->head_start[shape->heads],
                                    sizeof *b->weights, NULL);
    return b->x != NULL && b->query != NULL && b->product != NULL && b->weights != NULL &&
           vql_matrix_init(b->allocator, model->query_weight, shape->width, shape->x_width,
                           &b->query_weight) == VQL_OK &&
           vql_matrix_init(b->allocator, model->value_weight, shape->width,
                           shape->x_width + shape->type_width, &b->value_weight) == VQL_OK &&
           vql_matrix_init(b->allocator, first->weight, first->outputs, first->inputs,
                           &b->head_weight) == VQL_OK &&
           vql_quantizer_init(b->allocator, model, &b->quantizer) == VQL_OK;
}

static void release_work(builder *b)
{
    vql_quantizer_release(b->allocator, &b->quantizer);
    vql_matrix_release(b->allocator, &b->head_weight);
    vql_matrix_release(b->allocator, &b->value_weight);
    vql_matrix_release(b->allocator, &b->query_weight);
    vql_release(b->allocator, b->weights);
    vql_release(b->allocator, b->product);
    vql_release(b->allocator, b->query);
    vql_release(b->allocator, b->x);
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

static vql_code fail_item(const builder *b, uint32_t row, const char *weight)
{
    return vql_fail(b->error, VQL_VALUE,
                    "item %" PRIu64 " (row %" PRIu32 "): its product with %s is beyond %g",
                    b->model->item_ids[row], row, weight, part_limit);
}

/*
 * Writes ŝ_a - max_a ŝ_a of one head (vql.md §6) with the query in b->query; false when they spread
 * beyond spread_limit.
 */
static bool write_logits(builder *b, uint32_t head, float *logits)
{
    const vql_shape *shape = &b->model->shape;
    const uint32_t heads_per_group = shape->heads / shape->groups;
    const uint32_t group = head / heads_per_group;
    const uint32_t count = b->model->codewords[group];
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
static void build_weights(builder *b, uint32_t row)
{
    const uint32_t *start = b->catalog->head_start;
    const uint32_t heads = b->model->shape.heads;
    for (uint32_t h = 0; h < heads; h++) {
        if (!write_logits(b, h, b->weights + start[h])) {
            vql_weight_table_refuse(&b->catalog->table, row);
            return;
        }
    }
    vql_kernels_active()->exponential(start[heads], b->weights);
    vql_weight_table_put(&b->catalog->table, row, start, b->weights);
}

/* The query of the item in b->x, into b->query and the catalog. */
static void build_query(builder *b, uint32_t row)
{
    const vql_shape *shape = &b->model->shape;
    float *query = b->catalog->queries + (size_t)row * shape->width;
    vql_matrix_product(&b->query_weight, 0, shape->x_width, b->x, b->query);
    vql_norm(b->model, b->query);
    for (uint32_t j = 0; j < shape->width; j++)
        query[j] = (float)b->query[j];
}

/* The codes of the item in b->x under every event type. */
static void build_codes(builder *b, uint32_t row)
{
    const vql_shape *shape = &b->model->shape;
    uint16_t *codes = b->catalog->codes + (size_t)row * shape->event_types * shape->groups;
    vql_quantizer_item_part(&b->quantizer, b->x, b->product);
    for (uint32_t a = 0; a < shape->event_types; a++)
        vql_quantizer_codes(&b->quantizer, b->product, a, codes + (size_t)a * shape->groups);
}

static vql_code build_item(builder *b, uint32_t row)
{
    const vql_shape *shape = &b->model->shape;
    const uint32_t hidden = b->catalog->hidden;
    vql_model_item(b->model, row, b->x);
    build_query(b, row);
    if (b->catalog->table.slots[row] != VQL_NO_SLOT)
        build_weights(b, row);
    build_codes(b, row);
    vql_matrix_product(&b->value_weight, 0, shape->x_width, b->x, b->product);
    if (!round_part(b->product, shape->width, b->catalog->value_item + (size_t)row * shape->width))
        return fail_item(b, row, "attention.value.weight");
    vql_matrix_product(&b->head_weight, 0, shape->x_width, b->x, b->product);
    for (uint32_t j = 0; j < hidden; j++)
        b->product[j] += (double)b->model->layers[0].bias[j];
    if (!round_part(b->product, hidden, b->catalog->head_item + (size_t)row * hidden))
        return fail_item(b, row, "head.0.weight");
    return VQL_OK;
}

/* ---- the whole catalog ---- */

static void build_slots(const builder *b)
{
    vql_catalog *catalog = b->catalog;
    memset(catalog->slots, 0, (catalog->slot_mask + 1) * sizeof *catalog->slots);
    for (uint32_t row = 1; row < b->model->shape.items; row++)
        (void)vql_item_table_put(catalog->slots, catalog->slot_mask, b->model->item_ids, row);
}

/* W_v's type part times every e_a. */
static vql_code build_types(builder *b)
{
    const vql_shape *shape = &b->model->shape;
    for (uint32_t a = 0; a < shape->event_types; a++) {
        vql_model_type(b->model, a, b->x);
        vql_matrix_product(&b->value_weight, shape->x_width, shape->type_width, b->x, b->product);
        if (!round_part(b->product, shape->width,
                        b->catalog->value_type + (size_t)a * shape->width)) {
            return vql_fail(b->error, VQL_VALUE,
                            "event type %s: its product with attention.value.weight is beyond %g",
                            b->model->event_types[a], part_limit);
        }
    }
    return VQL_OK;
}

static vql_code build_parts(builder *b)
{
    b->catalog->queries[(size_t)b->model->shape.items * b->model->shape.width] = 0.0f;
    build_slots(b);
    vql_code code = build_types(b);
    for (uint32_t row = 0; code == VQL_OK && row < b->model->shape.items; row++)
        code = build_item(b, row);
    return code;
}

/* The format to use where one is asked for. */
static vql_scoring_format choose_format(const vql_model *model, vql_scoring_format asked)
{
    for (uint32_t g = 0; g < model->shape.groups; g++)
        if (model->codewords[g] > VQL_INT16_CODEWORDS)
            return VQL_SCORING_F32;
    return asked == VQL_SCORING_F32 ? VQL_SCORING_F32 : VQL_SCORING_INT16;
}

vql_code vql_catalog_create(const vql_model *model, const vql_catalog_options *options,
                            vql_catalog **out, vql_error *error)
{
    const vql_allocator allocator =
        options->allocator != NULL ? *options->allocator : *vql_allocator_default();
    vql_catalog *catalog = vql_allocate_array(&allocator, 1, sizeof *catalog, NULL);
    if (catalog == NULL)
        return vql_fail(error, VQL_NO_MEMORY, "catalog: no memory");
    *catalog = (vql_catalog){.allocator = allocator, .model = model, .bytes = sizeof *catalog};
    builder b = {.catalog = catalog, .model = model, .allocator = &allocator, .error = error};
    b.format = choose_format(model, options->format);
    vql_code code;
    if (allocate_catalog(&b, options) && allocate_work(&b)) {
        code = build_parts(&b);
    } else {
        code = vql_fail(error, VQL_NO_MEMORY,
                        "catalog: no memory for %" PRIu32 " items (the table may take %zu bytes)",
                        model->shape.items, options->table_bytes);
    }
    release_work(&b);
    if (code != VQL_OK) {
        vql_catalog_free(catalog);
        return code;
    }
    *out = catalog;
    return VQL_OK;
}

vql_code vql_catalog_build(const vql_model *model, size_t table_bytes,
                           const vql_allocator *allocator, vql_catalog **out, vql_error *error)
{
    const vql_catalog_options options = {
        .table_bytes = table_bytes,
        .format = VQL_SCORING_F32,
        .allocator = allocator,
    };
    return vql_catalog_create(model, &options, out, error);
}
