/*
 * A shard: the users whose ids hash to it, their caches, and the jobs that wait for them. One
 * thread owns a shard; nothing here locks. The store holds the truth; a cache is made from it when
 * it is first needed.
 *
 *   job ── shard_submit ──> queue ── shard_step, shard_step … ──> the job, answered
 *
 * A job that is cancelled or past its deadline is dropped before it starts; a Score is done in
 * chunks of candidates, and looks again between them.
 */
#ifndef VQL_SERVER_SHARD_H
#define VQL_SERVER_SHARD_H

#include <stdbool.h>
#include <stdint.h>

#include "job.h"
#include "registry.h"
#include "store.h"
#include "vql/cache.h"

typedef struct shard shard;

typedef struct shard_options {
    size_t budget_bytes; /* what users' caches may take; 0: no limit */
    vql_cache_format cache_format;
} shard_options;

/*
 * models must outlive the shard; the store becomes the shard's. NULL: no memory, and the store is
 * the caller's still.
 */
shard *shard_new(const registry *models, store *s, const shard_options *options);

/* Frees the shard and its store. No job may wait in it. */
void shard_free(shard *s);

/* Queues a job. The shard has it until shard_step returns it. */
void shard_submit(shard *s, job *j);

/* True when no job waits. */
bool shard_idle(const shard *s);

/* Takes the first job back out, unanswered. NULL: none waits. */
job *shard_take(shard *s);

/*
 * Works on the first job for well under a millisecond. Returns the job when it is answered, else
 * NULL.
 */
job *shard_step(shard *s, uint64_t now_ns);

#endif
