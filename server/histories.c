#include "histories.h"

#include <stdlib.h>
#include <string.h>

#include "limit.h"

/* Caches for a version, which serves or not. NULL: no memory. */
static version_caches *add_caches(histories *h, version *v)
{
    const caches_options options = {
        .store = h->store,
        .clerk = h->clerk,
        .pool = &h->pool,
        .snapshots = &h->snapshots,
        .format = h->format,
        .news = h->news,
    };
    version_caches *c = version_caches_new(v, &options);
    if (c)
        LIST_INSERT_HEAD(&h->caches, c, link);
    return c;
}

/* NULL: there are none. */
static version_caches *find_caches(const histories *h, uint64_t number)
{
    version_caches *c;
    LIST_FOREACH(c, &h->caches, link)
    if (c->version->number == number)
        return c;
    return NULL;
}

/* Gives caches up that do not serve, when nobody has them. */
static void retire(histories *h, version_caches *c)
{
    if (c->serves || !version_caches_idle(c))
        return;
    LIST_REMOVE(c, link);
    LIST_INSERT_HEAD(&h->leaving, c, link);
}

bool histories_init(histories *h, model_set *set, store *s, clerk *c, const news *heard,
                    size_t budget_bytes, vql_cache_format format)
{
    *h = (histories){
        .store = s, .clerk = c, .news = heard, .snapshots = {.clerk = c}, .format = format};
    if (!cache_pool_init(&h->pool, budget_bytes))
        return false;
    histories_set_models(h, set);
    return true;
}

static void free_list(struct version_caches_list *list)
{
    while (!LIST_EMPTY(list)) {
        version_caches *c = LIST_FIRST(list);
        LIST_REMOVE(c, link);
        version_caches_free(c);
    }
}

void histories_clear(histories *h)
{
    free_list(&h->caches);
    free_list(&h->leaving);
    cache_pool_clear(&h->pool);
    model_set_release(h->set);
    clerk_free(h->clerk);
    if (h->store)
        store_close(h->store);
}

/* A version serves that may be new. */
static void adopt(histories *h, version *v)
{
    version_caches *c = find_caches(h, v->number);
    if (!c)
        c = add_caches(h, v);
    if (!c)
        return;
    if (c->version != v)
        version_caches_renew(c, v);
    if (c->known)
        return;
    c->known = true;
    const version *active = model_set_active(h->set);
    if (!version_is_ready(v))
        rebuild_begin(c, active == v ? NULL : find_caches(h, active->number));
}

/* Without memory for its caches a version gets them with its first job. */
void histories_set_models(histories *h, model_set *set)
{
    version_caches *c, *next;
    model_set *before = h->set;
    if (set == before)
        return;
    h->set = model_set_share(set);
    h->snapshots.models = h->set;
    model_set_release(before);
    for (size_t i = 0; i < set->count; i++)
        adopt(h, set->entries[i].version);
    for (c = LIST_FIRST(&h->caches); c; c = next) {
        next = LIST_NEXT(c, link);
        c->serves = model_set_numbered(set, c->version->number) != NULL;
        retire(h, c);
    }
}

bool histories_join(histories *h, job *j)
{
    version_caches *c = find_caches(h, j->version->number);
    if (!c)
        c = add_caches(h, j->version);
    if (!c)
        return false;
    c->serves = model_set_numbered(h->set, c->version->number) != NULL;
    c->jobs++;
    j->caches = c;
    return true;
}

void histories_leave(histories *h, job *j)
{
    version_caches *c = j->caches;
    if (!c)
        return;
    loads_leave(&c->loads, j);
    j->caches = NULL;
    c->jobs--;
    retire(h, c);
}

bool histories_fail(job *j, store_code code)
{
    const unsigned long long user_id = (unsigned long long)j->user_id;
    switch (code) {
    case STORE_OK:
        return true;
    case STORE_NO_MEMORY:
        grpc_fail(&j->error, GRPC_UNAVAILABLE, "user_id %llu: the server is out of memory",
                  user_id);
        j->error.reason = "NO_MEMORY";
        break;
    case STORE_CHANGED:
    case STORE_UNAVAILABLE:
        grpc_fail(&j->error, GRPC_UNAVAILABLE, "user_id %llu: the store is unavailable", user_id);
        j->error.reason = "STORE_UNAVAILABLE";
        break;
    case STORE_DAMAGED:
        grpc_fail(&j->error, GRPC_DATA_LOSS, "user_id %llu: the stored history is damaged",
                  user_id);
        j->error.reason = "HISTORY_DAMAGED";
        return false;
    }
    j->error.pushback_ms = LIMIT_PUSHBACK_MS;
    return false;
}

