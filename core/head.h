/*
 * The head (vql.md §7) over a block of VQL_BLOCK candidates: each layer but the last a product with
 * a panel, W_1's part for x_i having been computed with the catalog; the last, of few outputs, a
 * dot product each in float32.
 */
#ifndef VQL_CORE_HEAD_H
#define VQL_CORE_HEAD_H

#include <stdint.h>

#include "catalog_data.h"
#include "kernels.h"
#include "scratch.h"

typedef struct vql_head {
    const vql_tables *tables;
    const vql_kernels *kernels;
    size_t stride;  /* the widest of D and the layers' outputs, in whole tiles */
    float *inputs;  /* [VQL_BLOCK, stride] */
    float *outputs; /* [VQL_BLOCK, stride] */
} vql_head;

/* Takes room for a catalog's head. */
void vql_head_take(vql_head *head, const vql_tables *tables, vql_scratch *scratch);

/* Asks for what the head will read of a block of rows. */
void vql_head_fetch(const vql_head *head, const uint32_t *rows);

/*
 * Logits of a block of candidates by their rows and attention outputs o[m · stride + j]: D numbers
 * each and, for an odd D, one more that is finite. NULL: all are zero. logits is [VQL_BLOCK, T].
 */
void vql_head_block(vql_head *head, const uint32_t *rows, const float *o, size_t stride,
                    float *logits);

#endif
