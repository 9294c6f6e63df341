#include "fold.h"

bool fold_with_events(store *truth, vql_scorer *scorer, job *j, const vql_cache *cache)
{
    cache_maker *maker = &j->caches->maker;
    if (!j->ids_checked &&
        store_drop_applied(truth, j->user_id, j->events, &j->event_count) != STORE_OK)
        return false;
    vql_cache *extended = NULL;
    if (!cache)
        extended = cache_maker_new(maker, j->user_id, NULL);
    else if (vql_cache_clone(cache, &extended) != VQL_OK)
        return false;
    if (!extended)
        return false;
    const bool appended = cache_maker_append(maker, extended, j->events, j->event_count);
    if (appended)
        vql_scorer_begin(scorer, extended, j->time_ms);
    vql_cache_free(extended);
    return appended;
}
