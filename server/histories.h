/*
 * What a shard has of its users: the store, or the clerk of one that may block; the caches of every
 * version; and how the ones follow the other. One thread.
 */
#ifndef VQL_SERVER_HISTORIES_H
#define VQL_SERVER_HISTORIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache_pool.h"
#include "clerk.h"
#include "job.h"
#include "meters.h"
#include "model_set.h"
#include "snapshots.h"
#include "store.h"
#include "version_caches.h"

typedef struct histories {
    store *store; /* one that never blocks; NULL: there is a clerk */
    clerk *clerk; /* NULL: there is a store */
    cache_pool pool;
    snapshots snapshots;
    vql_cache_format format;
    model_set *set;                     /* the versions that serve; with a reference */
    struct version_caches_list caches;  /* of those, and of others that jobs still have */
    struct version_caches_list leaving; /* of nobody any more, to be freed */
} histories;

/*
 * Takes a store, or the clerk of one. budget_bytes: 0 for no limit. False: no memory; store and
 * clerk are the caller's still.
 */
bool histories_init(histories *h, model_set *set, store *s, clerk *c, size_t budget_bytes,
                    vql_cache_format format);

/* Frees all, with store or clerk; the clerk has nothing that is not a snapshot. */
void histories_clear(histories *h);

/*
 * Other versions serve from now on. Caches of those that do not any more are given up, a part at a
 * time by histories_work, when the last job of theirs is answered.
 */
void histories_set_models(histories *h, model_set *set);

/* Gives a job the caches of its version. False: no memory. */
bool histories_join(histories *h, job *j);

/* The job is answered, or dropped: it has no caches and no load any more. It may have had none. */
void histories_leave(histories *h, job *j);

/*
 * The store did what the job asks for, an Append, Get or Delete, or failed: has the caches follow,
 * and completes the answer.
 */
void histories_finish(histories *h, job *j, store_code code);

/* The job's error for what a store refused. Returns false. */
bool histories_fail(job *j, store_code code);

/* A user's first events were taken out of the store: has the caches follow. */
void histories_trimmed(histories *h, uint64_t user_id);

/* The clerk has done a load's errand. Returns jobs that need not wait any more. */
job *histories_loaded(histories *h, load_errand *done);

/* The same when the shard ends: the load is given up. */
job *histories_abandon(histories *h, load_errand *done);

/* Says what the caches are like; a gauge's other numbers are not its. */
void histories_gauge(const histories *h, shard_gauges *g);

/* True when there is work that nobody waits for: caches to be given up, or to be made. */
bool histories_has_background(const histories *h);

/* Does some of it, in well under a millisecond. */
void histories_work(histories *h);

#endif
