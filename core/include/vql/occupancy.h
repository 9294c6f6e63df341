/*
 * What a cache is made of at codeword granularity, for whoever wants to look at it: which codewords
 * are in use, by how many events, and how much of them each kernel still remembers (vql.md §6's n).
 *
 *   group g   code  events   n_0 … n_{R-1}      starts[g] … starts[g+1] of the codewords
 */
#ifndef VQL_OCCUPANCY_H
#define VQL_OCCUPANCY_H

#include <stddef.h>
#include <stdint.h>

#include "vql/allocator.h"
#include "vql/cache.h"
#include "vql/error.h"

/* A codeword in use. */
typedef struct vql_occupied {
    uint32_t group, code;
    uint64_t events; /* of the cache that have it */
} vql_occupied;

typedef struct vql_occupancy {
    vql_allocator allocator;
    size_t count;
    uint32_t kernels;        /* R */
    size_t *starts;          /* [G+1] */
    vql_occupied *codewords; /* [count], by group, then by code */
    /*
     * [count, R]: Σ_l exp(-λ_r (t_ref - t_l)) over the codeword's events, for the cache's reference
     * time; decayed by exp(-λ_r (t - t_ref)) it is n at time t.
     */
    double *masses;
} vql_occupancy;

/*
 * Of a cache, which is read during the call only. allocator: NULL for vql_allocator_default().
 * Returns VQL_OK or VQL_NO_MEMORY. O(Σ K_g) and what the cache has of events, items and rows.
 */
vql_code vql_occupancy_new(const vql_cache *cache, const vql_allocator *allocator,
                           vql_occupancy **out);

/*
 * What attention of an item in a row makes of the codewords of the cache that the occupancy is of,
 * at time_ms, or at reference_ms, the cache's reference time, if that is later: in float64, for
 * each codeword and each of the H/G heads of its group, [count, H/G],
 *
 *     memories   Σ_r w_{h,r} f_r n[r][a], divided by its sum over the group's codewords: how much
 *                the head remembers of the codeword, whatever the candidate
 *     logits     ŝ_a = q·C_a/√d
 *     weights    e^{ŝ_a} times the memory, divided by its sum: how much of o the codeword makes up
 *
 * The arrays are the caller's.
 */
void vql_occupancy_weigh(const vql_occupancy *occupancy, const vql_catalog *catalog, uint32_t row,
                         int64_t reference_ms, int64_t time_ms, double *memories, double *logits,
                         double *weights);

/* NULL is allowed. */
void vql_occupancy_free(vql_occupancy *occupancy);

#endif
