/*
 * An inspection: what a user's shard has of the user, copied for a thread that wants to look at it.
 *
 *   any thread ── job ──> the shard: the cache is made if it is missing, and copied; then the last
 *                         events are read, as for Get ──> inspection_done wakes the thread
 *
 * The copying is all that the shard's thread does for it. It waits among the long requests, and is
 * shed as they are. Whoever waits may give up: then the last of the two frees it.
 */
#ifndef VQL_SERVER_INSPECTION_H
#define VQL_SERVER_INSPECTION_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "job.h"
#include "vql/cache.h"

typedef struct inspection {
    job job; /* first, so that it is the job too; its events are the last that the cache has */

    model_set *models; /* whose versions the job's is one of, with a reference */

    /* The answer, beside the job's. */
    bool taken;       /* the cache was looked at */
    version *version; /* whose catalog the cache belongs to, with a reference */
    uint8_t *cache;   /* serialized, [cache_bytes]; NULL: the user has no history */
    size_t cache_bytes;
    size_t memory_bytes;     /* that it takes in memory */
    uint64_t cache_sequence; /* of its last event */

    /* Who waits for it. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool answered, abandoned;
} inspection;

/*
 * Of a user and at most max_events of the last events, with a reference of its own to the models.
 * NULL: no memory.
 */
inspection *inspection_new(model_set *models, uint64_t user_id, uint32_t max_events);

/* One that is nobody else's. NULL is allowed. */
void inspection_free(inspection *i);

/*
 * The shard's thread: takes a copy of the user's cache, NULL for one without a history; the job
 * has its sequence number, and its version's caches. False: no memory.
 */
bool inspection_take(job *j, const vql_cache *cache);

/* Whether the cache of a job, which is an inspection, was taken. */
bool inspection_has_taken(const job *j);

/* Any thread, in the end: the job, which is an inspection, is answered. */
void inspection_done(job *j);

/*
 * Waits for the answer. False: it did not come within timeout_ms, and the inspection is not the
 * caller's any more.
 */
bool inspection_wait(inspection *i, uint32_t timeout_ms);

#endif
