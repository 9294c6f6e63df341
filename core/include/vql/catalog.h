/*
 * The catalog: everything of the item side that depends on the model alone, computed once per model
 * (vql.md §3, §4, §6).
 *
 *   item id ──hash──> row ──┬─> x_i, q_i, W_1's part of x_i       (scoring)
 *                           ├─> e^{ŝ} of every codeword           (scoring; of the hottest items)
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
 * The numbers that attention is computed with: those of the table of e^{ŝ} and of the folded
 * history. The head is float32 either way.
 */
typedef enum vql_scoring_format {
    VQL_SCORING_DEFAULT, /* the fastest that keeps scores within 1e-3 of float64: INT16 */
    VQL_SCORING_F32,
    /*
     * 16-bit integers with exact 32-bit sums: half the memory. A model with a group of more than
     * VQL_INT16_CODEWORDS is scored in F32 all the same.
     */
    VQL_SCORING_INT16,
} vql_scoring_format;

enum { VQL_INT16_CODEWORDS = 4096 };

/*
 * What a catalog is built with; all zeros is a catalog without a table.
 *
 * table_bytes  the most that the table of e^{ŝ} may take. The hottest items that fit have a row;
 *              for the others, and for an item whose ŝ spread so far that floats would lose the
 *              small ones, each request computes what it needs. The scores are the same up to
 *              rounding.
 * hotness      how often each item is a candidate, in any unit: I finite numbers by row, read
 *              during the build only; NULL: the lower the row the hotter
 * allocator    NULL for vql_allocator_default()
 */
typedef struct vql_catalog_options {
    size_t table_bytes;
    vql_scoring_format format;
    const float *hotness;
    const vql_allocator *allocator;
} vql_catalog_options;

/*
 * Builds the catalog of a model, which must outlive it.
 *
 * Codes are an argmin in float64, ties to the lowest index, so that every implementation agrees on
 * near-ties. error may be NULL. Returns VQL_OK, VQL_NO_MEMORY, or VQL_VALUE if a product of finite
 * parameters is not finite (an item is named).
 */
vql_code vql_catalog_create(const vql_model *model, const vql_catalog_options *options,
                            vql_catalog **out, vql_error *error);

/* The same in float32 with a table of at most table_bytes. */
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

/* How many items have a row in the table of e^{ŝ}. */
uint32_t vql_catalog_table_items(const vql_catalog *catalog);

/* Bytes that the catalog holds, without the model. */
size_t vql_catalog_bytes(const vql_catalog *catalog);

#endif
