/*
 * A cache folded for one request (vql.md §6): per head h and codeword a
 *
 *     values[h][a]      = Σ_r w_{h,r} f_r S[r][a]_h
 *     normalisers[h][a] = Σ_r w_{h,r} f_r n[r][a]
 *
 * All weights of a head are divided by the same number, so that the largest kernel's sum to 1,
 * however long ago the events were: it cancels in o. S and n are linear in the events: those that a
 * cache keeps as they came, and items, are added straight to the folded sums, one multiply-add a
 * head for each, and never become rows of R slices.
 */
#ifndef VQL_CORE_KERNEL_FOLD_H
#define VQL_CORE_KERNEL_FOLD_H

#include "cache_data.h"
#include "catalog_data.h"
#include "kernels.h"
#include "scratch.h"

typedef struct vql_kernel_fold {
    const vql_tables *tables;
    const vql_kernels *kernels;
    uint32_t columns;    /* d, rounded up to VQL_LANES */
    float **values;      /* [H]: [K, columns]; what is beyond d is zero */
    float **normalisers; /* [H]: [K]; zero where no weight is left, and so are the values there */
    size_t sum_bytes;    /* of all values and normalisers, which lie together from values[0] on */

    /* Scratch of a load. */
    vql_addend *addends; /* [VQL_CACHE_MOST_EVENTS_KEPT] */
    float *factors;      /* [R, VQL_CACHE_MOST_EVENTS_KEPT] */
    float *weights;      /* [VQL_CACHE_MOST_EVENTS_KEPT] */
    float *coefficients; /* [H, R] */
} vql_kernel_fold;

/* Takes room for folding any cache of the catalog's. */
void vql_kernel_fold_take(vql_kernel_fold *fold, const vql_tables *tables, vql_scratch *scratch);

/* Folds a cache of the catalog's at time_ms, or at the cache's reference time if that is later. */
void vql_kernel_fold_load(vql_kernel_fold *fold, const vql_cache *cache, int64_t time_ms);

#endif
