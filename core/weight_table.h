/*
 * The table of the item side (vql.md §6): e^{ŝ_a - max_a ŝ_a} per item, head and codeword.
 *
 *     item ──slot──> row:  head 0's K numbers · padding | head 1's K numbers · padding | …
 *
 * Heads begin at cache lines; padding is zero. A table has a budget in bytes. When not all items
 * fit, those with the greatest hotness have a row, the hottest first in memory; the others' weights
 * are computed by each request. So are those of an item whose ŝ spread so far that floats would
 * lose the small ones: its slot stays unused. Integers are the weights in steps of 1/32,767.
 */
#ifndef VQL_CORE_WEIGHT_TABLE_H
#define VQL_CORE_WEIGHT_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "vql/catalog.h"

#define VQL_NO_SLOT UINT32_MAX

/* What a weight of 1 is as an integer. */
#define VQL_WEIGHT_STEPS 32767.0f

typedef struct vql_weight_table {
    vql_scoring_format format; /* F32 or INT16 */
    uint32_t heads;
    uint32_t items;          /* I */
    uint32_t capacity;       /* rows for the model's items */
    uint32_t spare_capacity; /* rows behind them, for the first spare items */
    size_t row_bytes;        /* an odd multiple of VQL_LINE */
    size_t *head_offsets;    /* [H + 1]: bytes into a row */
    uint32_t *slots;         /* [I + spare items]: a row's index, or VQL_NO_SLOT */
    void *block;             /* what was allocated */
    uint8_t *rows;           /* [capacity + spare_capacity, row_bytes], at a cache line */
} vql_weight_table;

/*
 * A table of the format with the options' size, hotness and spare items; its rows are not set, nor
 * are the slots of spare items. *held grows by what it takes without the spare items' rows. Returns
 * VQL_OK or VQL_NO_MEMORY; *table can be released either way.
 */
vql_code vql_weight_table_init(vql_weight_table *table, const vql_model *model,
                               vql_scoring_format format, const vql_catalog_options *options,
                               const vql_allocator *allocator, size_t *held);

void vql_weight_table_release(vql_weight_table *table, const vql_allocator *allocator);

/* Sets the slot of a spare item, by its row >= I: it has one if it is among the first. */
void vql_weight_table_add(vql_weight_table *table, uint32_t row);

/* Sets the row of an item that has a slot: head h's numbers begin at weights[head_start[h]]. */
void vql_weight_table_put(vql_weight_table *table, uint32_t row, const uint32_t *head_start,
                          const float *weights);

/* Takes an item's slot away. */
void vql_weight_table_refuse(vql_weight_table *table, uint32_t row);

/* An item's row; NULL when it has none. Head h's weights are head_offsets[h] bytes into it. */
static inline const uint8_t *vql_weight_table_row(const vql_weight_table *table, uint32_t row)
{
    const uint32_t slot = table->slots[row];
    return slot != VQL_NO_SLOT ? table->rows + slot * table->row_bytes : NULL;
}

#endif
