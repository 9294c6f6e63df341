/*
 * The memory of one shard's caches: one budget of bytes over the caches of all versions. A cache
 * that is given up can be made again from the store, so the budget is kept by dropping caches:
 * eviction.h says which.
 *
 * What counts is what the allocator gives to the caches, rounded up to its size classes, with what
 * it needs to know them by (arena.h), and the tables that caches are found and given up by. One
 * thread.
 */
#ifndef VQL_SERVER_CACHE_POOL_H
#define VQL_SERVER_CACHE_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "eviction.h"

typedef struct cache_pool {
    arena *arena;
    size_t budget_bytes; /* 0: no limit */
    eviction eviction;   /* of the residents of all versions */
    size_t table_bytes;  /* what residents are found by */
    uint64_t evictions;  /* since the start */
} cache_pool;

/* False: no memory. */
bool cache_pool_init(cache_pool *p, size_t budget_bytes);

/* Frees it; no residents are left. */
void cache_pool_clear(cache_pool *p);

/* The bytes that count. */
size_t cache_pool_bytes(const cache_pool *p);

/* Brings the bytes back within the budget; any cache may be gone afterwards. */
void cache_pool_settle(cache_pool *p);

#endif
