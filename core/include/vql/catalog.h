/*
 * The catalog: everything of the item side that depends on the model alone, computed once per model
 * (vql.md §3, §4, §6).
 *
 *   item id ──hash──> row ──┬─> x_i, q_i, W_1's part of x_i       (scoring)
 *                           ├─> e^{ŝ} of every codeword           (scoring; of the hottest items)
 *                           └─> z_{i,a} of every event type a     (append)
 *   v_{i,a} = W_v [x_i ‖ e_a] = (W_v's item part) x_i + (W_v's type part) e_a: two rows, added
 *
 * Row 0 is the unknown item: every id that is not listed. A catalog never changes: any number of
 * threads may read one.
 *
 * A catalog with spare rows can be extended by items, new ones and changed ones, each of which gets
 * the next spare row. That makes another catalog, which shares the tables; the one before stays as
 * it is. Rows are never given to another item: a changed item's id leads to its new row, and what
 * has the old one means what it meant. Caches belong to all catalogs of a family, one that was
 * created and those that extend it.
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
 *              Spare rows get what the model's items leave of it, and at least a sixteenth.
 * spare_items  how many items may be added or changed later, I + spare_items <= VQL_MAX_ITEMS: room
 *              that is not touched, and so takes no memory, before it is used
 * hotness      how often each item is a candidate, in any unit: I finite numbers by row, read
 *              during the build only; NULL: the lower the row the hotter
 * allocator    NULL for vql_allocator_default()
 */
typedef struct vql_catalog_options {
    size_t table_bytes;
    vql_scoring_format format;
    uint32_t spare_items;
    const float *hotness;
    const vql_allocator *allocator;
} vql_catalog_options;

/*
 * Builds the catalog of a model, which must outlive it.
 *
 * Codes are an argmin in float64, ties to the lowest index, so that every implementation agrees on
 * near-ties. error may be NULL. Returns VQL_OK, VQL_NO_MEMORY, or VQL_VALUE if a product of finite
 * parameters is not finite (an item is named), or there are too many spare items.
 */
vql_code vql_catalog_create(const vql_model *model, const vql_catalog_options *options,
                            vql_catalog **out, vql_error *error);

/* The same in float32 with a table of at most table_bytes. */
vql_code vql_catalog_build(const vql_model *model, size_t table_bytes,
                           const vql_allocator *allocator, vql_catalog **out, vql_error *error);

/* The values of an item in a field of the model: indices of the field's embeddings. */
typedef struct vql_item_field {
    const char *name;
    const uint32_t *values; /* [count] */
    size_t count;
} vql_item_field;

/*
 * An item to be added, or changed if its id is known. Without an embedding (NULL) a new one gets
 * the unknown item's, a changed one keeps its own. Fields that are not named have no values for a
 * new one, and for a changed one those it had.
 */
typedef struct vql_item {
    uint64_t id;
    const float *embedding; /* [embedding_width], which must be E */
    size_t embedding_width;
    const vql_item_field *fields; /* [field_count] */
    size_t field_count;
} vql_item;

/*
 * Makes a catalog that has some items more, each as a model file with it would have made it. They
 * are taken in their order, so that one that is there twice is changed by the second. The catalog
 * that is extended stays as it is; it must be the newest of its family, and one thread at a time
 * extends a family, while others read. error may be NULL; it names the item by its index and id,
 * the field, the value and the limit.
 *
 * Returns VQL_OK, VQL_NO_MEMORY, VQL_FULL for more items than there are spare rows, VQL_SHAPE for
 * an embedding of another width, VQL_VALUE for an unknown field, one that is there twice, a value
 * beyond the field's, a number that is not finite and a product that is not, and for a catalog that
 * is not the newest.
 */
vql_code vql_catalog_extend(const vql_catalog *catalog, const vql_item *items, size_t count,
                            vql_catalog **out, vql_error *error);

/*
 * Frees a catalog; NULL is allowed. Caches must go before the last of a family. If it was the
 * newest, the one that it extended is again, whose next extension has the same rows: no cache may
 * have been given any of them.
 */
void vql_catalog_free(vql_catalog *catalog);

/* The model that the catalog was built from. */
const vql_model *vql_catalog_model(const vql_catalog *catalog);

/* How many rows it has, I and those of items added and changed; and how many may follow. */
uint32_t vql_catalog_rows(const vql_catalog *catalog);
uint32_t vql_catalog_spare_rows(const vql_catalog *catalog);

/* The row of an item id, its newest; 0 when the item is unknown. */
uint32_t vql_catalog_row(const vql_catalog *catalog, uint64_t item_id);

/* The query q_i of a row that it has: D floats, living as long as the catalog. */
const float *vql_catalog_query(const vql_catalog *catalog, uint32_t row);

/*
 * The codes z_{i,a} of a row that it has and an event type < A: G numbers, code g below K_g, living
 * as long as the catalog.
 */
const uint16_t *vql_catalog_codes(const vql_catalog *catalog, uint32_t row, uint32_t event_type);

/* Writes the value v_{i,a} of a row that it has and an event type < A: D floats. */
void vql_catalog_value(const vql_catalog *catalog, uint32_t row, uint32_t event_type, float *value);

/* How many items have a row in the table of e^{ŝ}. */
uint32_t vql_catalog_table_items(const vql_catalog *catalog);

/* Bytes that the catalog holds, the tables that it shares with them, without the model. */
size_t vql_catalog_bytes(const vql_catalog *catalog);

#endif