/* A version that may soon be asked for a user's scores: new users get a cache of it at once. */
static bool begins_users(const histories *h, const version_caches *c)
{
    const model_entry *entry = model_set_numbered(h->set, c->version->number);
    return entry &&
           (entry->weight > 0 || entry->version->number >= model_set_active(h->set)->number);
}

static void follow_append(histories *h, const job *j)
{
    version_caches *c;
    LIST_FOREACH(c, &h->caches, link)
    version_caches_appended(c, j->user_id, j->events, j->event_count, &j->history,
                            begins_users(h, c), j->news);
}

static void follow_delete(histories *h, uint64_t user_id)
{
    version_caches *c;
    LIST_FOREACH(c, &h->caches, link)
    version_caches_erased(c, user_id);
}

void histories_trimmed(histories *h, uint64_t user_id)
{
    version_caches *c;
    LIST_FOREACH(c, &h->caches, link)
    version_caches_trimmed(c, user_id);
}

/* What was to be written may be there or not: other servers are told, but not this one. */
static void doubt(histories *h, const job *j)
{
    version_caches *c;
    if (!h->news || (j->operation != OPERATION_APPEND && j->operation != OPERATION_DELETE))
        return;
    LIST_FOREACH(c, &h->caches, link)
    version_caches_doubt(c, j->user_id);
}

static void describe_cache(const histories *h, job *j)
{
    const version_caches *c = find_caches(h, j->version->number);
    const vql_cache *cache = c && j->sequence > 0 ? version_caches_peek(c, j->user_id) : NULL;
    memset(j->occupied, 0, sizeof j->occupied);
    if (!cache)
        return;
    j->cache_bytes = vql_cache_bytes(cache);
    for (uint32_t g = 0; g < vql_model_shape(j->version->model)->groups; g++)
        j->occupied[g] = vql_cache_occupied(cache, g);
}

void histories_finish(histories *h, job *j, store_code code)
{
    if (!histories_fail(j, code)) {
        doubt(h, j);
        return;
    }
    switch (j->operation) {
    case OPERATION_APPEND:
        j->sequence = j->history.sequence;
        j->appended = (uint32_t)j->event_count;
        j->duplicates -= j->appended; /* of all that it had */
        follow_append(h, j);
        break;
    case OPERATION_DELETE:
        follow_delete(h, j->user_id);
        break;
    case OPERATION_GET:
        describe_cache(h, j);
        break;
    case OPERATION_SCORE:
    case OPERATION_INSPECT:
    case OPERATION_UPSERT: /* never here */
    case OPERATION_LOAD:
        break;
    }
}

/* The load that an errand is of goes on, or is given up; its caches may be waiting for that. */
static job *step_load(histories *h, load_errand *done, job *(*step)(load_errand *))
{
    version_caches *c = ((load *)(void *)done)->of->context;
    job *jobs = step(done);
    retire(h, c);
    return jobs;
}

job *histories_loaded(histories *h, load_errand *done)
{
    return step_load(h, done, loads_step);
}

job *histories_abandon(histories *h, load_errand *done)
{
    return step_load(h, done, loads_abandon);
}

/* Caches that are being made. NULL: none. */
static version_caches *find_rebuild(const histories *h)
{
    version_caches *c;
    LIST_FOREACH(c, &h->caches, link)
    if (c->rebuild.running)
        return c;
    return NULL;
}

bool histories_has_background(const histories *h)
{
    return !LIST_EMPTY(&h->leaving) || find_rebuild(h);
}

/* Gives up some caches of a version that is gone. */
static void tidy(version_caches *c)
{
    if (residents_free_some(c->residents, LIMIT_TIDY_CACHES))
        return;
    LIST_REMOVE(c, link);
    version_caches_free(c);
}

void histories_work(histories *h)
{
    version_caches *c = LIST_FIRST(&h->leaving);
    if (c) {
        tidy(c);
        return;
    }
    c = find_rebuild(h);
    if (c)
        rebuild_step(c, find_caches(h, c->rebuild.from));
    cache_pool_settle(&h->pool);
}

void histories_gauge(const histories *h, shard_gauges *g)
{
    const version_caches *c;
    uint64_t users = 0;
    LIST_FOREACH(c, &h->caches, link)
    users += residents_count(c->residents);
    cell_set(&g->users, users);
    cell_set(&g->bytes, cache_pool_bytes(&h->pool));
    cell_set(&g->budget_bytes, h->pool.budget_bytes);
    cell_set(&g->evictions, h->pool.evictions);
    atomic_store_explicit(&g->store, h->clerk ? clerk_look(h->clerk) : NULL, memory_order_release);
}
