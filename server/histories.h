/*
 * What a shard has of its users: the store, or the clerk of one that may block; the caches; and how
 * the one follows the other. One thread.
 */
#ifndef VQL_SERVER_HISTORIES_H
#define VQL_SERVER_HISTORIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache_maker.h"
#include "clerk.h"
#include "job.h"
#include "loads.h"
#include "registry.h"
#include "residents.h"
#include "store.h"

typedef struct histories {
    const registry *models;
    store *store; /* one that never blocks; NULL: there is a clerk */
    clerk *clerk; /* NULL: there is a store */
    residents *residents;
    cache_maker maker;
    loads loads;         /* of the clerk's */
    size_t saving_bytes; /* of snapshots that the clerk has */
} histories;

/*
 * Takes a store, or the clerk of one. budget_bytes: 0 for no limit. False: no memory; store and
 * clerk are the caller's still.
 */
bool histories_init(histories *h, const registry *models, store *s, clerk *c, size_t budget_bytes,
                    vql_cache_format format);

/* Frees all, with store or clerk; the clerk has nothing that is not a snapshot. */
void histories_clear(histories *h);

/* A user's cache, wherever it is; it does not count as a use. NULL: it is in memory nowhere. */
const vql_cache *histories_peek(const histories *h, uint64_t user_id);

/*
 * The store did what the job asks for, an Append, Get or Delete, or failed: has the caches follow,
 * and completes the answer.
 */
void histories_finish(histories *h, job *j, store_code code);

/* The job's error for what a store refused. Returns false. */
bool histories_fail(job *j, store_code code);

/* A user's first events were taken out of the store: has the caches follow. */
void histories_trimmed(histories *h, uint64_t user_id);

/* The clerk is done with a snapshot. */
void histories_saved(histories *h, save_errand *done);

#endif
