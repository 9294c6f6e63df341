/*
 * Computes the rows of a catalog, one item's at a time, from x_i: everything is summed in float64
 * and rounded to float once. Has scratch space: it belongs to one thread.
 */
#ifndef VQL_CORE_ITEM_BUILDER_H
#define VQL_CORE_ITEM_BUILDER_H

#include <stdint.h>

#include "catalog_data.h"
#include "matrix.h"
#include "quantizer.h"

typedef struct vql_item_builder {
    vql_tables *tables;
    vql_quantizer quantizer;
    vql_matrix query_weight; /* W_q: [D, X] */
    vql_matrix value_weight; /* W_v: [D, X+E_a] */
    vql_matrix head_weight;  /* W_1: [hidden, X+D] */
    double *x;               /* [max(X, E_a)]: x_i or e_a */
    double *query;           /* [D]: q_i */
    double *product;         /* [max(D, hidden, K_g)] */
    float *weights;          /* [head_start[H]]: e^{ŝ} of an item */
} vql_item_builder;

/* For tables whose arrays are there. VQL_NO_MEMORY; *out can be released either way. */
vql_code vql_item_builder_init(vql_tables *tables, vql_item_builder *out);

void vql_item_builder_release(vql_item_builder *builder);

/*
 * Sets a row from builder->x. A row whose slot in the table of e^{ŝ} is set gets its weights there,
 * or loses the slot if they spread too far. VQL_VALUE: a product is not finite; error (may be NULL)
 * names the item and the row.
 */
vql_code vql_item_builder_row(vql_item_builder *builder, uint32_t row, uint64_t id,
                              vql_error *error);

/* Sets value_type: W_v's type part times every e_a. VQL_VALUE likewise, naming the type. */
vql_code vql_item_builder_types(vql_item_builder *builder, vql_error *error);

#endif
