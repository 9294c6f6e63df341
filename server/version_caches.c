#include "version_caches.h"

#include <stdlib.h>

#include "limit.h"

static void on_evict(void *context, uint64_t user_id, const vql_cache *cache, cache_mark mark)
{
    version_caches *c = context;
    if (mark.sequence - mark.saved >= LIMIT_SNAPSHOT_EVENTS)
        snapshots_send(c->snapshots, c->version, user_id, cache, &mark);
}

version_caches *version_caches_new(version *v, const caches_options *options)
{
    version_caches *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->residents = residents_new(options->pool, id_hash(v->number));
    if (!c->residents)
        goto free_caches;
    c->maker = (cache_maker){
        .version = v,
        .store = options->store,
        .residents = c->residents,
        .format = options->format,
    };
    if (!cache_maker_init(&c->maker))
        goto free_residents;
    c->loads = (loads){
        .maker = &c->maker,
        .residents = c->residents,
        .clerk = options->clerk,
        .news = options->news,
        .context = c,
    };
    c->snapshots = options->snapshots;
    if (options->clerk)
        residents_on_evict(c->residents, on_evict, c);
    c->version = version_share(v);
    return c;
free_residents:
    residents_free(c->residents);
free_caches:
    free(c);
    return NULL;
}

void version_caches_free(version_caches *c)
{
    for (uint32_t i = 0; i < LANES; i++)
        vql_scorer_free(c->scorers[i]);
    loads_clear(&c->loads);
    cache_maker_drop(&c->rebuild.partial);
    cache_maker_clear(&c->maker);
    residents_free(c->residents);
    version_release(c->version);
    free(c);
}

void version_caches_renew(version_caches *c, version *next)
{
    version *before = c->version;
    c->version = version_share(next);
    c->maker.version = next;
    version_release(before);
}

bool version_caches_idle(const version_caches *c)
{
    return c->jobs == 0 && loads_idle(&c->loads);
}

vql_scorer *version_caches_scorer(version_caches *c, lane_kind kind, const vql_catalog *catalog)
{
    if (c->scored[kind] == catalog)
        return c->scorers[kind];
    vql_scorer *made;
    if (vql_scorer_new(catalog, NULL, &made) != VQL_OK)
        return NULL;
    vql_scorer_free(c->scorers[kind]);
    c->scorers[kind] = made;
    c->scored[kind] = catalog;
    return made;
}

const vql_cache *version_caches_peek(const version_caches *c, uint64_t user_id)
{
    const load *one = loads_find(&c->loads, user_id);
    return one ? one->cache : residents_peek(c->residents, user_id);
}

/* A new user's cache, while it costs nothing to make. NULL: no memory; a score will make it. */
static vql_cache *make_first(version_caches *c, uint64_t user_id, uint32_t heard)
{
    vql_cache *cache = cache_maker_new(&c->maker, user_id, residents_allocator(c->residents));
    if (cache && !residents_put(c->residents, user_id, cache)) {
        vql_cache_free(cache);
        return NULL;
    }
    if (cache)
        residents_mark(c->residents, user_id)->news = heard;
    return cache;
}

const vql_cache *version_caches_current(version_caches *c, const job *j)
{
    const news *heard = c->loads.news;
    vql_cache *cache = residents_get(c->residents, j->user_id);
    if (!cache || !heard)
        return cache;
    cache_mark mark = *residents_mark(c->residents, j->user_id);
    if (news_is_current(heard, j->user_id, mark.news) &&
        !(j->ids_checked && j->history.sequence != mark.sequence))
        return cache;
    cache = residents_take(c->residents, j->user_id, &mark);
    loads_resume(&c->loads, j->user_id, cache, &mark);
    return NULL;
}

void version_caches_doubt(version_caches *c, uint64_t user_id)
{
    load *one = loads_find(&c->loads, user_id);
    if (one)
        loads_doubt(&c->loads, one);
    else if (residents_peek(c->residents, user_id))
        residents_mark(c->residents, user_id)->news--;
}

void version_caches_appended(version_caches *c, uint64_t user_id, const event *events, size_t count,
                             const history_info *info, bool begins, uint32_t heard)
{
    const bool loaded = c->loads.clerk != NULL;
    load *one = loads_find(&c->loads, user_id);
    if (one) {
        loads_appended(&c->loads, one, events, count, info);
        return;
    }
    vql_cache *cache = residents_get(c->residents, user_id);
    if (!cache && begins && info->sequence == count)
        cache = make_first(c, user_id, heard);
    if (!cache || count == 0)
        return;
    cache_mark *mark = residents_mark(c->residents, user_id);
    if (mark->sequence >= info->sequence && loaded)
        return; /* it was loaded with them */
    if (c->loads.news && mark->sequence > 0 &&
        (mark->born != info->born || mark->sequence + count < info->sequence)) {
        mark->news--; /* others have written, before it */
        return;
    }
    if ((loaded && mark->sequence + count != info->sequence) ||
        !cache_maker_append(&c->maker, cache, events, count)) {
        residents_drop(c->residents, user_id);
        return;
    }
    residents_resized(c->residents, user_id);
    mark->born = info->born;
    mark->sequence = info->sequence;
    if (loaded && mark->sequence - mark->saved >= LIMIT_SNAPSHOT_GROWTH)
        snapshots_send(c->snapshots, c->version, user_id, cache, mark);
}

static void forget(version_caches *c, uint64_t user_id)
{
    residents_drop(c->residents, user_id);
    cache_maker_forget(&c->maker.partial, user_id);
    cache_maker_forget(&c->rebuild.partial, user_id);
}

void version_caches_erased(version_caches *c, uint64_t user_id)
{
    load *one = loads_find(&c->loads, user_id);
    if (one)
        loads_erased(one);
    forget(c, user_id);
}

void version_caches_trimmed(version_caches *c, uint64_t user_id)
{
    load *one = loads_find(&c->loads, user_id);
    if (one)
        loads_trimmed(&c->loads, one);
    forget(c, user_id);
}
