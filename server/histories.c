#include "histories.h"

#include <stdlib.h>
#include <string.h>

#include "limit.h"

/*
 * Sends a snapshot of a cache to the clerk. One that finds no memory, or too many before it, is not
 * made: a load will replay more events.
 */
static void save(histories *h, uint64_t user_id, const vql_cache *cache, cache_mark *mark)
{
    const size_t bytes = vql_cache_serialized_size(cache);
    if (h->saving_bytes + bytes > LIMIT_SNAPSHOT_BYTES)
        return;
    save_errand *e = calloc(1, sizeof *e);
    uint8_t *out = e ? malloc(bytes) : NULL;
    if (!out) {
        free(e);
        return;
    }
    vql_cache_serialize(cache, out);
    e->errand.kind = ERRAND_SAVE;
    e->user_id = user_id;
    e->snapshot = (store_snapshot){
        .born = mark->born, .sequence = mark->sequence, .bytes = out, .count = bytes};
    h->saving_bytes += bytes;
    mark->saved = mark->sequence;
    clerk_send(h->clerk, &e->errand);
}

void histories_saved(histories *h, save_errand *done)
{
    h->saving_bytes -= done->snapshot.count;
    free(done->snapshot.bytes);
    free(done);
}

static void on_evict(void *context, uint64_t user_id, const vql_cache *cache, cache_mark mark)
{
    if (mark.sequence - mark.saved >= LIMIT_SNAPSHOT_EVENTS)
        save(context, user_id, cache, &mark);
}

bool histories_init(histories *h, const registry *models, store *s, clerk *c, size_t budget_bytes,
                    vql_cache_format format)
{
    *h = (histories){.models = models, .store = s, .clerk = c};
    h->residents = residents_new(budget_bytes);
    if (!h->residents)
        return false;
    h->maker = (cache_maker){
        .models = models,
        .store = s,
        .residents = h->residents,
        .format = format,
    };
    if (!cache_maker_init(&h->maker)) {
        residents_free(h->residents);
        return false;
    }
    h->loads = (loads){.maker = &h->maker, .residents = h->residents, .clerk = c};
    if (c)
        residents_on_evict(h->residents, on_evict, h);
    return true;
}

void histories_clear(histories *h)
{
    loads_clear(&h->loads);
    cache_maker_clear(&h->maker);
    residents_free(h->residents);
    clerk_free(h->clerk);
    if (h->store)
        store_close(h->store);
}

const vql_cache *histories_peek(const histories *h, uint64_t user_id)
{
    const load *one = loads_find(&h->loads, user_id);
    return one ? one->cache : residents_peek(h->residents, user_id);
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

/* A new user's cache, while it costs nothing to make. NULL: no memory; a score will make it. */
static vql_cache *make_first(histories *h, uint64_t user_id)
{
    vql_cache *cache = cache_maker_new(&h->maker, user_id, residents_allocator(h->residents));
    if (cache && !residents_put(h->residents, user_id, cache)) {
        vql_cache_free(cache);
        return NULL;
    }
    return cache;
}

/*
 * A user whose cache was evicted is not given a new one: the store has the events, and a score will
 * make it. A cache that cannot take the events is dropped, and made again when it is needed.
 */
static void follow_append(histories *h, const job *j)
{
    const history_info *info = &j->history;
    load *one = loads_find(&h->loads, j->user_id);
    if (one) {
        loads_appended(&h->loads, one, j->events, j->event_count, info);
        return;
    }
    vql_cache *cache = residents_get(h->residents, j->user_id);
    if (!cache && info->sequence == j->event_count)
        cache = make_first(h, j->user_id);
    if (!cache || j->event_count == 0)
        return;
    cache_mark *mark = residents_mark(h->residents, j->user_id);
    if (mark->sequence >= info->sequence && h->clerk)
        return; /* it was loaded with them */
    if ((h->clerk && mark->sequence + j->event_count != info->sequence) ||
        !cache_maker_append(&h->maker, cache, j->events, j->event_count)) {
        residents_drop(h->residents, j->user_id);
        return;
    }
    residents_resized(h->residents, j->user_id);
    mark->born = info->born;
    mark->sequence = info->sequence;
    if (h->clerk && mark->sequence - mark->saved >= LIMIT_SNAPSHOT_GROWTH)
        save(h, j->user_id, cache, mark);
}

static void forget(histories *h, uint64_t user_id)
{
    residents_drop(h->residents, user_id);
    cache_maker_forget(&h->maker, user_id);
}

static void follow_delete(histories *h, uint64_t user_id)
{
    load *one = loads_find(&h->loads, user_id);
    if (one)
        loads_erased(one);
    forget(h, user_id);
}

void histories_trimmed(histories *h, uint64_t user_id)
{
    load *one = loads_find(&h->loads, user_id);
    if (one)
        loads_trimmed(&h->loads, one);
    forget(h, user_id);
}

static void describe_cache(const histories *h, job *j)
{
    const vql_cache *cache = j->sequence > 0 ? histories_peek(h, j->user_id) : NULL;
    memset(j->occupied, 0, sizeof j->occupied);
    if (!cache)
        return;
    j->cache_bytes = vql_cache_bytes(cache);
    for (uint32_t g = 0; g < vql_model_shape(h->models->model)->groups; g++)
        j->occupied[g] = vql_cache_occupied(cache, g);
}

void histories_finish(histories *h, job *j, store_code code)
{
    if (!histories_fail(j, code))
        return;
    switch (j->operation) {
    case OPERATION_APPEND:
        follow_append(h, j);
        break;
    case OPERATION_DELETE:
        follow_delete(h, j->user_id);
        break;
    case OPERATION_GET:
        describe_cache(h, j);
        break;
    case OPERATION_SCORE:
        break;
    }
}
