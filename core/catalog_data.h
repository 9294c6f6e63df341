/*
 * What a catalog is made of, for the files of core/ alone.
 */
#ifndef VQL_CORE_CATALOG_DATA_H
#define VQL_CORE_CATALOG_DATA_H

#include "vql/catalog.h"

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

    uint32_t hidden;    /* outputs of the head's first layer */
    float *head_item;   /* [I, hidden]: W_1's item part times x_i, plus b_1 */
    float *head_output; /* [D, hidden]: W_1's part for o, transposed: loops run over outputs */

    /*
     * e^{ŝ_a - max_a ŝ_a} per item, head and codeword, none below e^-40; NULL beyond the budget or
     * if one would be. Head h's codewords begin at head_start[h].
     */
    uint32_t *head_start; /* [H + 1] */
    float *weights;       /* [I, head_start[H]] */
};

#endif
