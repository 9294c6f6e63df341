/*
 * x of items and events (vql.md §2): the id's embedding, then for every field the mean of its
 * values'; and the norm of projections (§3).
 */
#ifndef VQL_TRAIN_ITEM_FEATURES_H
#define VQL_TRAIN_ITEM_FEATURES_H

#include "model.h"

/* Writes x [X] of the item. */
void features_item(const train_model *model, uint32_t item, float *x);

/* Writes x [X + E_a] of the row; all but the id's part are 0 without static context. */
void features_row(const train_model *model, uint32_t row, float *x);

/*
 * Adds slopes of x [X] to the gradients of the item's embeddings, of which this thread owns those
 * whose number leaves the remainder `owner` when divided by `owners`.
 */
void features_item_backward(train_model *model, uint32_t item, const float *slopes, uint32_t owner,
                            uint32_t owners);

/* Likewise slopes of x [X + E_a] of the row. */
void features_row_backward(train_model *model, uint32_t row, const float *slopes, uint32_t owner,
                           uint32_t owners);

/* y [D] becomes y / its root mean square, head by head; scales [H] take the divisors' inverses. */
void features_norm(const train_model *model, float *y, float *scales);

/* slopes [D] of the normed y become those of y as it was. */
void features_norm_backward(const train_model *model, const float *y, const float *scales,
                            float *slopes);

#endif
