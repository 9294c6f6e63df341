/*
 * Attention over codewords of a user's moments in order of time, at a cost that is free of the
 * history's length (vql.md §6, the cached form, and its backward).
 *
 * Moments are taken in chunks. A chunk's base is the history before its first moment; it is known
 * by the cache S, n alone, which a forward scan over the events builds. The few events that come
 * within a chunk are columns of their own. Backward, chunks are taken from the last to the first;
 * what a chunk's impressions owe to events of its base is summed up by codeword, decayed on the
 * way, and handed out to each event where the scan passes it.
 */
#ifndef VQL_TRAIN_SCAN_H
#define VQL_TRAIN_SCAN_H

#include "pass.h"

/* Whether the user's moments [count] are scanned: by the configuration, or by what it costs. */
bool scan_pays(const train_pass *pass, const train_moment *moments, size_t count);

/* What direct_forward and direct_backward do, for all of the user's moments. */
void scan_forward(const train_pass *pass, pass_thread *thread, const train_moment *moments,
                  size_t count);
void scan_backward(const train_pass *pass, pass_thread *thread, const train_moment *moments,
                   size_t count);

#endif
