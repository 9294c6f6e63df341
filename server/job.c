#include "job.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "limit.h"

/* Grows *array to hold `needed` elements of `size` bytes. False: no memory; nothing has changed. */
static bool reserve(void **array, size_t *capacity, size_t needed, size_t size)
{
    if (needed <= *capacity)
        return true;
    size_t grown = *capacity < 16 ? 16 : *capacity * 2;
    if (grown < needed)
        grown = needed;
    if (grown > SIZE_MAX / size)
        return false;
    void *bigger = realloc(*array, grown * size);
    if (!bigger)
        return false;
    *array = bigger;
    *capacity = grown;
    return true;
}

static size_t job_bytes(const job *j)
{
    return sizeof *j + j->item_capacity * sizeof *j->item_ids +
           j->event_capacity * sizeof *j->events + j->score_capacity * sizeof *j->scores +
           (j->upsert ? sizeof *j->upsert + j->upsert->bytes : 0);
}

void job_count(job_pool *pool, job *j)
{
    if (pool->ledger)
        ledger_set(pool->ledger, &j->counted, job_bytes(j));
}

/* Takes a job off those that are kept. */
static job *reuse(job_pool *pool)
{
    enum { BEGIN = offsetof(job, next_queued), END = offsetof(job, error.message) + 1 };
    job *j = pool->free;
    pool->free = j->next_queued;
    pool->free_bytes -= job_bytes(j);
    memset((uint8_t *)j + BEGIN, 0, END - BEGIN);
    j->model[0] = '\0';
    return j;
}

/* Whether there is room for one more. */
static bool has_room(const job_pool *pool, bool fresh)
{
    const ledger *l = pool->ledger;
    return pool->taken < LIMIT_JOBS && (!l || l->used < l->limit + (fresh ? l->limit / 4 : 0));
}

job *job_take(job_pool *pool, bool fresh)
{
    if (!has_room(pool, fresh))
        return NULL;
    job *j = pool->free ? reuse(pool) : calloc(1, sizeof *j);
    if (!j)
        return NULL;
    j->deadline_ns = UINT64_MAX;
    pool->taken++;
    job_count(pool, j);
    return j;
}

static void free_job(job_pool *pool, job *j)
{
    if (pool->ledger)
        ledger_set(pool->ledger, &j->counted, 0);
    free(j->item_ids);
    free(j->events);
    free(j->scores);
    free(j);
}

void job_give(job_pool *pool, job *j)
{
    free(j->upsert);
    j->upsert = NULL;
    pool->taken--;
    const size_t bytes = job_bytes(j);
    if (pool->free_bytes + bytes > LIMIT_KEPT_BYTES) {
        free_job(pool, j);
        return;
    }
    job_count(pool, j);
    j->next_queued = pool->free;
    pool->free = j;
    pool->free_bytes += bytes;
}

void job_pool_clear(job_pool *pool)
{
    while (pool->free) {
        job *j = pool->free;
        pool->free = j->next_queued;
        free_job(pool, j);
    }
    pool->free_bytes = 0;
}

bool job_reserve_events(job *j, size_t count)
{
    void *events = j->events;
    const bool ok = reserve(&events, &j->event_capacity, count, sizeof *j->events);
    j->events = events;
    return ok;
}

bool job_reserve_scores(job *j, size_t count)
{
    void *scores = j->scores;
    const bool ok = reserve(&scores, &j->score_capacity, count, sizeof *j->scores);
    j->scores = scores;
    return ok;
}

bool job_reserve_items(job *j, size_t count)
{
    void *items = j->item_ids;
    const bool ok = reserve(&items, &j->item_capacity, count, sizeof *j->item_ids);
    j->item_ids = items;
    return ok;
}

bool job_add_item(job *j, uint64_t item_id)
{
    if (!job_reserve_items(j, j->item_count + 1))
        return false;
    j->item_ids[j->item_count++] = item_id;
    return true;
}

bool job_add_event(job *j, const event *e)
{
    if (!job_reserve_events(j, j->event_count + 1))
        return false;
    j->events[j->event_count++] = *e;
    return true;
}

bool job_has_unchecked_ids(const job *j)
{
    if (j->ids_checked && j->history.sequence == j->sequence)
        return false;
    for (size_t i = 0; i < j->event_count; i++)
        if (j->events[i].id != 0)
            return true;
    return false;
}

bool job_set_upsert(job *j, const uint8_t *message, size_t bytes)
{
    j->upsert = malloc(sizeof *j->upsert + bytes);
    if (!j->upsert)
        return false;
    j->upsert->outcome = (upsert_outcome){0};
    j->upsert->bytes = bytes;
    memcpy(j->upsert->message, message, bytes);
    return true;
}

bool job_has_history(job *j)
{
    if (j->sequence >= j->min_sequence)
        return true;
    grpc_fail(&j->error, GRPC_FAILED_PRECONDITION,
              "min_sequence %llu: user_id %llu is at sequence %llu",
              (unsigned long long)j->min_sequence, (unsigned long long)j->user_id,
              (unsigned long long)j->sequence);
    j->error.reason = "SEQUENCE_NOT_REACHED";
    return false;
}
