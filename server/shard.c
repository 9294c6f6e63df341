#include "shard.h"

#include <stdlib.h>
#include <string.h>

#include "fold.h"
#include "histories.h"
#include "inspection.h"
#include "lane.h"
#include "limit.h"
#include "meters.h"
#include "vql/cache.h"
#include "vql/scorer.h"

enum { NS_PER_US = 1000, NS_PER_MS = 1000000 };

struct shard {
    histories histories;
    retention retention;
    retain_errand *unretained; /* without a clerk: the next step, if there is one */
    lane lanes[LANES];
    uint32_t turn;     /* the lane whose turn it is next */
    job *dropped;      /* by the last sweep, linked by next_queued */
    uint64_t sweep_ns; /* when the next one is due */
    pushback pushback; /* for those that find the shard full */
    size_t away;       /* jobs that the clerk has, or that wait for a load */
    uint64_t flush_ns; /* when what was sent to the clerk goes at the latest; 0: nothing was */
    meters *meters;
    bool clerk_turn; /* what the clerk has done goes before the lanes, every other time */
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
        if (!lane_init(&s->lanes[i], (lane_kind)i,
                       (uint64_t)options->shed_target_ms * NS_PER_MS * patience[i],
                       (uint64_t)options->shed_interval_ms * NS_PER_MS * patience[i])) {
            clear_lanes(s);
            return false;
        }
    for (uint32_t i = 0; i < LANES; i++)
        s->lanes[i].meters = options->meters;
    return true;
}

static shard *make(model_set *models, store *st, clerk *c, const shard_options *options)
{
    shard *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->retention.errand.rules = options->retention;
    s->meters = options->meters;
    if (init_lanes(s, options)) {
        if (histories_init(&s->histories, models, st, c, options->news, options->budget_bytes,
                           options->cache_format))
            return s;
        clear_lanes(s);
    }
    free(s);
    return NULL;
}

shard *shard_new(model_set *models, store *st, const shard_options *options)
{
    return make(models, st, NULL, options);
}

shard *shard_new_with_clerk(model_set *models, clerk *c, const shard_options *options)
{
    return make(models, NULL, c, options);
}

void shard_set_wake(shard *s, void (*wake)(void *context), void *context)
{
    if (s->histories.clerk)
        clerk_set_wake(s->histories.clerk, wake, context);
}

void shard_set_models(shard *s, model_set *models)
{
    histories_set_models(&s->histories, models);
}

void shard_free(shard *s)
{
    if (!s)
        return;
    (void)shard_take(s); /* which is none, and has the clerk end */
    histories_clear(&s->histories);
    clear_lanes(s);
    free(s);
}

/* How many jobs wait or are in hand, those that were dropped left out. */
static size_t count_jobs(const shard *s)
{
    size_t count = s->away;
    for (uint32_t i = 0; i < LANES; i++)
        count += lane_jobs(&s->lanes[i]);
    return count;
}

/* Whether the job is about its user's cache. */
static bool needs_cache(const job *j)
{
    return j->operation == OPERATION_SCORE || j->operation == OPERATION_INSPECT;
}

static bool no_memory(job *j)
{
    return histories_fail(j, STORE_NO_MEMORY);
}

bool shard_submit(shard *s, job *j, uint64_t now_ns)
{
    const bool full = count_jobs(s) >= LIMIT_SHARD_JOBS;
    pushback_note(&s->pushback, full);
    if (full) {
        meters_count(s->meters, METER_SHED_SHARD);
        grpc_fail(&j->error, GRPC_UNAVAILABLE, "the server is overloaded: %d requests wait",
                  LIMIT_SHARD_JOBS);
        j->error.reason = "OVERLOADED";
        j->error.pushback_ms = pushback_ms(&s->pushback);
        return false;
    }
    if (needs_cache(j) && !histories_join(&s->histories, j))
        return no_memory(j);
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
    const clerk *c = s->histories.clerk;
    return !s->dropped && count_jobs(s) == s->away &&
           !(c && (clerk_has_done(c) || clerk_unsent(c) > 0));
}

/* The cache of a user with few events, or none. NULL: no memory. */
static vql_cache *find_small_cache(job *j)
{
    version_caches *c = j->caches;
    vql_cache *cache = residents_get(c->residents, j->user_id);
    j->missed = !cache;
    return cache ? cache : cache_maker_make(&c->maker, j->user_id);
}

