#include "shard.h"

#include <stdlib.h>
#include <string.h>

#include "limit.h"
#include "residents.h"
#include "vql/cache.h"
#include "vql/scorer.h"

struct shard {
    const registry *models;
    store *store;
    vql_cache_format cache_format;
    vql_scorer *scorer;
    residents *residents; /* caches; one that is missing is made from the store */
    job *first, **last;
    bool begun; /* the first job's candidates are being scored */

    event *rebuild_events;         /* [LIMIT_REBUILD_CHUNK] */
    vql_cache_event *cache_events; /* [cache_event_capacity]: scratch of to_cache */
    size_t cache_event_capacity;
};

shard *shard_new(const registry *models, store *st, const shard_options *options)
{
    shard *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->models = models;
    s->last = &s->first;
    if (vql_scorer_new(models->catalog, NULL, &s->scorer) != VQL_OK)
        goto free_shard;
    s->rebuild_events = calloc(LIMIT_REBUILD_CHUNK, sizeof *s->rebuild_events);
    if (!s->rebuild_events)
        goto free_scorer;
    s->cache_format = options->cache_format;
    s->residents = residents_new(options->budget_bytes);
    if (!s->residents)
        goto free_events;
    s->store = st;
    return s;
free_events:
    free(s->rebuild_events);
free_scorer:
    vql_scorer_free(s->scorer);
free_shard:
    free(s);
    return NULL;
}

void shard_free(shard *s)
{
    if (!s)
        return;
    residents_free(s->residents);
    store_close(s->store);
    vql_scorer_free(s->scorer);
    free(s->rebuild_events);
    free(s->cache_events);
    free(s);
}

void shard_submit(shard *s, job *j)
{
    j->next_queued = NULL;
    *s->last = j;
    s->last = &j->next_queued;
}

bool shard_idle(const shard *s)
{
    return s->first == NULL;
}

static bool no_memory(job *j)
{
    grpc_fail(&j->error, GRPC_RESOURCE_EXHAUSTED, "user_id %llu: the server is out of memory",
              (unsigned long long)j->user_id);
    return false;
}

/*
 * Appends stored events to a cache, in the catalog's terms. False: no memory; the cache is as it
 * was.
 */
static bool cache_append(shard *s, vql_cache *cache, const event *events, size_t count)
{
    if (count > s->cache_event_capacity) {
        vql_cache_event *bigger = realloc(s->cache_events, count * sizeof *bigger);
        if (!bigger)
            return false;
        s->cache_events = bigger;
        s->cache_event_capacity = count;
    }
    for (size_t i = 0; i < count; i++)
        s->cache_events[i] = (vql_cache_event){
            .time_ms = events[i].time_ms,
            .row = vql_catalog_row(s->models->catalog, events[i].item_id),
            .event_type = events[i].type,
        };
    return vql_cache_append(cache, s->cache_events, count) == VQL_OK;
}

/* Replays a user's events from the store into an empty cache. False: no memory. */
static bool replay(shard *s, uint64_t user_id, vql_cache *cache)
{
    for (uint64_t next = 1;;) {
        const size_t count =
            store_read(s->store, user_id, next, s->rebuild_events, LIMIT_REBUILD_CHUNK);
        if (count == 0)
            return true;
        if (!cache_append(s, cache, s->rebuild_events, count))
            return false;
        next += count;
    }
}

/* An empty cache for a user. NULL: no memory. */
static vql_cache *new_cache(const shard *s, uint64_t user_id, const vql_allocator *allocator)
{
    vql_cache *cache;
    const vql_cache_options options = {.format = s->cache_format, .seed = user_id};
    return vql_cache_new_with(s->models->catalog, &options, allocator, &cache) == VQL_OK ? cache
                                                                                         : NULL;
}

/* Makes the user's cache from the store. NULL: no memory. */
static vql_cache *make_cache(shard *s, uint64_t user_id)
{
    vql_cache *cache = new_cache(s, user_id, residents_allocator(s->residents));
    if (!cache)
        return NULL;
    if (!replay(s, user_id, cache) || !residents_put(s->residents, user_id, cache)) {
        vql_cache_free(cache);
        return NULL;
    }
    return cache;
}

/* The user's cache with the whole history in it; NULL: no memory. */
static vql_cache *find_cache(shard *s, uint64_t user_id)
{
    vql_cache *cache = residents_get(s->residents, user_id);
    return cache ? cache : make_cache(s, user_id);
}

/*
 * A user whose cache was evicted is not given a new one: the store has the events, and a score will
 * make it. A new user's is made at once, while that costs nothing.
 */
static void run_append(shard *s, job *j)
{
    const size_t asked = j->event_count;
    j->sequence = store_info(s->store, j->user_id).sequence;
    j->durability = s->store->durability;
    if (asked == 0)
        return;
    vql_cache *cache =
        j->sequence == 0 ? find_cache(s, j->user_id) : residents_get(s->residents, j->user_id);
    if ((j->sequence == 0 && !cache) ||
        !store_append(s->store, j->user_id, j->events, &j->event_count, &j->sequence)) {
        no_memory(j);
        return;
    }
    j->appended = (uint32_t)j->event_count;
    j->duplicates = (uint32_t)(asked - j->event_count);
    if (!cache)
        return;
    /* A cache that cannot take the events is dropped, and made again when it is needed. */
    if (cache_append(s, cache, j->events, j->event_count))
        residents_resized(s->residents, j->user_id);
    else
        residents_drop(s->residents, j->user_id);
}

