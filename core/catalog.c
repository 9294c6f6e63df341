/*
 * The catalog as an object: its end, look-ups and accessors. catalog_build.c makes it, and
 * catalog_extend.c one that has more items.
 */
#include <string.h>

#include "allocation.h"
#include "catalog_data.h"
#include "item_table.h"

void vql_tables_free(vql_tables *tables)
{
    const vql_allocator allocator = tables->allocator;
    vql_weight_table_release(&tables->table, &allocator);
    for (uint32_t h = 0; tables->codewords != NULL && h < tables->model->shape.heads; h++)
        vql_panel_release(&tables->codewords[h], &allocator);
    for (uint32_t l = 0; tables->panels != NULL && l < tables->panel_count; l++)
        vql_panel_release(&tables->panels[l], &allocator);
    void *const arrays[] = {
        tables->slots,  tables->queries,   tables->value_item, tables->value_type,
        tables->codes,  tables->head_item, tables->head_start, tables->codewords,
        tables->panels, tables->spare_ids, tables->spare_x,
    };
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
        vql_release(&allocator, arrays[i]);
    vql_release(&allocator, tables);
}

void vql_catalog_free(vql_catalog *catalog)
{
    if (catalog == NULL)
        return;
    vql_tables *tables = catalog->tables;
    const vql_allocator allocator = tables->allocator;
    unsigned int newest = catalog->rows;
    (void)atomic_compare_exchange_strong(&tables->taken_rows, &newest, catalog->rows_before);
    vql_release(&allocator, catalog->spare_slots);
    vql_release(&allocator, catalog);
    if (atomic_fetch_sub(&tables->catalogs, 1) == 1)
        vql_tables_free(tables);
}

const vql_model *vql_catalog_model(const vql_catalog *catalog)
{
    return catalog->tables->model;
}

uint32_t vql_catalog_rows(const vql_catalog *catalog)
{
    return catalog->rows;
}

uint32_t vql_catalog_spare_rows(const vql_catalog *catalog)
{
    return catalog->tables->capacity - catalog->rows;
}

uint32_t vql_catalog_row(const vql_catalog *catalog, uint64_t item_id)
{
    const vql_tables *tables = catalog->tables;
    if (catalog->spare_slots != NULL) {
        const uint32_t spare = vql_item_table_get(catalog->spare_slots, catalog->spare_mask,
                                                  tables->spare_ids, item_id);
        if (spare != 0)
            return tables->model->shape.items + spare - 1;
    }
    return vql_item_table_get(tables->slots, tables->slot_mask, tables->model->item_ids, item_id);
}

void vql_tables_item(const vql_tables *tables, uint32_t row, double *x)
{
    const vql_shape *shape = &tables->model->shape;
    if (row < shape->items) {
        vql_model_item(tables->model, row, x);
        return;
    }
    const size_t spare = (size_t)row - shape->items + 1;
    memcpy(x, tables->spare_x + spare * shape->x_width, shape->x_width * sizeof *x);
}

const float *vql_catalog_query(const vql_catalog *catalog, uint32_t row)
{
    return vql_tables_query(catalog->tables, row);
}

const uint16_t *vql_catalog_codes(const vql_catalog *catalog, uint32_t row, uint32_t event_type)
{
    return vql_tables_codes(catalog->tables, row, event_type);
}

void vql_tables_value(const vql_tables *tables, uint32_t row, uint32_t event_type, float *value)
{
    const size_t width = tables->model->shape.width;
    const float *item = tables->value_item + row * width;
    const float *type = tables->value_type + event_type * width;
    for (size_t j = 0; j < width; j++)
        value[j] = item[j] + type[j];
}

void vql_catalog_value(const vql_catalog *catalog, uint32_t row, uint32_t event_type, float *value)
{
    vql_tables_value(catalog->tables, row, event_type, value);
}

uint32_t vql_catalog_table_items(const vql_catalog *catalog)
{
    return catalog->table_items;
}

size_t vql_catalog_bytes(const vql_catalog *catalog)
{
    return catalog->tables->bytes + catalog->bytes;
}
