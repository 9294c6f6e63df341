/*
 * The users whose caches are being made from a store that may block, and the jobs that wait for
 * them. However many jobs want a user's cache, it is made once: from its snapshot and the events
 * after that, a chunk at a time, each read by the clerk and appended by the shard's thread, until
 * it has all that the user has.
 *
 *   loads_wait ──> clerk ──> loads_step, loads_step … ──> the jobs, with the load ──> loads_leave
 *
 * A user is in the residents or here. Jobs score with the load's cache, so that no eviction can
 * come between; when the last one has left it becomes a resident. One thread.
 */
#ifndef VQL_SERVER_LOADS_H
#define VQL_SERVER_LOADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache_maker.h"
#include "clerk.h"
#include "errand.h"
#include "id_map.h"
#include "job.h"
#include "limit.h"
#include "news.h"
#include "residents.h"

typedef struct loads loads;

typedef struct load {
    load_errand errand; /* first, so that it is the load too */
    loads *of;
    bool ready; /* nothing more is to be read: the cache is whole, or code says why not */
    store_code code;
    vql_cache *cache; /* of the events up to mark.sequence; NULL: none yet */
    cache_mark mark;
    uint32_t news;   /* the user's number, before the errand was sent */
    bool erased;     /* or trimmed, since the errand was sent */
    bool left;       /* the user was trimmed: only those that have the load still use it */
    uint64_t newest; /* the sequence number that the last append came to, since it began */
    job *waiting;    /* linked by next_queued; only while it is not ready */
    size_t jobs;     /* that wait, or have it and did not leave */
    event events[LIMIT_REBUILD_CHUNK];
} load;

struct loads {
    /* Set by the owner, and constant. */
    cache_maker *maker;
    residents *residents;
    clerk *clerk;
    const news *news; /* NULL: no other server writes the store */
    void *context;    /* the owner's own */

    id_map users; /* -> load */
};

/* Frees all; none is with the clerk, and no job has one. */
void loads_clear(loads *l);

/* True when there is none. */
static inline bool loads_idle(const loads *l)
{
    return l->users.count == 0;
}

/* The load of a user; NULL: there is none. */
load *loads_find(const loads *l, uint64_t user_id);

/*
 * Gives the job its user's load, begun if there is none. True: it is to wait until loads_step
 * returns it, and else the load is ready. False in *ok: no memory, or LIMIT_LOADS are under way.
 */
bool loads_wait(loads *l, job *j, bool *ok);

/*
 * Begins a user's load with a cache that may lack the last events, which becomes the load's. It is
 * given up if that cannot be done.
 */
void loads_resume(loads *l, uint64_t user_id, vql_cache *cache, const cache_mark *mark);

/* A user's history may have changed: what was read is compared with the store again. */
void loads_doubt(loads *l, load *one);

/* Begins a user's load, which no job waits for. False: no memory, or LIMIT_LOADS are under way. */
bool loads_prefetch(loads *l, uint64_t user_id);

/* The job has done with its load, or is dropped. It may have none. */
void loads_leave(loads *l, job *j);

/* The clerk has done a load's errand. Returns jobs that need not wait any more. */
job *loads_step(load_errand *done);

/* The same when nothing more is to be read: the load is given up. */
job *loads_abandon(load_errand *done);

/* A user's history was appended to: the events are the last of what info says. */
void loads_appended(loads *l, load *one, const event *events, size_t count,
                    const history_info *info);

/* A user's first events were taken out. Jobs that have a load that is ready keep it. */
void loads_trimmed(loads *l, load *one);

/* A user's history was erased. */
void loads_erased(load *one);

#endif
