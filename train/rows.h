/*
 * Keys, codes and values of a batch's distinct rows, and the way back from their slopes.
 */
#ifndef VQL_TRAIN_ROWS_H
#define VQL_TRAIN_ROWS_H

#include "pass.h"

/* Computes the rows' part of the pass. */
void rows_forward(train_pass *pass);

/*
 * Sums the threads' slopes of keys and values, adds the commitment's, and computes pass->row_slopes
 * and the threads' gradients of the projections.
 */
void rows_backward(train_pass *pass);

#endif
