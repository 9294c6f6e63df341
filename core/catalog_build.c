/*
 * Building a catalog: one pass over the items, each of whose x_i is read once.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "allocation.h"
#include "item_builder.h"
#include "item_table.h"

/* ---- sizes and memory ---- */

static void *allocate(vql_tables *tables, uint64_t count, size_t element_bytes)
{
    return vql_allocate_array(&tables->allocator, count, element_bytes, &tables->bytes);
}

/* `numbers` for each row: those of spare rows are counted when they are taken. */
static void *allocate_rows(vql_tables *tables, uint64_t numbers, size_t number_bytes)
{
    void *made =
        vql_allocate_array(&tables->allocator, tables->capacity * numbers, number_bytes, NULL);
    if (made != NULL) {
        tables->row_bytes += numbers * number_bytes;
        tables->bytes += tables->model->shape.items * numbers * number_bytes;
    }
    return made;
}

/* head_start, and a panel of each head's codewords; false when there is no memory. */
static bool build_codewords(vql_tables *tables)
{
    const vql_shape *shape = &tables->model->shape;
    tables->head_start = allocate(tables, shape->heads + 1u, sizeof *tables->head_start);
    tables->codewords = allocate(tables, shape->heads, sizeof *tables->codewords);
    if (tables->codewords != NULL)
        memset(tables->codewords, 0, shape->heads * sizeof *tables->codewords);
    if (tables->head_start == NULL || tables->codewords == NULL)
        return false;
    tables->head_start[0] = 0;
    for (uint32_t h = 0; h < shape->heads; h++) {
        const uint32_t group = h / (shape->heads / shape->groups);
        const vql_panel_source source = {
            .rows = tables->model->codebooks[group],
            .outputs = tables->model->codewords[group],
            .inputs = shape->head_width,
            .first = h * shape->head_width % shape->group_width,
            .stride = shape->group_width,
        };
        tables->head_start[h + 1] = tables->head_start[h] + source.outputs;
        if (vql_panel_init(&tables->codewords[h], source, &tables->allocator, &tables->bytes) !=
            VQL_OK)
            return false;
    }
    return true;
}

/* Panels of W_1's part for o and of the layers up to the last; false when there is no memory. */
static bool build_panels(vql_tables *tables)
{
    const vql_model *model = tables->model;
    const uint32_t count = model->layer_count > 1 ? model->layer_count - 1 : 1;
    tables->panels = allocate(tables, count, sizeof *tables->panels);
    if (tables->panels == NULL)
        return false;
    memset(tables->panels, 0, count * sizeof *tables->panels);
    tables->panel_count = count;
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
        if (vql_panel_init(&tables->panels[l], source, &tables->allocator, &tables->bytes) !=
            VQL_OK)
            return false;
    }
    return true;
}

/* Ids and x_i of spare rows; false when there is no memory. */
static bool allocate_spare(vql_tables *tables, uint64_t spare)
{
    const uint32_t x_width = tables->model->shape.x_width;
    if (spare == 0)
        return true;
    tables->spare_ids =
        vql_allocate_array(&tables->allocator, spare + 1, sizeof *tables->spare_ids, NULL);
    tables->spare_x = vql_allocate_array(&tables->allocator, (spare + 1) * x_width,
                                         sizeof *tables->spare_x, NULL);
    tables->row_bytes += sizeof *tables->spare_ids + x_width * sizeof *tables->spare_x;
    return tables->spare_ids != NULL && tables->spare_x != NULL;
}

