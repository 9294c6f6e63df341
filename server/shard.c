#include "shard.h"

#include <stdlib.h>
#include <string.h>

#include "cache_maker.h"
#include "lane.h"
#include "limit.h"
#include "residents.h"
#include "vql/cache.h"
#include "vql/scorer.h"

enum {
    NS_PER_MS = 1000000,
    LANE_SHORT = 0, /* everything but what the other two are for */
    LANE_LONG,      /* scores of more than LIMIT_SHORT_CANDIDATES candidates and events */
    LANE_REBUILD,   /* scores of users whose cache has to be made, if that takes many steps */
    LANES,
};

struct shard {
    const registry *models;
    store *store;
    residents *residents; /* caches; one that is missing is made from the store */
    cache_maker maker;
    lane lanes[LANES];
    uint32_t turn;     /* the lane whose turn it is next */
    job *dropped;      /* by the last sweep, linked by next_queued */
    uint64_t sweep_ns; /* when the next one is due */
    pushback pushback; /* for those that find the shard full */
};

/* How many times a short request's longest wait a lane's may be. */
static const uint64_t patience[LANES] = {
    [LANE_SHORT] = 1,
    [LANE_LONG] = LIMIT_LONG_PATIENCE,
    [LANE_REBUILD] = LIMIT_REBUILD_PATIENCE,
};

static void clear_lanes(shard *s)
{
    for (uint32_t i = 0; i < LANES; i++)
        lane_clear(&s->lanes[i]);
}

static bool init_lanes(shard *s, const shard_options *options)
{
    for (uint32_t i = 0; i < LANES; i++)
        if (!lane_init(&s->lanes[i], s->models,
                       (uint64_t)options->shed_target_ms * NS_PER_MS * patience[i],
                       (uint64_t)options->shed_interval_ms * NS_PER_MS * patience[i])) {
            clear_lanes(s);
            return false;
        }
    return true;
}

shard *shard_new(const registry *models, store *st, const shard_options *options)
{
    shard *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->models = models;
    s->store = st;
    if (!init_lanes(s, options))
        goto free_shard;
    s->residents = residents_new(options->budget_bytes);
    if (!s->residents)
        goto free_lanes;
    s->maker = (cache_maker){
        .models = models,
        .store = st,
        .residents = s->residents,
        .format = options->cache_format,
    };
    if (!cache_maker_init(&s->maker))
        goto free_residents;
    return s;
free_residents:
    residents_free(s->residents);
free_lanes:
    clear_lanes(s);
free_shard:
    free(s);
    return NULL;
}

void shard_free(shard *s)
{
    if (!s)
        return;
    cache_maker_clear(&s->maker);
    residents_free(s->residents);
    store_close(s->store);
    clear_lanes(s);
    free(s);
}

/* How many jobs wait or are in hand, those that were dropped left out. */
static size_t count_jobs(const shard *s)
{
    size_t count = 0;
    for (uint32_t i = 0; i < LANES; i++)
        count += lane_jobs(&s->lanes[i]);
    return count;
}

/*
 * Appends stay in the order that they came in, so that only scores are sorted by their length.
 */
static uint32_t lane_of(const job *j)
{
    const bool is_long =
        j->operation == OPERATION_SCORE && j->item_count + j->event_count > LIMIT_SHORT_CANDIDATES;
    return is_long ? LANE_LONG : LANE_SHORT;
}

bool shard_submit(shard *s, job *j, uint64_t now_ns)
{
    const bool full = count_jobs(s) >= LIMIT_SHARD_JOBS;
    pushback_note(&s->pushback, full);
    if (full) {
        grpc_fail(&j->error, GRPC_UNAVAILABLE, "the server is overloaded: %d requests wait",
                  LIMIT_SHARD_JOBS);
        j->error.reason = "OVERLOADED";
        j->error.pushback_ms = pushback_ms(&s->pushback);
        return false;
    }
    const uint64_t horizon_ms = j->patient ? 2 * LIMIT_HORIZON_MS : LIMIT_HORIZON_MS;
    const uint64_t horizon_ns = now_ns + horizon_ms * NS_PER_MS;
    j->due_ns = j->deadline_ns < horizon_ns ? j->deadline_ns : horizon_ns;
    lane_push(&s->lanes[lane_of(j)], j, now_ns);
    return true;
}