static void count_lookup(const shard *s, const job *j)
{
    const meter found = j->missed ? METER_CACHE_MISSES : METER_CACHE_HITS;
    meters_count(s->meters, j->sequence == 0 ? METER_CACHE_EMPTY : found);
}

/* Folds the cache, NULL for a user without events. False: the job's error says why not. */
static bool fold(shard *s, lane *l, job *j, const vql_cache *cache)
{
    if (j->operation == OPERATION_INSPECT)
        return inspection_take(j, cache) || no_memory(j);
    l->scorer = version_caches_scorer(j->caches, l->kind, j->version->catalog);
    if (!l->scorer)
        return no_memory(j);
    j->unknown_user = j->sequence == 0 && j->event_count == 0;
    if (j->event_count > 0 && !fold_with_events(s->histories.store, l->scorer, j, cache))
        return no_memory(j);
    if (j->event_count == 0)
        vql_scorer_begin(l->scorer, cache, j->time_ms);
    l->phase = LANE_SCORING;
    count_lookup(s, j);
    return true;
}

/* What a step has come to. */
typedef enum progress {
    GOES_ON,
    ANSWERED,
    MOVED, /* the job is for the rebuild lane */
    AWAY,  /* the clerk has it, or it waits for a load */
} progress;

/*
 * The cache of a user with many events, rebuilt step by step if it is missing, in the lane for
 * that. NULL: *p says how the job goes on.
 */
