/*
 * The weights of columns in the kinds of attention that choose among events.
 */
#ifndef VQL_TRAIN_SELECTION_H
#define VQL_TRAIN_SELECTION_H

#include "panel.h"

enum { SELECTION_BITS = 3, SELECTION_GROUPS = 16 }; /* of a signature */

/*
 * The panel's weights where the logits [count] are the largest `most`, of equal ones the later, and
 * 0 elsewhere. In *room until the next call.
 */
const float *selection_top(memory_buffer *room, const train_panel *panel, const float *logits,
                           size_t most);

/*
 * The panel's weights times the number of groups of the signature in which column and impression
 * agree (SDIM, arXiv 2205.10249). In the thread's memory until the next call.
 */
const float *selection_matches(const train_pass *pass, pass_thread *thread,
                               const train_panel *panel, size_t impression);

/* The signature of x [count] by planes [SELECTION_BITS · SELECTION_GROUPS, count]. */
uint64_t selection_signature(size_t count, const float *planes, const float *x);

#endif
