/*
 * Catalogs with more items, and with items that have changed: each is a spare row of the tables
 * that all of them share.
 */
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "allocation.h"
#include "item_builder.h"
#include "item_table.h"

/* What fails, and which item it is about. */
typedef struct item_place {
    const vql_item *item;
    size_t index;
    vql_error *error;
} item_place;

/* ---- x_i ---- */

static vql_code set_embedding(item_place at, const vql_model *model, double *x)
{
    const vql_item *item = at.item;
    if (item->embedding == NULL)
        return VQL_OK;
    if (item->embedding_width != model->item_width) {
        return vql_fail(at.error, VQL_SHAPE,
                        "items[%zu].embedding: item %" PRIu64
                        " has %zu numbers; the model's have %" PRIu32,
                        at.index, item->id, item->embedding_width, model->item_width);
    }
    for (uint32_t j = 0; j < model->item_width; j++) {
        if (!isfinite(item->embedding[j])) {
            return vql_fail(at.error, VQL_VALUE,
                            "items[%zu].embedding[%" PRIu32 "]: %g of item %" PRIu64
                            " is not finite",
                            at.index, j, (double)item->embedding[j], item->id);
        }
        x[j] = (double)item->embedding[j];
    }
    return VQL_OK;
}

/* The mean of some of a field's values, into its part of x. */
static vql_code set_values(item_place at, const vql_field *field, const vql_item_field *from,
                           double *x)
{
    for (size_t i = 0; i < from->count; i++) {
        if (from->values[i] >= field->values) {
            return vql_fail(at.error, VQL_VALUE,
                            "items[%zu].fields: value %" PRIu32 " of item %" PRIu64
                            " in %s; the model has values 0 to %" PRIu32,
                            at.index, from->values[i], at.item->id, field->name, field->values - 1);
        }
    }
    vql_field_mean(field, from->values, from->count, x);
    return VQL_OK;
}

static vql_code set_field(item_place at, const vql_model *model, const vql_item_field *from,
                          uint64_t *seen, double *x)
{
    x += model->item_width;
    for (uint32_t f = 0; f < model->field_count; f++) {
        const vql_field *field = &model->fields[f];
        if (strcmp(field->name, from->name) == 0) {
            if ((*seen >> f & 1) != 0) {
                return vql_fail(at.error, VQL_VALUE,
                                "items[%zu].fields: item %" PRIu64 " names %s twice", at.index,
                                at.item->id, field->name);
            }
            *seen |= UINT64_C(1) << f;
            return set_values(at, field, from, x);
        }
        x += field->width;
    }
    return vql_fail(at.error, VQL_VALUE,
                    "items[%zu].fields: item %" PRIu64 ": the model has no field \"%.*s\"",
                    at.index, at.item->id, VQL_MAX_NAME_BYTES, from->name);
}

/* x_i of an item: that of the row it had, or of row 0 without fields' values, and what it sets. */
static vql_code set_item(item_place at, const vql_tables *tables, uint32_t row, double *x)
{
    const vql_model *model = tables->model;
    uint64_t seen = 0; /* a bit for each of at most VQL_MAX_FIELDS fields */
    vql_tables_item(tables, row, x);
    for (uint32_t j = model->item_width; row == 0 && j < model->shape.x_width; j++)
        x[j] = 0.0;
    vql_code code = set_embedding(at, model, x);
    for (size_t f = 0; code == VQL_OK && f < at.item->field_count; f++)
        code = set_field(at, model, &at.item->fields[f], &seen, x);
    return code;
}

/* ---- rows ---- */

/* Takes the next spare row for an item. */
static vql_code add_item(vql_catalog *catalog, vql_item_builder *builder, item_place at)
{
    vql_tables *tables = catalog->tables;
    const vql_shape *shape = &tables->model->shape;
    const uint32_t row = catalog->rows;
    const uint32_t spare = row - shape->items + 1;
    vql_code code = set_item(at, tables, vql_catalog_row(catalog, at.item->id), builder->x);
    if (code != VQL_OK)
        return code;
    vql_weight_table_add(&tables->table, row);
    code = vql_item_builder_row(builder, row, at.item->id, at.error);
    if (code != VQL_OK)
        return code;
    memcpy(tables->spare_x + (size_t)spare * shape->x_width, builder->x,
           shape->x_width * sizeof *builder->x);
    tables->spare_ids[spare] = at.item->id;
    vql_item_table_set(catalog->spare_slots, catalog->spare_mask, tables->spare_ids, spare);
    const bool weighted = tables->table.slots[row] != VQL_NO_SLOT;
    catalog->table_items += weighted;
    catalog->bytes += tables->row_bytes + (weighted ? tables->table.row_bytes : 0);
    catalog->rows++;
    return VQL_OK;
}

