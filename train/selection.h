/*
 * The weights of columns in the kinds of attention that choose among events.
 */
#ifndef VQL_TRAIN_SELECTION_H
#define VQL_TRAIN_SELECTION_H

#include "columns.h"

enum { SELECTION_BITS = 3, SELECTION_GROUPS = 16 }; /* of a signature */

/*
 * weights [padded] where the logits [count] are the largest `most`, of equal ones the later, and 0
 * elsewhere. In *room until the next call.
 */
const float *selection_top(memory_buffer *room, size_t count, size_t padded, const float *weights,
                           const float *logits, size_t most);

/*
 * The head's weights times the part of the signature's groups in which column and impression agree
 * (SDIM, arXiv 2205.10249).
 */
const float *selection_matches(const train_pass *pass, pass_thread *thread, const train_columns *columns,
                               uint32_t head, size_t impression);

/* The signature of x [count] by planes [SELECTION_BITS · SELECTION_GROUPS, count]. */
uint64_t selection_signature(size_t count, const float *planes, const float *x);

#endif
