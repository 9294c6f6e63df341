/*
 * The catalog: everything of the item side that depends on the model alone, computed once per model
 * (vql.md §3, §4, §6).
 *
 *   item id ──hash──> row ──┬─> x_i, q_i, W_1's part of x_i       (scoring)
 *                           ├─> e^{ŝ} of every codeword           (scoring; if it fits the budget)
 *                           └─> z_{i,a} of every event type a     (append)
 *   v_{i,a} = W_v [x_i ‖ e_a] = (W_v's item part) x_i + (W_v's type part) e_a: two rows, added
 *
 * Row 0 is the unknown item: every id that the model does not list. A catalog never changes: any
 * number of threads may read one.
 */
#ifndef VQL_CATALOG_H
#define VQL_CATALOG_H

#include <stddef.h>
#include <stdint.h>

#include "vql/allocator.h"
#include "vql/error.h"
#include "vql/model.h"

typedef struct vql_catalog vql_catalog;

/*
 * Builds the catalog of a model.
 *
 * model        must outlive the catalog
 * table_bytes  the most that the table of e^{ŝ} may take; if I·Σ_h K_h floats are more, or if the
 *              ŝ of an item spread so far that floats would lose the small ones, there is none and
 *              each request computes what it needs. The scores are the same up to rounding.
 * allocator    NULL for vql_allocator_default()
 *
 * Codes are an argmin in float64, ties to the lowest index, so that every implementation agrees on
 * near-ties. Returns VQL_OK, VQL_NO_MEMORY, or VQL_VALUE if a product of finite parameters is not
 * finite (an item is named).
 */
vql_code vql_catalog_build(const vql_model *model, size_t table_bytes,
                           const vql_allocator *allocator, vql_catalog **out, vql_error *error);

void vql_catalog_free(vql_catalog *catalog);

/* The model that the catalog was built from. */
const vql_model *vql_catalog_model(const vql_catalog *catalog);

/* The row of an item id; 0 when the model does not know the item. */
uint32_t vql_catalog_row(const vql_catalog *catalog, uint64_t item_id);

/* The query q_i of a row < I: D floats, living as long as the catalog. */
const float *vql_catalog_query(const vql_catalog *catalog, uint32_t row);

/*
 * The codes z_{i,a} of a row < I and an event type < A: G numbers, code g below K_g, living as long
 * as the catalog.
 */
const uint16_t *vql_catalog_codes(const vql_catalog *catalog, uint32_t row, uint32_t event_type);

/* Writes the value v_{i,a} of a row < I and an event type < A: D floats. */
void vql_catalog_value(const vql_catalog *catalog, uint32_t row, uint32_t event_type, float *value);

/* Bytes that the catalog holds, without the model. */
size_t vql_catalog_bytes(const vql_catalog *catalog);

#endif