/* The map of spare rows, with room for `count` more than the catalog before had. */
static vql_code make_slots(vql_catalog *next, const vql_catalog *before, size_t count)
{
    const vql_tables *tables = next->tables;
    const uint32_t taken = before->rows - tables->model->shape.items;
    next->spare_mask = vql_item_table_mask(taken + (uint32_t)count + 1);
    const size_t bytes = (size_t)(next->spare_mask + 1) * sizeof *next->spare_slots;
    next->spare_slots = vql_allocate_array(&tables->allocator, bytes, 1, &next->bytes);
    if (next->spare_slots == NULL)
        return VQL_NO_MEMORY;
    if (before->spare_slots != NULL)
        next->bytes -= (size_t)(before->spare_mask + 1) * sizeof *before->spare_slots;
    if (before->spare_slots != NULL && before->spare_mask == next->spare_mask) {
        memcpy(next->spare_slots, before->spare_slots, bytes);
        return VQL_OK;
    }
    memset(next->spare_slots, 0, bytes);
    for (uint32_t spare = 1; spare <= taken; spare++)
        vql_item_table_set(next->spare_slots, next->spare_mask, tables->spare_ids, spare);
    return VQL_OK;
}

/* ---- the whole extension ---- */

static vql_code check_room(const vql_catalog *catalog, size_t count, vql_error *error)
{
    const vql_tables *tables = catalog->tables;
    const uint32_t items = tables->model->shape.items;
    const uint32_t spare = tables->capacity - items;
    if (atomic_load(&tables->taken_rows) != catalog->rows)
        return vql_fail(error, VQL_VALUE, "catalog: was extended already");
    if (count <= tables->capacity - catalog->rows)
        return VQL_OK;
    return vql_fail(error, VQL_FULL,
                    "items: %zu more than the %" PRIu32
                    " that were added or changed; room for %" PRIu32 " in all",
                    count, catalog->rows - items, spare);
}

static vql_code add_items(vql_catalog *next, const vql_catalog *before, const vql_item *items,
                          size_t count, vql_error *error)
{
    vql_item_builder builder;
    vql_code code = vql_item_builder_init(next->tables, &builder);
    if (code == VQL_OK)
        code = make_slots(next, before, count);
    if (code != VQL_OK)
        (void)vql_fail(error, code, "items: no memory to add %zu", count);
    for (size_t i = 0; code == VQL_OK && i < count; i++) {
        const item_place at = {.item = &items[i], .index = i, .error = error};
        code = add_item(next, &builder, at);
    }
    vql_item_builder_release(&builder);
    return code;
}

vql_code vql_catalog_extend(const vql_catalog *catalog, const vql_item *items, size_t count,
                            vql_catalog **out, vql_error *error)
{
    vql_tables *tables = catalog->tables;
    vql_code code = check_room(catalog, count, error);
    if (code != VQL_OK)
        return code;
    vql_catalog *next = vql_allocate_array(&tables->allocator, 1, sizeof *next, NULL);
    if (next == NULL)
        return vql_fail(error, VQL_NO_MEMORY, "items: no memory to add %zu", count);
    *next = *catalog;
    next->spare_slots = NULL;
    code = add_items(next, catalog, items, count, error);
    if (code != VQL_OK) {
        vql_release(&tables->allocator, next->spare_slots);
        vql_release(&tables->allocator, next);
        return code;
    }
    next->rows_before = catalog->rows;
    (void)atomic_fetch_add(&tables->catalogs, 1);
    atomic_store(&tables->taken_rows, next->rows);
    *out = next;
    return VQL_OK;
}
