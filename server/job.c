#include "job.h"

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

job *job_take(job_pool *pool)
{
    if (pool->taken >= LIMIT_JOBS)
        return NULL;
    job *j = pool->free;
    if (j) {
        pool->free = j->next_queued;
        job kept = *j;
        memset(j, 0, sizeof *j);
        j->item_ids = kept.item_ids;
        j->item_capacity = kept.item_capacity;
        j->events = kept.events;
        j->event_capacity = kept.event_capacity;
        j->scores = kept.scores;
        j->score_capacity = kept.score_capacity;
    } else {
        j = calloc(1, sizeof *j);
        if (!j)
            return NULL;
    }
    j->deadline_ns = UINT64_MAX;
    pool->taken++;
    return j;
}

static void free_arrays(job *j)
{
    free(j->item_ids);
    free(j->events);
    free(j->scores);
}

void job_give(job_pool *pool, job *j)
{
    pool->taken--;
    if (j->item_capacity > LIMIT_KEPT_ELEMENTS || j->event_capacity > LIMIT_KEPT_ELEMENTS ||
        j->score_capacity > LIMIT_KEPT_ELEMENTS) {
        free_arrays(j);
        free(j);
        return;
    }
    j->next_queued = pool->free;
    pool->free = j;
}

void job_pool_clear(job_pool *pool)
{
    while (pool->free) {
        job *j = pool->free;
        pool->free = j->next_queued;
        free_arrays(j);
        free(j);
    }
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

bool job_add_item(job *j, uint64_t item_id)
{
    void *items = j->item_ids;
    const bool ok = reserve(&items, &j->item_capacity, j->item_count + 1, sizeof *j->item_ids);
    j->item_ids = items;
    if (ok)
        j->item_ids[j->item_count++] = item_id;
    return ok;
}

bool job_add_event(job *j, const event *e)
{
    if (!job_reserve_events(j, j->event_count + 1))
        return false;
    j->events[j->event_count++] = *e;
    return true;
}
