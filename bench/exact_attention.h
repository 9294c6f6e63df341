/*
 * What VQL stands in for: attention over every event of a history, with OpenBLAS's products and the
 * vectorised exponential of the kernels, on one core. The history is prepared outside of what is
 * timed: keys, and values with the temporal kernel multiplied in and its sum beside them, per head.
 */
#ifndef VQL_BENCH_EXACT_ATTENTION_H
#define VQL_BENCH_EXACT_ATTENTION_H

#include <stddef.h>

#include "vql/cache.h"
#include "vql/catalog.h"

typedef struct exact_attention exact_attention;

/*
 * Events as the quantized model sees them, so that both ways give one result. Aborts without
 * memory.
 */
exact_attention *exact_attention_new(const vql_catalog *catalog, const vql_cache_event *events,
                                     size_t count, int64_t time_ms);
void exact_attention_free(exact_attention *exact);

/* o of candidates: [count, D]. */
void exact_attention_run(exact_attention *exact, const uint64_t *item_ids, size_t count, float *o);

/* The same over each head's `kept` events of largest logit. */
void exact_attention_top(exact_attention *exact, const uint64_t *item_ids, size_t count,
                         size_t kept, float *o);

#endif
