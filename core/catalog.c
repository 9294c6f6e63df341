/*
 * The catalog as an object: its end, look-ups and accessors. catalog_build.c makes it.
 */
#include "allocation.h"
#include "catalog_data.h"
#include "item_table.h"
#include "model_data.h"

void vql_catalog_free(vql_catalog *catalog)
{
    if (catalog == NULL)
        return;
    const vql_allocator allocator = catalog->allocator;
    vql_weight_table_release(&catalog->table, &allocator);
    for (uint32_t h = 0; catalog->codewords != NULL && h < catalog->model->shape.heads; h++)
        vql_panel_release(&catalog->codewords[h], &allocator);
    for (uint32_t l = 0; catalog->panels != NULL && l < catalog->panel_count; l++)
        vql_panel_release(&catalog->panels[l], &allocator);
    void *const arrays[] = {
        catalog->slots,      catalog->queries,   catalog->value_item,
        catalog->value_type, catalog->codes,     catalog->head_item,
        catalog->head_start, catalog->codewords, catalog->panels,
    };
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
        vql_release(&allocator, arrays[i]);
    vql_release(&allocator, catalog);
}

const vql_model *vql_catalog_model(const vql_catalog *catalog)
{
    return catalog->model;
}

uint32_t vql_catalog_row(const vql_catalog *catalog, uint64_t item_id)
{
    return vql_item_table_get(catalog->slots, catalog->slot_mask, catalog->model->item_ids,
                              item_id);
}

const float *vql_catalog_query(const vql_catalog *catalog, uint32_t row)
{
    return catalog->queries + (size_t)row * catalog->model->shape.width;
}

const uint16_t *vql_catalog_codes(const vql_catalog *catalog, uint32_t row, uint32_t event_type)
{
    const vql_shape *shape = &catalog->model->shape;
    return catalog->codes + ((size_t)row * shape->event_types + event_type) * shape->groups;
}

void vql_catalog_value(const vql_catalog *catalog, uint32_t row, uint32_t event_type, float *value)
{
    const size_t width = catalog->model->shape.width;
    const float *item = catalog->value_item + row * width;
    const float *type = catalog->value_type + event_type * width;
    for (size_t j = 0; j < width; j++)
        value[j] = item[j] + type[j];
}

uint32_t vql_catalog_table_items(const vql_catalog *catalog)
{
    return catalog->table.items;
}

size_t vql_catalog_bytes(const vql_catalog *catalog)
{
    return catalog->bytes;
}
