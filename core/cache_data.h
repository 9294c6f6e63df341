/*
 * What a cache is made of, for the files of core/ alone.
 */
#ifndef VQL_CORE_CACHE_DATA_H
#define VQL_CORE_CACHE_DATA_H

#include "cache_rows.h"
#include "vql/cache.h"

/*
 * Within a row, kernel r's slice is D_g numbers of S and one of n, from r · (D_g + 1) on. An n is 0
 * or at least FLT_MIN: what has decayed further is gone.
 */
struct vql_cache {
    vql_allocator allocator;
    const vql_catalog *catalog;
    uint64_t events;
    int64_t reference_ms;
    vql_cache_rows rows;
    int64_t base_ms[]; /* [R]: at most reference_ms */
};

/* later_ms - earlier_ms in hours. Both are at least 0, so that the difference cannot overflow. */
static inline double vql_cache_hours(int64_t later_ms, int64_t earlier_ms)
{
    return (double)(later_ms - earlier_ms) / 3.6e6;
}

#endif