static vql_cache *find_large_cache(lane *l, job *j, progress *p)
{
    version_caches *c = j->caches;
    vql_cache *cache = residents_get(c->residents, j->user_id);
    if (cache)
        return cache;
    *p = MOVED;
    j->missed = true;
    if (l->kind != LANE_REBUILD)
        return NULL;
    l->phase = LANE_REBUILDING;
    switch (cache_maker_rebuild(&c->maker, &c->maker.partial, j->user_id)) {
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
    return residents_get(c->residents, j->user_id);
}

/* Comes as far as to have the user's cache folded, in as many steps as that takes. */
static progress step_fold(shard *s, lane *l, job *j)
{
    progress p = ANSWERED;
    const vql_cache *cache = NULL;
    history_info info;
    (void)store_info(s->histories.store, j->user_id, &info); /* in memory, it never fails */
    j->sequence = info.sequence;
    if (!job_has_history(j))
        return ANSWERED;
    if (j->sequence >= LIMIT_REBUILD_CHUNK) {
        cache = find_large_cache(l, j, &p);
        if (!cache)
            return p;
    } else if (j->sequence > 0) {
        cache = find_small_cache(j);
        if (!cache) {
            (void)no_memory(j);
            return ANSWERED;
        }
    }
    return fold(s, l, j, cache) ? GOES_ON : ANSWERED;
}

static progress send_away(shard *s, job *j)
{
    s->away++;
    j->errand.kind = ERRAND_JOB;
    j->news = news_number(s->histories.news, j->user_id);
    clerk_send(s->histories.clerk, &j->errand);
    return AWAY;
}

/* The same with a clerk: a cache that is missing is loaded, beside other users' jobs. */
static progress step_fold_loaded(shard *s, lane *l, job *j)
{
    version_caches *c = j->caches;
    bool ok = true;
    const vql_cache *cache = j->load ? NULL : version_caches_current(c, j);
    if (cache) {
        j->sequence = residents_mark(c->residents, j->user_id)->sequence;
    } else {
        j->missed = true;
        if (loads_wait(&c->loads, j, &ok)) {
            s->away++;
            return AWAY;
        }
        if (!histories_fail(j, ok ? j->load->code : STORE_NO_MEMORY))
            return ANSWERED;
        cache = j->load->cache;
        j->sequence = j->load->mark.sequence;
    }
    if (!job_has_history(j))
        return ANSWERED;
    if (job_has_unchecked_ids(j))
        return send_away(s, j);
    j->ids_checked = true;
    return fold(s, l, j, cache) ? GOES_ON : ANSWERED;
}

/* Has the cache folded, in the way of the store. */
static progress begin(shard *s, lane *l, job *j)
{
    return s->histories.clerk ? step_fold_loaded(s, l, j) : step_fold(s, l, j);
}

/* Scores the next candidates. */
static progress step_score(shard *s, lane *l, job *j)
{
    if (l->phase != LANE_SCORING) {
        const progress p = begin(s, l, j);
        if (p != GOES_ON || l->phase != LANE_SCORING)
            return p;
    }
    const size_t left = j->item_count - j->scored;
    const size_t count = left < LIMIT_SCORE_CHUNK ? left : LIMIT_SCORE_CHUNK;
    const size_t tasks = vql_model_shape(j->version->model)->tasks;
    j->unknown_items += (uint32_t)vql_scorer_run(l->scorer, j->item_ids + j->scored, count,
                                                 j->scores + j->scored * tasks);
    j->scored += count;
    return j->scored == j->item_count ? ANSWERED : GOES_ON;
}

/* The store did what a job asks for, or failed: the job is answered. */
static void finish_stored(shard *s, job *j)
{
    histories_finish(&s->histories, j, j->errand.code);
    if (j->operation == OPERATION_APPEND && j->errand.code == STORE_OK)
        retention_appended(&s->retention, j->user_id, &j->history);
}

/* Works on the job in hand. */
static progress work(shard *s, lane *l, job *j)
{
    if (j->operation == OPERATION_SCORE)
        return step_score(s, l, j);
    if (j->operation == OPERATION_INSPECT) {
        const progress p = begin(s, l, j);
        if (p != GOES_ON || !inspection_has_taken(j))
            return p;
    }
    if (s->histories.clerk)
        return send_away(s, j);
    errand_run(&j->errand, s->histories.store);
    finish_stored(s, j);
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

/* Puts jobs among those that are dropped. */
static void drop_all(shard *s, job *jobs)
{
    job **end = &s->dropped;
    while (*end)
        end = &(*end)->next_queued;
    *end = jobs;
    for (; jobs; jobs = jobs->next_queued)
        s->away--;
}

/* Has the clerk end, and drops what it had. */
static void recall(shard *s)
{
    histories *h = &s->histories;
    clerk_stop(h->clerk);
    for (errand *e = clerk_take(h->clerk); e; e = clerk_take(h->clerk)) {
        switch (e->kind) {
        case ERRAND_JOB:
            ((job *)(void *)e)->next_queued = NULL;
            drop_all(s, (job *)(void *)e);
            break;
        case ERRAND_LOAD:
            drop_all(s, histories_abandon(h, (load_errand *)(void *)e));
            break;
        case ERRAND_SAVE:
            snapshots_done(&h->snapshots, (save_errand *)(void *)e);
            break;
        case ERRAND_RETAIN:
            break;
        }
    }
}

job *shard_take(shard *s)
{
    if (s->histories.clerk)
        recall(s);
    job *j = take_dropped(s);
    for (uint32_t i = 0; i < LANES && !j; i++) {
        (void)lane_current(&s->lanes[i], 0);
        j = lane_release(&s->lanes[i]);
    }
    if (j)
        histories_leave(&s->histories, j);
    return j;
}

static void begin_job(const shard *s, lane *l, job *j, uint64_t now_ns)
{
    pushback_note(&l->pushback, false);
    j->started_ns = now_ns;
    if (s->meters)
        histogram_observe(&s->meters->queue_wait[l->kind], &histogram_seconds,
                          now_ns > j->arrived_ns ? now_ns - j->arrived_ns : 0);
}

/* A step of a lane's: the job in hand when it is answered, else NULL. */
static job *step_lane(shard *s, lane *l, uint64_t now_ns)
{
    job *j = lane_current(l, now_ns);
    if (lane_drops(l, j, now_ns))
        return lane_release(l);
    if (l->phase == LANE_FRESH)
        begin_job(s, l, j, now_ns);
    switch (work(s, l, j)) {
    case GOES_ON:
        return NULL;
    case ANSWERED:
        shedder_served(&l->shedder, now_ns);
        cache_pool_settle(&s->histories.pool);
        return lane_release(l);
    case MOVED:
        lane_push(&s->lanes[LANE_REBUILD], lane_release(l), now_ns);
        return NULL;
    case AWAY:
        shedder_served(&l->shedder, now_ns);
        (void)lane_release(l);
        return NULL;
    }
    return NULL;
}

/* Jobs that were away go on. They waited for the disk: only from now on for this thread. */
static void take_back(shard *s, job *jobs, uint64_t now_ns)
{
    while (jobs) {
        job *j = jobs;
        jobs = j->next_queued;
        s->away--;
        j->arrived_ns = now_ns;
        lane_push(&s->lanes[lane_of(j)], j, now_ns);
    }
}

/* The clerk has done what a job asked for. NULL: the job is to be worked on. */
static job *finish_job(shard *s, job *j, uint64_t now_ns)
{
    if (j->operation == OPERATION_SCORE && j->errand.code == STORE_OK) {
        j->next_queued = NULL;
        take_back(s, j, now_ns);
        return NULL;
    }
    s->away--;
    finish_stored(s, j);
    cache_pool_settle(&s->histories.pool);
    return j;
}

/* A step of retention is done. Returns the next one; NULL: there is none at once. */
static retain_errand *next_retained(shard *s)
{
    bool trimmed;
    const uint64_t user_id = s->retention.errand.user_id;
    retain_errand *next = retention_next(&s->retention, &trimmed);
    if (trimmed)
        histories_trimmed(&s->histories, user_id);
    return next;
}

/* Has a step of retention run, if there is one: by the clerk, or with those after it at once. */
static void retain(shard *s, retain_errand *next)
{
    const histories *h = &s->histories;
    if (h->clerk && next)
        clerk_send(h->clerk, &next->errand);
    for (int i = 0; !h->clerk && next && i < LIMIT_RETAIN_STEPS; i++) {
        errand_run(&next->errand, h->store);
        next = next_retained(s);
    }
    s->unretained = h->clerk ? NULL : next;
}

bool shard_retains(const shard *s)
{
    return retention_is_on(&s->retention);
}

void shard_retain(shard *s, int64_t wall_ms)
{
    retain(s, s->unretained ? s->unretained : retention_begin(&s->retention, wall_ms));
}

bool shard_has_background(const shard *s)
{
    return histories_has_background(&s->histories);
}

void shard_work(shard *s)
{
    histories_work(&s->histories);
}

/* Takes something that the clerk has done: a job when it is answered, else NULL. */
static job *step_clerk(shard *s, uint64_t now_ns)
{
    histories *h = &s->histories;
    errand *e = clerk_take(h->clerk);
    switch (e->kind) {
    case ERRAND_JOB:
        return finish_job(s, (job *)(void *)e, now_ns);
    case ERRAND_LOAD:
        take_back(s, histories_loaded(h, (load_errand *)(void *)e), now_ns);
        return NULL;
    case ERRAND_SAVE:
        snapshots_done(&h->snapshots, (save_errand *)(void *)e);
        return NULL;
    case ERRAND_RETAIN:
        retain(s, next_retained(s));
        return NULL;
    }
    return NULL;
}

/*
 * What the lanes sent the clerk goes when they have nothing more, or after a while: errands that go
 * together share a commit.
 */
static void flush_clerk(shard *s, bool idle, uint64_t now_ns)
{
    clerk *c = s->histories.clerk;
    if (!c || clerk_unsent(c) == 0)
        return;
    if (s->flush_ns == 0)
        s->flush_ns = now_ns + (uint64_t)LIMIT_FLUSH_US * NS_PER_US;
    if (!idle && now_ns < s->flush_ns)
        return;
    clerk_flush(c);
    s->flush_ns = 0;
}

/* A step of the clerk's or of a lane's. */
static job *step(shard *s, uint64_t now_ns)
{
    clerk *c = s->histories.clerk;
    const bool done = c && clerk_has_done(c);
    s->clerk_turn = done && !s->clerk_turn;
    if (s->clerk_turn)
        return step_clerk(s, now_ns);
    lane *l = next_lane(s);
    flush_clerk(s, !l, now_ns);
    if (l)
        return step_lane(s, l, now_ns);
    return done ? step_clerk(s, now_ns) : NULL;
}

job *shard_step(shard *s, uint64_t now_ns)
{
    if (now_ns >= s->sweep_ns)
        sweep(s, now_ns);
    job *j = take_dropped(s);
    if (!j)
        j = step(s, now_ns);
    if (j)
        histories_leave(&s->histories, j);
    return j;
}

void shard_gauge(const shard *s)
{
    shard_gauges *g = &s->meters->shard;
    histories_gauge(&s->histories, g);
    for (uint32_t i = 0; i < LANES; i++)
        cell_set(&g->queued[i], lane_jobs(&s->lanes[i]));
    cell_set(&g->away, s->away);
}
