/*
 * What a cache is made of, for the files of core/ alone.
 */
#ifndef VQL_CORE_CACHE_DATA_H
#define VQL_CORE_CACHE_DATA_H

#include "cache_events.h"
#include "cache_rows.h"
#include "catalog_data.h"
#include "vql/cache.h"

/*
 * A kernel's sums are kept for its base, divided by its gain: the base moves by a power of two
 * exactly, and the gain, from 1/2 to 2, is what is left of the factor.
 */
typedef struct vql_cache_base {
    int64_t time_ms; /* at most reference_ms */
    double gain;
} vql_cache_base;

struct vql_cache {
    vql_allocator allocator;
    const vql_tables *tables;
    uint64_t events;
    int64_t reference_ms;
    uint64_t random; /* the state of the rounding's generator */
    vql_cache_events_list tail;
    vql_cache_form form;     /* VQL_FORM_EVENTS when there are no rows */
    vql_cache_format format; /* of codewords' rows */
    vql_cache_rows rows;     /* of items or of codewords, as the form says */
    vql_cache_base bases[];  /* [R] */
};

/* Bounds a map of all items: rows of items would not be the smaller ones far below it. */
#define VQL_CACHE_MOST_POSITIONS (1 << 22)

/* Sets the form of a cache without rows; positions: of their map, vql_form_positions. */
void vql_cache_set_form(vql_cache *cache, vql_cache_form form, uint32_t positions);

/* Makes a cache one of codewords' rows or of items, which its events or items become. */
vql_code vql_cache_convert(vql_cache *cache, vql_cache_form form);

/* Ends a copy of a cache by making its contents the cache's. */
void vql_cache_take(vql_cache *cache, vql_cache *copy);

/* later_ms - earlier_ms in hours. Both are at least 0, so that the difference cannot overflow. */
static inline double vql_cache_hours(int64_t later_ms, int64_t earlier_ms)
{
    return (double)(later_ms - earlier_ms) / 3.6e6;
}

/*
 * How many decay lengths an event may lie ahead of a kernel's base. Its factor is then at most
 * e^20 < 2^29, so that VQL_CACHE_MAX_EVENTS < 2^32 events sum to less than 2^61 times the largest
 * value, in a float that ends at 2^128.
 */
#define VQL_CACHE_WINDOW 20.0

#endif
