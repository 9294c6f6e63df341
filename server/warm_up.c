#include "warm_up.h"

#include <stdlib.h>

#include "vql/cache.h"
#include "vql/scorer.h"

/* What one request is tried with. */
typedef struct trial {
    const version *version;
    vql_scorer *scorer;
    float *scores; /* [LIMIT_WARM_UP_CANDIDATES, T] */
} trial;

/* A user whose history is the request's candidates. NULL: no memory. */
static vql_cache *make_cache(const version *v, const recent_request *request)
{
    vql_cache_event events[LIMIT_WARM_UP_CANDIDATES];
    const uint32_t types = vql_model_shape(v->model)->event_types;
    vql_cache *cache;
    if (vql_cache_new(v->catalog, NULL, &cache) != VQL_OK)
        return NULL;
    for (size_t i = 0; i < request->item_count; i++)
        events[i] = (vql_cache_event){
            .time_ms = request->time_ms,
            .row = vql_catalog_row(v->catalog, request->item_ids[i]),
            .event_type = (uint32_t)i % types,
        };
    if (vql_cache_append(cache, events, request->item_count) == VQL_OK)
        return cache;
    vql_cache_free(cache);
    return NULL;
}

static vql_code try(const trial *t, const recent_request *request, vql_error *error)
{
    const size_t tasks = vql_model_shape(t->version->model)->tasks;
    vql_cache *cache = make_cache(t->version, request);
    if (!cache)
        return vql_fail(error, VQL_NO_MEMORY, "no memory to try it");
    vql_scorer_begin(t->scorer, cache, request->time_ms);
    vql_cache_free(cache);
    (void)vql_scorer_run(t->scorer, request->item_ids, request->item_count, t->scores);
    for (size_t i = 0; i < request->item_count * tasks; i++)
        if (!(t->scores[i] >= 0 && t->scores[i] <= 1))
            return vql_fail(error, VQL_VALUE, "item %llu scores %g; a probability is in [0, 1]",
                            (unsigned long long)request->item_ids[i / tasks], (double)t->scores[i]);
    return VQL_OK;
}

vql_code warm_up(const version *v, recent *requests, vql_error *error)
{
    const size_t tasks = vql_model_shape(v->model)->tasks;
    trial t = {.version = v};
    vql_code code = VQL_NO_MEMORY;
    recent_request *all = calloc(LIMIT_WARM_UP_REQUESTS, sizeof *all);
    t.scores = calloc(LIMIT_WARM_UP_CANDIDATES * tasks, sizeof *t.scores);
    if (all && t.scores)
        code = vql_scorer_new(v->catalog, NULL, &t.scorer);
    if (code != VQL_OK)
        (void)vql_fail(error, code, "no memory to try it");
    const size_t count = code == VQL_OK ? recent_copy(requests, all) : 0;
    for (size_t i = 0; i < count && code == VQL_OK; i++)
        code = try(&t, &all[i], error);
    vql_scorer_free(t.scorer);
    free(t.scores);
    free(all);
    return code;
}
