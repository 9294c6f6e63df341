/*
 * The users whose caches of one version are in memory, within the budget of a pool that the
 * residents of several versions share. One thread.
 */
#ifndef VQL_SERVER_RESIDENTS_H
#define VQL_SERVER_RESIDENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache_pool.h"
#include "vql/allocator.h"
#include "vql/cache.h"

typedef struct residents residents;

/* What a cache is of; the owner keeps it so. Zeros at first. */
typedef struct cache_mark {
    uint64_t born, sequence; /* the history, and the last event in the cache */
    uint64_t saved;          /* the sequence number of the snapshot that was saved last */
    uint32_t news;           /* the user's number, before it was last read: news.h */
} cache_mark;

/* Is told of a cache before it is dropped for the budget's sake. */
typedef void evicted(void *context, uint64_t user_id, const vql_cache *cache, cache_mark mark);

/*
 * The pool must outlive it. salt: tells the users of one version from those of another in the pool,
 * which remembers who left it. NULL: no memory.
 */
residents *residents_new(cache_pool *pool, uint64_t salt);

/* Has evictions told of. */
void residents_on_evict(residents *r, evicted *tell, void *context);

/* Frees all caches. NULL is allowed. */
void residents_free(residents *r);

/* Frees up to `most` caches. False: there are none left. */
bool residents_free_some(residents *r, size_t most);

/* What caches that are to be put here are allocated with. */
const vql_allocator *residents_allocator(residents *r);

/* A user's cache, which counts as a use; NULL: it is not here. Valid until cache_pool_settle. */
vql_cache *residents_get(residents *r, uint64_t user_id);

/* The same without counting as a use. */
const vql_cache *residents_peek(const residents *r, uint64_t user_id);

/* The mark of a user's cache that is here. */
cache_mark *residents_mark(residents *r, uint64_t user_id);

/* Takes a cache of a user that has none here. False: no memory; the cache is the caller's. */
bool residents_put(residents *r, uint64_t user_id, vql_cache *cache);

/* Takes a user's cache out, which is the caller's then; NULL: it is not here. */
vql_cache *residents_take(residents *r, uint64_t user_id, cache_mark *mark);

/* Frees a user's cache, if there is one. */
void residents_drop(residents *r, uint64_t user_id);

/* A user's cache has changed its size. */
void residents_resized(residents *r, uint64_t user_id);

/* A place in the table of users. Zeros: its begin. */
typedef struct residents_cursor {
    size_t slot;
    size_t capacity; /* of the table, by which a new one is known; then it begins again */
} residents_cursor;

/*
 * Finds the next user and how hot its cache is (eviction_heat), looking at *slots slots at most,
 * and takes what it looked at off that. False: there was none; the table's end, unless *slots is 0.
 */
bool residents_next(const residents *r, residents_cursor *at, size_t *slots, uint64_t *user_id,
                    uint8_t *heat);

/* A user's cache, if it is here, is as hot as that at least. */
void residents_warm(residents *r, uint64_t user_id, uint8_t heat);

/* The bytes of the caches, and the budget of the pool. */
size_t residents_bytes(const residents *r);
size_t residents_budget(const residents *r);

/* How many there are. */
size_t residents_count(const residents *r);

/* For the pool: the entry, which is in its eviction no more, is given up. */
void residents_evicted(eviction_entry *entry);

#endif