bool shard_refuses(const shard *s, bool is_long)
{
    return atomic_load_explicit(&s->lanes[is_long ? LANE_LONG : LANE_SHORT].refusing,
                                memory_order_relaxed);
}

bool shard_idle(const shard *s)
{
    return !s->dropped && count_jobs(s) == 0;
}

static bool no_memory(job *j)
{
    grpc_fail(&j->error, GRPC_UNAVAILABLE, "user_id %llu: the server is out of memory",
              (unsigned long long)j->user_id);
    j->error.reason = "NO_MEMORY";
    j->error.pushback_ms = LIMIT_PUSHBACK_MS;
    return false;
}

/* The cache of a user with few events, or none. NULL: no memory. */
static vql_cache *find_small_cache(shard *s, uint64_t user_id)
{
    vql_cache *cache = residents_get(s->residents, user_id);
    return cache ? cache : cache_maker_make(&s->maker, user_id);
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
    vql_cache *cache = j->sequence == 0 ? find_small_cache(s, j->user_id)
                                        : residents_get(s->residents, j->user_id);
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
    if (cache_maker_append(&s->maker, cache, j->events, j->event_count))
        residents_resized(s->residents, j->user_id);
    else
        residents_drop(s->residents, j->user_id);
}

static void run_delete(shard *s, job *j)
{
    residents_drop(s->residents, j->user_id);
    cache_maker_forget(&s->maker, j->user_id);
    j->deleted = store_erase(s->store, j->user_id);
}

