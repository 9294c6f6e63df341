/*
 * What a catalog is made of, for the files of core/ alone.
 */
#ifndef VQL_CORE_CATALOG_DATA_H
#define VQL_CORE_CATALOG_DATA_H

#include "panel.h"
#include "vql/catalog.h"
#include "weight_table.h"

struct vql_catalog {
    vql_allocator allocator;
    const vql_model *model;
    size_t bytes;

    /*
     * item id -> row: open addressing, linear probing, a power of two of slots; row 0 marks an
     * empty slot.
     */
    uint64_t slot_mask;
    uint32_t *slots; /* [slot_mask + 1]: rows; the id is model->item_ids[row] */

    float *queries;    /* [I, D] */
    float *value_item; /* [I, D]: W_v's item part times x_i */
    float *value_type; /* [A, D]: W_v's type part times e_a */
    uint16_t *codes;   /* [I, A, G] */

    uint32_t hidden;  /* outputs of the head's first layer */
    float *head_item; /* [I, hidden]: W_1's item part times x_i, plus b_1 */

    /* W_1's part for o, then the layers between it and the last: [max(1, layers - 1)]. */
    uint32_t panel_count;
    vql_panel *panels;

    uint32_t *head_start; /* [H + 1]: where head h's codewords begin among those of all heads */
    vql_panel *codewords; /* [H]: head h's part of its codebook, in float32 */
    vql_weight_table table;
};

#endif
