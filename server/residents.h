/*
 * The users whose caches are in memory, within a budget of bytes. A cache that is not here can be
 * made again from the store, so the budget is kept by dropping caches: eviction.h says which.
 *
 * What counts is what the allocator gives to the caches, rounded up to its size classes, with what
 * it needs to know them by (arena.h), and the tables that caches are found and given up by. One
 * thread.
 */
#ifndef VQL_SERVER_RESIDENTS_H
#define VQL_SERVER_RESIDENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vql/allocator.h"
#include "vql/cache.h"

typedef struct residents residents;

/* What a cache is of; the owner keeps it so. Zeros at first. */
typedef struct cache_mark {
    uint64_t born, sequence; /* the history, and the last event in the cache */
    uint64_t saved;          /* the sequence number of the snapshot that was saved last */
} cache_mark;

/* Is told of a cache before it is dropped for the budget's sake. */
typedef void evicted(void *context, uint64_t user_id, const vql_cache *cache, cache_mark mark);

typedef struct residents_counts {
    size_t users;
    size_t bytes;       /* what counts of them */
    uint64_t evictions; /* since the start */
} residents_counts;

/* budget_bytes: 0 for no limit. NULL: no memory. */
residents *residents_new(size_t budget_bytes);

/* Has evictions told of. */
void residents_on_evict(residents *r, evicted *tell, void *context);

/* Frees all caches. NULL is allowed. */
void residents_free(residents *r);

/* What caches that are to be put here are allocated with. */
const vql_allocator *residents_allocator(residents *r);

/* A user's cache, which counts as a use; NULL: it is not here. Valid until residents_settle. */
vql_cache *residents_get(residents *r, uint64_t user_id);

/* The same without counting as a use. */
const vql_cache *residents_peek(const residents *r, uint64_t user_id);

/* The mark of a user's cache that is here. */
cache_mark *residents_mark(residents *r, uint64_t user_id);

/* Takes a cache of a user that has none here. False: no memory; the cache is the caller's. */
bool residents_put(residents *r, uint64_t user_id, vql_cache *cache);

/* Frees a user's cache, if there is one. */
void residents_drop(residents *r, uint64_t user_id);

/* A user's cache has changed its size. */
void residents_resized(residents *r, uint64_t user_id);

/* Brings the bytes back within the budget; any cache may be gone afterwards. */
void residents_settle(residents *r);

residents_counts residents_count(residents *r);

#endif
