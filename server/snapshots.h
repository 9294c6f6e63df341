/*
 * Snapshots of a shard's caches on their way to the store. One thread.
 */
#ifndef VQL_SERVER_SNAPSHOTS_H
#define VQL_SERVER_SNAPSHOTS_H

#include <stddef.h>
#include <stdint.h>

#include "clerk.h"
#include "errand.h"
#include "model_set.h"
#include "residents.h"
#include "vql/cache.h"

/* Zeros at first. */
typedef struct snapshots {
    clerk *clerk;            /* set by the owner; NULL: the store keeps no snapshots */
    size_t bytes;            /* that the clerk has */
    const model_set *models; /* the owner's: those whose snapshots stay */
} snapshots;

/*
 * Sends a snapshot of a version's cache, and notes that in its mark. One that finds no memory, or
 * too many before it, is not made: a load will replay more events.
 */
void snapshots_send(snapshots *s, const version *v, uint64_t user_id, const vql_cache *cache,
                    cache_mark *mark);

/* The clerk is done with one. */
void snapshots_done(snapshots *s, save_errand *done);

#endif