static void run_delete(shard *s, job *j)
{
    residents_drop(s->residents, j->user_id);
    j->deleted = store_erase(s->store, j->user_id);
}

static void run_get(shard *s, job *j)
{
    j->history = store_info(s->store, j->user_id);
    j->sequence = j->history.sequence;
    if (j->sequence == 0)
        return;
    const vql_cache *cache = residents_peek(s->residents, j->user_id);
    if (cache) {
        j->cache_bytes = vql_cache_bytes(cache);
        for (uint32_t g = 0; g < vql_model_shape(s->models->model)->groups; g++)
            j->occupied[g] = vql_cache_occupied(cache, g);
    }
    uint64_t end = j->sequence + 1;
    if (j->before_sequence != 0 && j->before_sequence < end)
        end = j->before_sequence;
    const size_t count = end - 1 < j->max_events ? (size_t)(end - 1) : j->max_events;
    if (!job_reserve_events(j, count)) {
        no_memory(j);
        return;
    }
    j->first_event_sequence = end - count;
    j->event_count = store_read(s->store, j->user_id, j->first_event_sequence, j->events, count);
}

/*
 * Folds a copy of the cache with the request's own events appended, as far as their ids are new.
 * False: no memory.
 */
static bool begin_with_events(shard *s, job *j, const vql_cache *cache)
{
    if (!store_drop_applied(s->store, j->user_id, j->events, &j->event_count))
        return false;
    vql_cache *extended = NULL;
    if (!cache)
        extended = new_cache(s, j->user_id, NULL);
    else if (vql_cache_clone(cache, &extended) != VQL_OK)
        return false;
    if (!extended)
        return false;
    const bool appended = cache_append(s, extended, j->events, j->event_count);
    if (appended)
        vql_scorer_begin(s->scorer, extended, j->time_ms);
    vql_cache_free(extended);
    return appended;
}

/*
 * Checks what the request demands of the history and folds the cache. False: the job's error says
 * why not.
 */
static bool begin_score(shard *s, job *j)
{
    j->sequence = store_info(s->store, j->user_id).sequence;
    if (j->sequence < j->min_sequence) {
        grpc_fail(&j->error, GRPC_FAILED_PRECONDITION,
                  "min_sequence %llu: user_id %llu is at sequence %llu",
                  (unsigned long long)j->min_sequence, (unsigned long long)j->user_id,
                  (unsigned long long)j->sequence);
        return false;
    }
    const vql_cache *cache = NULL;
    if (j->sequence > 0) {
        cache = find_cache(s, j->user_id);
        if (!cache)
            return no_memory(j);
    }
    j->unknown_user = j->sequence == 0 && j->event_count == 0;
    if (j->event_count > 0)
        return begin_with_events(s, j, cache) || no_memory(j);
    vql_scorer_begin(s->scorer, cache, j->time_ms);
    return true;
}

/* Scores the next candidates. True when the job is answered. */
static bool step_score(shard *s, job *j)
{
    if (!s->begun && !begin_score(s, j))
        return true;
    s->begun = true;
    const size_t left = j->item_count - j->scored;
    const size_t count = left < LIMIT_SCORE_CHUNK ? left : LIMIT_SCORE_CHUNK;
    const size_t tasks = vql_model_shape(s->models->model)->tasks;
    j->unknown_items += (uint32_t)vql_scorer_run(s->scorer, j->item_ids + j->scored, count,
                                                 j->scores + j->scored * tasks);
    j->scored += count;
    return j->scored == j->item_count;
}

/* True when nobody waits for the job's answer any more. */
static bool is_over(job *j, uint64_t now_ns)
{
    if (atomic_load_explicit(&j->cancelled, memory_order_relaxed)) {
        grpc_fail(&j->error, GRPC_CANCELLED, "cancelled");
        return true;
    }
    if (now_ns >= j->deadline_ns) {
        if (j->operation == OPERATION_SCORE)
            grpc_fail(&j->error, GRPC_DEADLINE_EXCEEDED,
                      "deadline passed after %zu of %zu candidates", j->scored, j->item_count);
        else
            grpc_fail(&j->error, GRPC_DEADLINE_EXCEEDED, "deadline passed before work began");
        return true;
    }
    return false;
}

/* Works on the job. True when it is answered. */
static bool work(shard *s, job *j)
{
    switch (j->operation) {
    case OPERATION_SCORE:
        return step_score(s, j);
    case OPERATION_APPEND:
        run_append(s, j);
        return true;
    case OPERATION_GET:
        run_get(s, j);
        return true;
    case OPERATION_DELETE:
        run_delete(s, j);
        return true;
    }
    return true;
}

job *shard_take(shard *s)
{
    job *j = s->first;
    if (!j)
        return NULL;
    s->begun = false;
    s->first = j->next_queued;
    if (!s->first)
        s->last = &s->first;
    return j;
}

job *shard_step(shard *s, uint64_t now_ns)
{
    job *j = s->first;
    if (!j || (!is_over(j, now_ns) && !work(s, j)))
        return NULL;
    residents_settle(s->residents);
    return shard_take(s);
}
