/*
 * Two models, one of which has some items less, and a catalog of that one that is extended by them:
 * it must be as good as the other's. Anything that goes wrong here fails the test.
 */
#ifndef VQL_TESTS_CATALOG_FAMILY_H
#define VQL_TESTS_CATALOG_FAMILY_H

#include <check.h>
#include <stdio.h>

#include "catalog_data.h"
#include "model_writer.h"
#include "vql/catalog.h"

enum { NEW = 6 }; /* items */

typedef struct family {
    vql_model *all;      /* with the new items from the start */
    vql_model *fewer;    /* without */
    vql_catalog *wanted; /* of all */
    vql_catalog *base;   /* of fewer, with NEW spare rows */
    vql_catalog *next;   /* base, extended by all's items; NULL: not yet */
    uint32_t items;      /* of fewer */
} family;

/* Cuts the writer's model to so many items. */
static inline void cut(model_writer *writer, const model_spec *spec, uint32_t items)
{
    model_writer_reshape(writer, "item.id", 1, (const uint64_t[]){items});
    model_writer_reshape(writer, "item.embedding", 2, (const uint64_t[]){items, spec->item_width});
    for (uint32_t f = 0; f < spec->field_count; f++) {
        char name[64];
        (void)snprintf(name, sizeof name, "field.field%u.offsets", f);
        model_writer_reshape(writer, name, 1, (const uint64_t[]){items + 1});
        const uint64_t left = (uint64_t)model_writer_i32(writer, name)[items];
        (void)snprintf(name, sizeof name, "field.field%u.indices", f);
        model_writer_reshape(writer, name, 1, (const uint64_t[]){left});
    }
}

static inline vql_catalog *create(const vql_model *model, const vql_catalog_options *options)
{
    vql_catalog *catalog = NULL;
    vql_error error;
    ck_assert_msg(vql_catalog_create(model, options, &catalog, &error) == VQL_OK, "%s", error.text);
    return catalog;
}

static inline family family_make(const model_spec *spec, vql_catalog_options options)
{
    model_writer *writer = model_writer_new(spec);
    family f = {.all = model_writer_parse(writer), .items = spec->items - NEW};
    cut(writer, spec, f.items);
    f.fewer = model_writer_parse(writer);
    model_writer_free(writer);
    f.wanted = create(f.all, &options);
    options.spare_items = NEW;
    f.base = create(f.fewer, &options);
    return f;
}

static inline void family_free(family *f)
{
    vql_catalog_free(f->base);
    vql_catalog_free(f->next);
    vql_catalog_free(f->wanted);
    vql_model_free(f->fewer);
    vql_model_free(f->all);
}

/* An item of all's, as it is upserted. */
typedef struct described_item {
    vql_item item;
    vql_item_field fields[MODEL_SPEC_FIELDS];
} described_item;

static inline void describe(const vql_model *all, uint32_t row, described_item *out)
{
    out->item = (vql_item){
        .id = all->item_ids[row],
        .embedding = all->item_embedding + (size_t)row * all->item_width,
        .embedding_width = all->item_width,
        .fields = out->fields,
        .field_count = all->field_count,
    };
    for (uint32_t f = 0; f < all->field_count; f++) {
        const vql_field *field = &all->fields[f];
        out->fields[f] = (vql_item_field){
            .name = field->name,
            .values = field->indices + field->offsets[row],
            .count = field->offsets[row + 1] - field->offsets[row],
        };
    }
}

/* Extends a catalog by the items in all's rows from `first` on. */
static inline vql_catalog *extend(const vql_catalog *catalog, const vql_model *all, uint32_t first,
                                  size_t count)
{
    described_item described[NEW];
    vql_item items[NEW];
    vql_catalog *next = NULL;
    vql_error error;
    for (uint32_t i = 0; i < count; i++) {
        describe(all, first + i, &described[i]);
        items[i] = described[i].item;
    }
    ck_assert_msg(vql_catalog_extend(catalog, items, count, &next, &error) == VQL_OK, "%s",
                  error.text);
    return next;
}

/* A row of a catalog against one of wanted. */
static inline void check_row(const family *f, const vql_catalog *catalog, uint32_t row,
                             uint32_t wanted)
{
    const vql_shape *shape = &f->all->shape;
    const vql_tables *found = catalog->tables;
    const vql_tables *right = f->wanted->tables;
    const size_t width = shape->width;
    ck_assert_mem_eq(vql_catalog_query(catalog, row), vql_catalog_query(f->wanted, wanted),
                     width * sizeof(float));
    ck_assert_mem_eq(vql_catalog_codes(catalog, row, 0), vql_catalog_codes(f->wanted, wanted, 0),
                     (size_t)shape->event_types * shape->groups * sizeof(uint16_t));
    ck_assert_mem_eq(found->value_item + row * width, right->value_item + wanted * width,
                     width * sizeof(float));
    ck_assert_mem_eq(found->head_item + (size_t)row * found->hidden,
                     right->head_item + (size_t)wanted * right->hidden,
                     found->hidden * sizeof(float));
    const uint8_t *weights = vql_weight_table_row(&found->table, row);
    const uint8_t *others = vql_weight_table_row(&right->table, wanted);
    ck_assert_int_eq(weights != NULL, others != NULL);
    if (weights != NULL)
        ck_assert_mem_eq(weights, others, found->table.row_bytes);
}

/* A shape by a seed, with items to spare. */
static inline model_spec spec_of(int seed)
{
    model_spec spec = seed == 0 ? model_spec_default(3) : model_spec_random((uint64_t)seed);
    spec.items = spec.items > NEW + 2 ? spec.items : NEW + 3;
    return spec;
}

#endif
