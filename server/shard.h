/*
 * A shard: the users whose ids hash to it, their caches, and the jobs that wait for them. One
 * thread owns a shard; nothing here locks. The store holds the truth; a cache is made from it when
 * it is first needed.
 *
 *   job ── shard_submit ──> queue ── shard_step, shard_step … ──> the job, answered
 *
 * Jobs wait in lanes by their length, the earliest deadline first (lane.h). One that is cancelled,
 * past its deadline or has waited too long is dropped before it starts, or by a sweep of the queues
 * every LIMIT_SWEEP_MS; a Score is done in chunks of candidates, and a cache that is missing is
 * made in chunks of events, with a look at the deadline between them and turns for other jobs.
 */
#ifndef VQL_SERVER_SHARD_H
#define VQL_SERVER_SHARD_H

#include <stdbool.h>
#include <stdint.h>

#include "clerk.h"
#include "job.h"
#include "model_set.h"
#include "news.h"
#include "retention.h"
#include "store.h"
#include "vql/cache.h"

typedef struct shard shard;

typedef struct shard_options {
    size_t budget_bytes; /* what users' caches may take; 0: no limit */
    vql_cache_format cache_format;
    uint32_t shed_target_ms, shed_interval_ms; /* of short requests: see shedder.h */
    retention_rules retention;                 /* zeros: all events are kept */
    struct meters *meters; /* of the thread, which count its work; may be NULL */
    const news *news;      /* of other servers that write the store; NULL: none does */
} shard_options;

/*
 * Takes a reference to the set of models; the store becomes the shard's. NULL: no memory, and the
 * store is the caller's still.
 */
shard *shard_new(model_set *models, store *s, const shard_options *options);

/*
 * The same with the clerk of a store that may block: what the shard asks it for it takes when
 * shard_step is next called. wake is called, by any thread, when it is to be; to be set before the
 * first job.
 */
shard *shard_new_with_clerk(model_set *models, clerk *c, const shard_options *options);
void shard_set_wake(shard *s, void (*wake)(void *context), void *context);

/*
 * Other models serve from now on. A job whose version the shard has not heard of, or that does not
 * serve any more, is answered all the same.
 */
void shard_set_models(shard *s, model_set *models);

/* Frees the shard and its store. No job may wait in it. */
void shard_free(shard *s);

/*
 * Queues a job that has been waiting since its arrived_ns. The shard has it until shard_step
 * returns it. False: LIMIT_SHARD_JOBS wait already, and the job is answered, as its error says.
 */
bool shard_submit(shard *s, job *j, uint64_t now_ns);

/*
 * Whether a request, a Score of many candidates or any other, would be refused for the time that it
 * had to wait: then it need not be decoded. From any thread.
 */
bool shard_refuses(const shard *s, bool is_long);

/* Whether there are events that are not kept. */
bool shard_retains(const shard *s);

/*
 * Goes on with taking out events that are not kept, by the wall clock; to be called every
 * LIMIT_RETAIN_MS.
 */
void shard_retain(shard *s, int64_t wall_ms);

/* True when there is nothing to work on: no job waits, but for the clerk. */
bool shard_idle(const shard *s);

/* Has its meters, which it has, say what it is like now. */
void shard_gauge(const shard *s);

/* True when there is work that no job waits for. */
bool shard_has_background(const shard *s);

/*
 * Does some of it, in well under a millisecond: frees caches of models that are gone, or makes some
 * of a model that is new.
 */
void shard_work(shard *s);

/* Takes some job back out, unanswered. NULL: none waits. */
job *shard_take(shard *s);

/*
 * Works on a job for well under a millisecond. Returns one that is answered or dropped, else NULL.
 */
job *shard_step(shard *s, uint64_t now_ns);

#endif
