/*
 * The mathematics of vql.md §3 - §7 as it is written, in float64, straight from the history and
 * without a cache: slow, plain, and what everything else is compared with. Shares no arithmetic
 * with the catalog, the cache or the scorer.
 */
#ifndef VQL_REFERENCE_H
#define VQL_REFERENCE_H

#include <stddef.h>
#include <stdint.h>

#include "vql/cache.h"
#include "vql/error.h"
#include "vql/model.h"

typedef enum vql_reference_keys {
    VQL_KEYS_QUANTIZED, /* k̂: what is served */
    VQL_KEYS_EXACT,     /* k: what quantization approximates */
} vql_reference_keys;

/* q_i of a row < I: D numbers. */
void vql_reference_query(const vql_model *model, uint32_t row, double *query);

/* k and v of an event of row < I and event_type < A: D numbers each. */
void vql_reference_key(const vql_model *model, uint32_t row, uint32_t event_type, double *key);
void vql_reference_value(const vql_model *model, uint32_t row, uint32_t event_type, double *value);

/* z of a key (§4): G codes, ties to the lowest index. */
void vql_reference_codes(const vql_model *model, const double *key, uint16_t *codes);

/*
 * Attention of the item in a row over a history at time_ms (§6): D numbers, 0 for an empty history.
 * time_ms before the last event counts as it. epsilon: when not NULL, set per head to
 * ε_h = max_l |q·(k̂_l - k_l)|/√d of §9 (H numbers). Takes H numbers an event from the default
 * allocator. Returns VQL_OK or VQL_NO_MEMORY.
 */
vql_code vql_reference_attention(const vql_model *model, const vql_cache_event *events,
                                 size_t count, uint32_t row, int64_t time_ms,
                                 vql_reference_keys keys, double *o, double *epsilon);

/* The head (§7) for a row and an attention output: T logits. */
void vql_reference_head(const vql_model *model, uint32_t row, const double *o, double *logits);

#endif
