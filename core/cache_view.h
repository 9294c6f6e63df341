/*
 * A cache as the scorer reads it: rows of floats, whatever the cache is made of. Rows are decoded
 * and events folded when the view is loaded.
 *
 *   keys [count]          group << 16 | code, ascending
 *   sums [count, width]   kernel r's slice is D_g numbers S and one n from r · (D_g + 1) on
 *
 * Kernel r's sums are relative to base_ms[r].
 */
#ifndef VQL_CORE_CACHE_VIEW_H
#define VQL_CORE_CACHE_VIEW_H

#include "cache_data.h"

typedef struct vql_cache_view {
    size_t width; /* R · (D_g + 1) */
    uint32_t count;
    uint32_t words;
    bool carries; /* whether rows have so many addends that lost is needed */
    int64_t reference_ms;
    int64_t *base_ms;   /* [R] */
    uint64_t *occupied; /* [words]: a bit a codeword, group after group */
    uint32_t *starts;   /* [G]: the first codeword of a group */
    uint32_t *slots;    /* [Σ_g K_g]: the row of a codeword that is occupied */
    uint32_t *keys;     /* [Σ_g K_g] */
    float *sums;        /* [Σ_g K_g, width] */
    float *lost;        /* [Σ_g K_g, width]: what the sums' roundings have lost */
} vql_cache_view;

/* A view with room for any cache of the catalog's. VQL_NO_MEMORY. */
vql_code vql_cache_view_new(const vql_catalog *catalog, const vql_allocator *allocator,
                            vql_cache_view **out);

void vql_cache_view_free(vql_cache_view *view, const vql_allocator *allocator);

/* Makes the view that of a cache, of the same catalog. */
void vql_cache_view_load(vql_cache_view *view, const vql_cache *cache);

/* The key of a codeword: sorts by group, then code. */
static inline uint32_t vql_cache_key(uint32_t group, uint32_t code)
{
    return group << 16 | code;
}

/* The index of the first row whose key is not below key. */
uint32_t vql_cache_view_find(const vql_cache_view *view, uint32_t key);

/* The sums of a row: width numbers, living as long as what was loaded. */
static inline const float *vql_cache_row_sums(const vql_cache_view *view, uint32_t index)
{
    return view->sums + index * view->width;
}

#endif