/* The tables' arrays; false when there is no memory. */
static bool allocate_tables(vql_tables *tables, const vql_catalog_options *options,
                            vql_scoring_format format)
{
    const vql_shape *shape = &tables->model->shape;
    tables->hidden = tables->model->layers[0].outputs;
    tables->slot_mask = vql_item_table_mask(shape->items);
    tables->query_stride = shape->width + (shape->head_width & 1);
    tables->slots = allocate(tables, tables->slot_mask + 1, sizeof *tables->slots);
    tables->queries = allocate_rows(tables, tables->query_stride, sizeof(float));
    tables->value_item = allocate_rows(tables, shape->width, sizeof(float));
    tables->value_type =
        allocate(tables, (uint64_t)shape->event_types * shape->width, sizeof(float));
    tables->codes =
        allocate_rows(tables, (uint64_t)shape->event_types * shape->groups, sizeof(uint16_t));
    tables->head_item = allocate_rows(tables, tables->hidden, sizeof(float));
    return tables->slots != NULL && tables->queries != NULL && tables->value_item != NULL &&
           tables->value_type != NULL && tables->codes != NULL && tables->head_item != NULL &&
           build_codewords(tables) && build_panels(tables) &&
           allocate_spare(tables, options->spare_items) &&
           vql_weight_table_init(&tables->table, tables->model, format, options, &tables->allocator,
                                 &tables->bytes) == VQL_OK;
}

/* ---- the whole catalog ---- */

static void build_slots(vql_tables *tables)
{
    const vql_model *model = tables->model;
    memset(tables->slots, 0, (tables->slot_mask + 1) * sizeof *tables->slots);
    for (uint32_t row = 1; row < model->shape.items; row++)
        (void)vql_item_table_put(tables->slots, tables->slot_mask, model->item_ids, row);
}

/* Every row of the model's items; *table_items becomes how many have one in the table. */
static vql_code build_items(vql_item_builder *builder, uint32_t *table_items, vql_error *error)
{
    const vql_tables *tables = builder->tables;
    vql_code code = vql_item_builder_types(builder, error);
    for (uint32_t row = 0; code == VQL_OK && row < tables->model->shape.items; row++) {
        vql_model_item(tables->model, row, builder->x);
        code = vql_item_builder_row(builder, row, tables->model->item_ids[row], error);
        *table_items += tables->table.slots[row] != VQL_NO_SLOT;
    }
    return code;
}

static vql_code build(vql_catalog *catalog, const vql_catalog_options *options,
                      vql_scoring_format format, vql_error *error)
{
    vql_tables *tables = catalog->tables;
    vql_item_builder builder = {.tables = tables};
    vql_code code;
    if (allocate_tables(tables, options, format) &&
        vql_item_builder_init(tables, &builder) == VQL_OK) {
        build_slots(tables);
        code = build_items(&builder, &catalog->table_items, error);
    } else {
        code = vql_fail(error, VQL_NO_MEMORY,
                        "catalog: no memory for %" PRIu32 " items and %" PRIu32
                        " more (the table may take %zu bytes)",
                        tables->model->shape.items, options->spare_items, options->table_bytes);
    }
    vql_item_builder_release(&builder);
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
    const uint32_t items = model->shape.items;
    if (options->spare_items > VQL_MAX_ITEMS - items) {
        return vql_fail(error, VQL_VALUE,
                        "catalog: room for %" PRIu32 " more items beside %" PRIu32
                        "; at most %d in all",
                        options->spare_items, items, VQL_MAX_ITEMS);
    }
    vql_catalog *catalog = vql_allocate_array(&allocator, 1, sizeof *catalog, NULL);
    vql_tables *tables = vql_allocate_array(&allocator, 1, sizeof *tables, NULL);
    if (catalog == NULL || tables == NULL) {
        vql_release(&allocator, tables);
        vql_release(&allocator, catalog);
        return vql_fail(error, VQL_NO_MEMORY, "catalog: no memory");
    }
    *tables = (vql_tables){
        .allocator = allocator,
        .model = model,
        .catalogs = 1,
        .taken_rows = items,
        .capacity = items + options->spare_items,
        .bytes = sizeof *tables,
    };
    *catalog = (vql_catalog){
        .tables = tables, .rows = items, .rows_before = items, .bytes = sizeof *catalog};
    const vql_code code = build(catalog, options, choose_format(model, options->format), error);
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
