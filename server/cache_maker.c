#include "cache_maker.h"

#include <stdlib.h>

#include "limit.h"

bool cache_maker_init(cache_maker *m)
{
    m->read = calloc(LIMIT_REBUILD_CHUNK, sizeof *m->read);
    return m->read != NULL;
}

void cache_maker_drop(partial_cache *p)
{
    vql_cache_free(p->cache);
    p->cache = NULL;
}

void cache_maker_clear(cache_maker *m)
{
    cache_maker_drop(&m->partial);
    free(m->read);
    free(m->cache_events);
}

vql_cache *cache_maker_new(const cache_maker *m, uint64_t user_id, const vql_allocator *allocator)
{
    vql_cache *cache;
    const vql_cache_options options = {.format = m->format, .seed = user_id};
    const vql_code code = vql_cache_new_with(m->version->catalog, &options, allocator, &cache);
    return code == VQL_OK ? cache : NULL;
}

vql_cache *cache_maker_parse(const cache_maker *m, const uint8_t *bytes, size_t count)
{
    vql_cache *cache;
    if (vql_cache_parse(m->version->catalog, bytes, count, residents_allocator(m->residents),
                        &cache, NULL) != VQL_OK)
        return NULL;
    if (vql_cache_format_of(cache) == m->format)
        return cache;
    vql_cache_free(cache);
    return NULL;
}

bool cache_maker_append(cache_maker *m, vql_cache *cache, const event *events, size_t count)
{
    if (count > m->cache_event_capacity) {
        vql_cache_event *bigger = realloc(m->cache_events, count * sizeof *bigger);
        if (!bigger)
            return false;
        m->cache_events = bigger;
        m->cache_event_capacity = count;
    }
    for (size_t i = 0; i < count; i++)
        m->cache_events[i] = (vql_cache_event){
            .time_ms = events[i].time_ms,
            .row = vql_catalog_row(m->version->catalog, events[i].item_id),
            .event_type = events[i].type,
        };
    return vql_cache_append(cache, m->cache_events, count) == VQL_OK;
}

/* Appends the user's events from next_sequence on, at most a chunk. False: no memory. */
static bool append_next(cache_maker *m, vql_cache *cache, uint64_t user_id, uint64_t next_sequence,
                        size_t *count)
{
    return store_read(m->store, user_id, next_sequence, m->read, LIMIT_REBUILD_CHUNK, count) ==
               STORE_OK &&
           cache_maker_append(m, cache, m->read, *count);
}

/* The sequence number of the user's first event; a store in memory, which it is, knows it. */
static uint64_t first_of(const cache_maker *m, uint64_t user_id)
{
    history_info info;
    (void)store_info(m->store, user_id, &info);
    return info.first;
}

vql_cache *cache_maker_make(cache_maker *m, uint64_t user_id)
{
    size_t count;
    vql_cache *cache = cache_maker_new(m, user_id, residents_allocator(m->residents));
    if (!cache)
        return NULL;
    if (append_next(m, cache, user_id, first_of(m, user_id), &count) &&
        residents_put(m->residents, user_id, cache))
        return cache;
    vql_cache_free(cache);
    return NULL;
}

/* Makes the partial cache the user's. False: no memory. */
static bool begin(const cache_maker *m, partial_cache *p, uint64_t user_id)
{
    if (p->cache && p->user_id == user_id)
        return true;
    cache_maker_drop(p);
    *p = (partial_cache){
        .cache = cache_maker_new(m, user_id, residents_allocator(m->residents)),
        .user_id = user_id,
        .next_sequence = first_of(m, user_id),
    };
    return p->cache != NULL;
}

rebuild_result cache_maker_rebuild(cache_maker *m, partial_cache *p, uint64_t user_id)
{
    size_t count = 0;
    if (!begin(m, p, user_id) || !append_next(m, p->cache, user_id, p->next_sequence, &count)) {
        cache_maker_drop(p);
        return REBUILD_NO_MEMORY;
    }
    p->next_sequence += count;
    if (count == LIMIT_REBUILD_CHUNK)
        return REBUILD_GOES_ON;
    if (!residents_put(m->residents, user_id, p->cache)) {
        cache_maker_drop(p);
        return REBUILD_NO_MEMORY;
    }
    p->cache = NULL;
    return REBUILD_DONE;
}

void cache_maker_forget(partial_cache *p, uint64_t user_id)
{
    if (p->user_id == user_id)
        cache_maker_drop(p);
}
