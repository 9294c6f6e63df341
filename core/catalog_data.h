/*
 * What a catalog is made of, for the files of core/ alone.
 *
 * Catalogs that extend one another share their tables, which have room for more rows than a catalog
 * looks at: those of the items to come. A row is written before the first catalog that has it is
 * there, and never again, so that whoever reads the rows of an older one is not disturbed.
 */
#ifndef VQL_CORE_CATALOG_DATA_H
#define VQL_CORE_CATALOG_DATA_H

#include <stdatomic.h>

#include "model_data.h"
#include "panel.h"
#include "vql/catalog.h"
#include "weight_table.h"

typedef struct vql_tables {
    vql_allocator allocator;
    const vql_model *model;
    atomic_uint catalogs;   /* that share them */
    atomic_uint taken_rows; /* those of the newest catalog */
    uint32_t capacity;      /* rows there is room for: I and the spare ones */
    size_t bytes;           /* of all but the spare rows */
    size_t row_bytes;       /* of a spare row, without the table of e^{ŝ} */

    /* item id -> row of the model's items: item_table.h, with the ids model->item_ids. */
    uint64_t slot_mask;
    uint32_t *slots; /* [slot_mask + 1] */

    size_t query_stride; /* D, and one more for an odd d: products take inputs in pairs */
    float *queries;      /* [capacity, query_stride]; what is beyond D is 0 */
    float *value_item;   /* [capacity, D]: W_v's item part times x_i */
    float *value_type;   /* [A, D]: W_v's type part times e_a */
    uint16_t *codes;     /* [capacity, A, G] */

    uint32_t hidden;  /* outputs of the head's first layer */
    float *head_item; /* [capacity, hidden]: W_1's item part times x_i, plus b_1 */

    /* W_1's part for o, then the layers between it and the last: [max(1, layers - 1)]. */
    uint32_t panel_count;
    vql_panel *panels;

    uint32_t *head_start; /* [H + 1]: where head h's codewords begin among those of all heads */
    vql_panel *codewords; /* [H]: head h's part of its codebook, in float32 */
    vql_weight_table table;

    /* Of spare row s, which is row I + s - 1; s = 0 is none. NULL without spare rows. */
    uint64_t *spare_ids; /* [spare + 1] */
    double *spare_x;     /* [spare + 1, X]: x_i, of which a changed item keeps a part */
} vql_tables;

struct vql_catalog {
    vql_tables *tables;
    uint32_t rows;        /* that it looks at */
    uint32_t rows_before; /* of the catalog that it extends; its own rows for one that does not */
    uint32_t table_items;
    size_t bytes; /* its own, and those of the spare rows taken */

    /* item id -> spare row, with the ids tables->spare_ids; looked at first. */
    uint64_t spare_mask;
    uint32_t *spare_slots; /* [spare_mask + 1]; NULL when no spare row is taken */
};

/* vql_catalog_query, _codes and _value, of tables. */
static inline const float *vql_tables_query(const vql_tables *tables, uint32_t row)
{
    return tables->queries + row * tables->query_stride;
}

static inline const uint16_t *vql_tables_codes(const vql_tables *tables, uint32_t row,
                                               uint32_t event_type)
{
    const vql_shape *shape = &tables->model->shape;
    return tables->codes + ((size_t)row * shape->event_types + event_type) * shape->groups;
}

void vql_tables_value(const vql_tables *tables, uint32_t row, uint32_t event_type, float *value);

/* Frees tables that no catalog is left of, or that are not finished. */
void vql_tables_free(vql_tables *tables);

/* x_i of any row, in float64: X numbers. */
void vql_tables_item(const vql_tables *tables, uint32_t row, double *x);

#endif
