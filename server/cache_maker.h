/*
 * Makes users' caches from events, and those that are missing from the store: a step at a time, so
 * that other users' requests go between. One thread.
 */
#ifndef VQL_SERVER_CACHE_MAKER_H
#define VQL_SERVER_CACHE_MAKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event.h"
#include "residents.h"
#include "store.h"
#include "version.h"
#include "vql/cache.h"

/*
 * A cache that is being rebuilt: it holds the events below next_sequence. One that nobody waits for
 * any more stays, for the next request of that user, until another user's is rebuilt. Zeros: none.
 */
typedef struct partial_cache {
    vql_cache *cache; /* NULL: none */
    uint64_t user_id;
    uint64_t next_sequence;
} partial_cache;

typedef struct cache_maker {
    const version *version; /* the owner's: the newest generation */

    /* Set by the owner, and constant. */
    store *store;
    residents *residents;
    vql_cache_format format;

    partial_cache partial;         /* for requests; zeros at first */
    event *read;                   /* [LIMIT_REBUILD_CHUNK]: scratch of a rebuild */
    vql_cache_event *cache_events; /* [cache_event_capacity]: scratch of an append */
    size_t cache_event_capacity;
} cache_maker;

/* Allocates the scratch. False: no memory. */
bool cache_maker_init(cache_maker *m);

/* Frees what the maker keeps; residents are still there. */
void cache_maker_clear(cache_maker *m);

/* An empty cache for a user. NULL: no memory. */
vql_cache *cache_maker_new(const cache_maker *m, uint64_t user_id, const vql_allocator *allocator);

/*
 * A cache from its serialized form. NULL: it is none that this maker would have made, or there is
 * no memory.
 */
vql_cache *cache_maker_parse(const cache_maker *m, const uint8_t *bytes, size_t count);

/* Appends events, in the catalog's terms. False: no memory; the cache is as it was. */
bool cache_maker_append(cache_maker *m, vql_cache *cache, const event *events, size_t count);

/*
 * Makes the cache, which is not resident, of a user with fewer than LIMIT_REBUILD_CHUNK events, at
 * once. It is resident then. NULL: no memory.
 */
vql_cache *cache_maker_make(cache_maker *m, uint64_t user_id);

typedef enum rebuild_result { REBUILD_GOES_ON, REBUILD_DONE, REBUILD_NO_MEMORY } rebuild_result;

/*
 * A step of the rebuild of a user's cache that is not resident; when done, it is. No memory: what
 * was made is gone.
 */
rebuild_result cache_maker_rebuild(cache_maker *m, partial_cache *p, uint64_t user_id);

/* Gives up what was made. */
void cache_maker_drop(partial_cache *p);

/* The user's events are deleted. */
void cache_maker_forget(partial_cache *p, uint64_t user_id);

#endif
