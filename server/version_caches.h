/*
 * One shard's caches of one version: those in memory, those being made, and what they are made and
 * scored with. Caches of different versions never meet. One thread.
 */
#ifndef VQL_SERVER_VERSION_CACHES_H
#define VQL_SERVER_VERSION_CACHES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "cache_maker.h"
#include "clerk.h"
#include "lane.h"
#include "loads.h"
#include "rebuild.h"
#include "residents.h"
#include "snapshots.h"
#include "store.h"
#include "version.h"
#include "vql/scorer.h"

typedef struct version_caches {
    LIST_ENTRY(version_caches) link; /* the owner's */
    version *version;                /* with a reference */
    bool known, serves;              /* the owner's: it was, and is, in a set */
    size_t jobs;                     /* that score with it */
    residents *residents;
    cache_maker maker;
    loads loads; /* with a clerk */
    snapshots *snapshots;
    rebuild rebuild;
    vql_scorer *scorers[LANES]; /* NULL until there is a use for one */
} version_caches;

LIST_HEAD(version_caches_list, version_caches);

/* What the caches of all versions in one shard have in common. */
typedef struct caches_options {
    store *store; /* one that never blocks; NULL: there is a clerk */
    clerk *clerk; /* NULL: there is a store */
    cache_pool *pool;
    snapshots *snapshots;
    vql_cache_format format;
    const news *news; /* NULL: no other server writes the store */
} caches_options;

/* No caches yet. Takes a reference to the version. NULL: no memory. */
version_caches *version_caches_new(version *v, const caches_options *options);

/* Frees all, and lets the version go. No job has it, and no load is with the clerk. */
void version_caches_free(version_caches *c);

/* Another generation of the version serves. */
void version_caches_renew(version_caches *c, version *next);

/* True when no job has it and no load is with the clerk. */
bool version_caches_idle(const version_caches *c);

/*
 * A lane's scorer for a catalog of the version's, which the lane scores one job with at a time.
 * NULL: no memory.
 */
vql_scorer *version_caches_scorer(version_caches *c, lane_kind kind, const vql_catalog *catalog);

/* A user's cache, wherever it is; it does not count as a use. NULL: it is in memory nowhere. */
const vql_cache *version_caches_peek(const version_caches *c, uint64_t user_id);

/*
 * The history of a user was appended to: the events are the last of what info says. A cache that
 * cannot take them is dropped, and made again when it is needed. A user who is new gets a cache if
 * `begins` is set; news: the user's number, before the append was asked for.
 */
void version_caches_appended(version_caches *c, uint64_t user_id, const event *events, size_t count,
                             const history_info *info, bool begins, uint32_t heard);

/*
 * The cache of a job's user, if it is a resident that has all events, as far as is known. One that
 * others may have written to is taken out: a load goes on from it. NULL: there is none.
 */
const vql_cache *version_caches_current(version_caches *c, const job *j);

/* A user's history may have changed: a cache is compared with the store before it is used. */
void version_caches_doubt(version_caches *c, uint64_t user_id);

/* The history of a user was erased. */
void version_caches_erased(version_caches *c, uint64_t user_id);

/* The first events of a user were taken out of the store: a cache is made again of the others. */
void version_caches_trimmed(version_caches *c, uint64_t user_id);

#endif