static void run_get(shard *s, job *j)
{
    memset(j->occupied, 0, sizeof j->occupied);
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
static bool fold_with_events(shard *s, vql_scorer *scorer, job *j, const vql_cache *cache)
{
    if (!store_drop_applied(s->store, j->user_id, j->events, &j->event_count))
        return false;
    vql_cache *extended = NULL;
    if (!cache)
        extended = cache_maker_new(&s->maker, j->user_id, NULL);
    else if (vql_cache_clone(cache, &extended) != VQL_OK)
        return false;
    if (!extended)
        return false;
    const bool appended = cache_maker_append(&s->maker, extended, j->events, j->event_count);
    if (appended)
        vql_scorer_begin(scorer, extended, j->time_ms);
    vql_cache_free(extended);
    return appended;
}

/* Folds the cache, NULL for a user without events. False: the job's error says why not. */
static bool fold(shard *s, lane *l, job *j, const vql_cache *cache)
{
    j->unknown_user = j->sequence == 0 && j->event_count == 0;
    if (j->event_count > 0 && !fold_with_events(s, l->scorer, j, cache))
        return no_memory(j);
    if (j->event_count == 0)
        vql_scorer_begin(l->scorer, cache, j->time_ms);
    l->phase = LANE_SCORING;
    return true;
}

/* Looks up the history. False: it is older than the request demands, as the job's error says. */
static bool check_sequence(shard *s, job *j)
{
    j->sequence = store_info(s->store, j->user_id).sequence;
    if (j->sequence >= j->min_sequence)
        return true;
    grpc_fail(&j->error, GRPC_FAILED_PRECONDITION,
              "min_sequence %llu: user_id %llu is at sequence %llu",
              (unsigned long long)j->min_sequence, (unsigned long long)j->user_id,
              (unsigned long long)j->sequence);
    j->error.reason = "SEQUENCE_NOT_REACHED";
    return false;
}

/* What a step has come to. */
typedef enum progress { GOES_ON, ANSWERED, MOVED } progress;

/*
 * The cache of a user with many events, rebuilt step by step if it is missing, in the lane for
 * that. NULL: *p says how the job goes on.
 */
static vql_cache *find_large_cache(shard *s, lane *l, job *j, progress *p)
{
    vql_cache *cache = residents_get(s->residents, j->user_id);
    if (cache)
        return cache;
    *p = MOVED;
    if (l != &s->lanes[LANE_REBUILD])
        return NULL;
    l->phase = LANE_REBUILDING;
    switch (cache_maker_rebuild(&s->maker, j->user_id)) {
    case REBUILD_GOES_ON:
        *p = GOES_ON;
        return NULL;
    case REBUILD_NO_MEMORY:
        (void)no_memory(j);
        *p = ANSWERED;
        return NULL;
    case REBUILD_DONE:
        break;
    }
    return residents_get(s->residents, j->user_id);
}

/* Comes as far as to have the user's cache folded, in as many steps as that takes. */
static progress step_fold(shard *s, lane *l, job *j)
{
    progress p = ANSWERED;
    const vql_cache *cache = NULL;
    if (!check_sequence(s, j))
        return ANSWERED;
    if (j->sequence >= LIMIT_REBUILD_CHUNK) {
        cache = find_large_cache(s, l, j, &p);
        if (!cache)
            return p;
    } else if (j->sequence > 0) {
        cache = find_small_cache(s, j->user_id);
        if (!cache) {
            (void)no_memory(j);
            return ANSWERED;
        }
    }
    return fold(s, l, j, cache) ? GOES_ON : ANSWERED;
}

/* Scores the next candidates. */
static progress step_score(shard *s, lane *l, job *j)
{
    if (l->phase != LANE_SCORING) {
        const progress p = step_fold(s, l, j);
        if (p != GOES_ON || l->phase != LANE_SCORING)
            return p;
    }
    const size_t left = j->item_count - j->scored;
    const size_t count = left < LIMIT_SCORE_CHUNK ? left : LIMIT_SCORE_CHUNK;
    const size_t tasks = vql_model_shape(s->models->model)->tasks;
    j->unknown_items += (uint32_t)vql_scorer_run(l->scorer, j->item_ids + j->scored, count,
                                                 j->scores + j->scored * tasks);
    j->scored += count;
    return j->scored == j->item_count ? ANSWERED : GOES_ON;
}

/* Works on the job in hand. */
static progress work(shard *s, lane *l, job *j)
{
    switch (j->operation) {
    case OPERATION_SCORE:
        return step_score(s, l, j);
    case OPERATION_APPEND:
        run_append(s, j);
        return ANSWERED;
    case OPERATION_GET:
        run_get(s, j);
        return ANSWERED;
    case OPERATION_DELETE:
        run_delete(s, j);
        return ANSWERED;
    }
    return ANSWERED;
}

/* The lane whose turn it is. NULL: none has a job. */
static lane *next_lane(shard *s)
{
    for (uint32_t i = 0; i < LANES; i++) {
        lane *l = &s->lanes[s->turn];
        s->turn = (s->turn + 1) % LANES;
        if (!lane_idle(l))
            return l;
    }
    return NULL;
}

/* Drops what is not waited for any more, wherever it stands in its queue. */
static void sweep(shard *s, uint64_t now_ns)
{
    s->sweep_ns = now_ns + (uint64_t)LIMIT_SWEEP_MS * NS_PER_MS;
    for (uint32_t i = 0; i < LANES; i++) {
        job **end = &s->dropped;
        while (*end)
            end = &(*end)->next_queued;
        *end = lane_sweep(&s->lanes[i], now_ns);
    }
}

static job *take_dropped(shard *s)
{
    job *j = s->dropped;
    if (j)
        s->dropped = j->next_queued;
    return j;
}

job *shard_take(shard *s)
{
    job *j = take_dropped(s);
    for (uint32_t i = 0; i < LANES && !j; i++) {
        (void)lane_current(&s->lanes[i], 0);
        j = lane_release(&s->lanes[i]);
    }
    return j;
}

/* A step of a lane's: the job in hand when it is answered, else NULL. */
static job *step_lane(shard *s, lane *l, uint64_t now_ns)
{
    job *j = lane_current(l, now_ns);
    if (lane_drops(l, j, now_ns))
        return lane_release(l);
    if (l->phase == LANE_FRESH)
        pushback_note(&l->pushback, false);
    switch (work(s, l, j)) {
    case GOES_ON:
        return NULL;
    case ANSWERED:
        shedder_served(&l->shedder, now_ns);
        residents_settle(s->residents);
        return lane_release(l);
    case MOVED:
        lane_push(&s->lanes[LANE_REBUILD], lane_release(l), now_ns);
        return NULL;
    }
    return NULL;
}

job *shard_step(shard *s, uint64_t now_ns)
{
    if (now_ns >= s->sweep_ns)
        sweep(s, now_ns);
    job *j = take_dropped(s);
    if (j)
        return j;
    lane *l = next_lane(s);
    return l ? step_lane(s, l, now_ns) : NULL;
}
