/*
 * What quantization does to one candidate's attention: exact keys against their codewords over the
 * same events, in float64, with what bounds the difference (vql.md §9). Takes time with the number
 * of events: for whoever wants to look at a score, not for scoring.
 *
 *   ε_h = max_l |q·(k̂_l - k_l)|/√d
 *   ‖α̂ - α‖₁ ≤ 2·tanh(ε/2)          α: weights of the events
 *   ‖ô - o‖  ≤ tanh(ε/2)·diam{v_l}   o: attention's output
 */
#ifndef VQL_COMPARISON_H
#define VQL_COMPARISON_H

#include <stddef.h>
#include <stdint.h>

#include "vql/allocator.h"
#include "vql/cache.h"
#include "vql/catalog.h"
#include "vql/error.h"

typedef struct vql_compared_head {
    double epsilon;
    double shift, shift_bound; /* ‖α̂ - α‖₁ */
    double error, error_bound; /* ‖ô - o‖ */
    double diameter;           /* diam{v_l} */
} vql_compared_head;

typedef struct vql_compared_event {
    size_t index;            /* among the events */
    double exact, quantized; /* α and α̂, the mean of all heads */
    double key_error;        /* ‖k̂ - k‖ / ‖k‖ */
} vql_compared_event;

typedef struct vql_comparison {
    vql_allocator allocator;
    float *exact, *quantized; /* [D]: o, as the head takes it */
    vql_compared_head *heads; /* [H] */
    size_t top_count;
    vql_compared_event *top; /* [top_count]: those with the largest exact weights, descending */
    double *top_exact;       /* [top_count, H]: their α */
    double *top_quantized;   /* [top_count, H]: their α̂ */
} vql_comparison;

/*
 * What is to be compared: the item of a row at time_ms, or at the latest event's time if that is
 * later, over events of the catalog's rows and event types, read during the call only.
 */
typedef struct vql_comparison_request {
    uint32_t row;
    int64_t time_ms;
    const vql_cache_event *events; /* [event_count] */
    size_t event_count;
    size_t top_count; /* the most events to name */
} vql_comparison_request;

/*
 * Compares. allocator: NULL for vql_allocator_default(). Returns VQL_OK or VQL_NO_MEMORY.
 * O(event_count · (D·X + top_count)), and up to event_count² · D for the diameter.
 */
vql_code vql_comparison_new(const vql_catalog *catalog, const vql_comparison_request *request,
                            const vql_allocator *allocator, vql_comparison **out);

/* NULL is allowed. */
void vql_comparison_free(vql_comparison *comparison);

#endif
