#include <stdlib.h>
#include <string.h>

#include "id_map.h"
#include "store.h"

/* One user's log: event i has the sequence number gone + i + 1. */
typedef struct history {
    event *events;
    size_t count, capacity;
    uint64_t gone;           /* events that have left the log */
    uint64_t first, cleared; /* as in history_info */
    uint64_t born;
    int64_t first_time_ms, last_time_ms;
    id_map applied; /* the ids of events that have one; the values mean nothing */
} history;

typedef struct memory_store {
    store base;
    id_map users; /* -> history */
    uint64_t births;
} memory_store;

static void history_free(history *h)
{
    id_map_clear(&h->applied);
    free(h->events);
    free(h);
}

/* The user's history, made if need be; NULL: no memory. */
static history *find_or_make(memory_store *m, uint64_t user_id)
{
    history *h = id_map_get(&m->users, user_id);
    if (h)
        return h;
    if (!id_map_reserve(&m->users, 1))
        return NULL;
    h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    h->first = h->cleared = 1;
    h->born = ++m->births;
    id_map_put(&m->users, user_id, h);
    return h;
}

/* Room for `extra` more events. Histories grow by half: they are many, and most are short. */
static bool reserve(history *h, size_t extra)
{
    if (extra > SIZE_MAX / sizeof *h->events / 2 - h->count)
        return false;
    if (h->count + extra <= h->capacity)
        return true;
    size_t capacity = h->capacity + h->capacity / 2;
    if (capacity < h->count + extra)
        capacity = h->count + extra;
    event *events = realloc(h->events, capacity * sizeof *events);
    if (!events)
        return false;
    h->events = events;
    h->capacity = capacity;
    return true;
}

static size_t count_ids(const event *events, size_t count)
{
    size_t ids = 0;
    for (size_t i = 0; i < count; i++)
        ids += events[i].id != 0;
    return ids;
}

static uint64_t last_of(const history *h)
{
    return h->gone + h->count;
}

static void push(history *h, const event *e)
{
    const bool only = h->first > last_of(h);
    if (only || e->time_ms < h->first_time_ms)
        h->first_time_ms = e->time_ms;
    if (only || e->time_ms > h->last_time_ms)
        h->last_time_ms = e->time_ms;
    h->events[h->count++] = *e;
}

/*
 * Takes out events whose id is in `applied`, or came before in the array; `seen` has room for the
 * ids. The two may be one map.
 */
static size_t drop_repeated(const id_map *applied, id_map *seen, event *events, size_t count)
{
    size_t fresh = 0;
    for (size_t i = 0; i < count; i++) {
        const uint64_t id = events[i].id;
        if (id != 0) {
            if (id_map_get(applied, id) || id_map_get(seen, id))
                continue;
            id_map_put(seen, id, seen);
        }
        events[fresh++] = events[i];
    }
    return fresh;
}

static store_code memory_drop_applied(store *s, uint64_t user_id, event *events, size_t *count)
{
    const history *h = id_map_get(&((memory_store *)s)->users, user_id);
    const id_map none = {0};
    id_map seen = {0};
    const size_t ids = count_ids(events, *count);
    if (ids == 0)
        return STORE_OK;
    if (!id_map_reserve(&seen, ids))
        return STORE_NO_MEMORY;
    *count = drop_repeated(h ? &h->applied : &none, &seen, events, *count);
    id_map_clear(&seen);
    return STORE_OK;
}

static store_code memory_info(store *s, uint64_t user_id, history_info *info)
{
    const history *h = id_map_get(&((memory_store *)s)->users, user_id);
    *info = (history_info){0};
    if (h)
        *info = (history_info){
            .sequence = last_of(h),
            .first = h->first,
            .cleared = h->cleared,
            .born = h->born,
            .first_time_ms = h->first_time_ms,
            .last_time_ms = h->last_time_ms,
            .bytes = sizeof *h + h->capacity * sizeof *h->events + id_map_bytes(&h->applied),
        };
    return STORE_OK;
}

static store_code memory_append(store *s, uint64_t user_id, event *events, size_t *count,
                                history_info *info, store_code *later)
{
    *later = STORE_OK;
    memory_store *m = (memory_store *)s;
    history *h = find_or_make(m, user_id);
    if (!h || !reserve(h, *count))
        return STORE_NO_MEMORY;
    const size_t ids = count_ids(events, *count);
    if (ids > 0 && !id_map_reserve(&h->applied, ids))
        return STORE_NO_MEMORY;
    *count = drop_repeated(&h->applied, &h->applied, events, *count);
    for (size_t i = 0; i < *count; i++)
        push(h, &events[i]);
    return memory_info(s, user_id, info);
}

static store_code memory_read(store *s, uint64_t user_id, uint64_t first_sequence, event *out,
                              size_t max, size_t *count)
{
    const history *h = id_map_get(&((memory_store *)s)->users, user_id);
    *count = 0;
    if (!h || first_sequence < h->first || first_sequence > last_of(h))
        return STORE_OK;
    const size_t first = (size_t)(first_sequence - 1 - h->gone);
    *count = h->count - first < max ? h->count - first : max;
    if (*count > 0)
        memcpy(out, h->events + first, *count * sizeof *out);
    return STORE_OK;
}

static store_code memory_erase(store *s, uint64_t user_id, uint64_t *erased)
{
    history *h = id_map_remove(&((memory_store *)s)->users, user_id);
    *erased = 0;
    if (!h)
        return STORE_OK;
    *erased = last_of(h) - h->first + 1;
    history_free(h);
    return STORE_OK;
}

static store_code memory_trim(store *s, uint64_t user_id, const history_info *left)
{
    memory_store *m = (memory_store *)s;
    history *h = id_map_get(&m->users, user_id);
    h->first = left->first;
    h->first_time_ms = left->first_time_ms;
    h->last_time_ms = left->last_time_ms;
    h->born = ++m->births;
    return STORE_OK;
}

/* Events have left when their ids have; memory is given back when most of it is free. */
static store_code memory_purge(store *s, uint64_t user_id, size_t max, bool *more)
{
    history *h = id_map_get(&((memory_store *)s)->users, user_id);
    *more = false;
    if (!h)
        return STORE_OK;
    for (size_t i = 0; i < max && h->cleared < h->first; i++, h->cleared++) {
        const uint64_t id = h->events[h->cleared - 1 - h->gone].id;
        if (id != 0)
            (void)id_map_remove(&h->applied, id);
    }
    *more = h->cleared < h->first;
    if (*more)
        return STORE_OK;
    const size_t leaving = (size_t)(h->cleared - 1 - h->gone);
    h->count -= leaving;
    h->gone += leaving;
    memmove(h->events, h->events + leaving, h->count * sizeof *h->events);
    event *fewer = h->count > 0 && h->count < h->capacity / 2
                       ? realloc(h->events, h->count * sizeof *fewer)
                       : NULL;
    if (fewer) {
        h->events = fewer;
        h->capacity = h->count;
    }
    return STORE_OK;
}

/* The cursor is a place in the table. */
static store_code memory_users(store *s, uint64_t *cursor, uint64_t *out, size_t max, size_t *count)
{
    const id_map *users = &((memory_store *)s)->users;
    for (*count = 0; *cursor < users->capacity && *count < max; (*cursor)++)
        if (users->slots[*cursor].value)
            out[(*count)++] = users->slots[*cursor].id;
    return STORE_OK;
}

static store_code memory_commit(store *s)
{
    (void)s;
    return STORE_OK;
}

/* Nothing changes while the thread that reads does not change it. */
static void memory_pin(store *s)
{
    (void)s;
}

/* Replaying events that are in memory is as fast as keeping a second form of them there. */
static store_code memory_save(store *s, uint64_t user_id, const store_snapshot *snapshot,
                              const snapshot_keep *keep)
{
    (void)s, (void)user_id, (void)snapshot, (void)keep;
    return STORE_OK;
}

static store_code memory_load(store *s, uint64_t user_id, uint64_t model, store_snapshot *out)
{
    (void)s, (void)user_id, (void)model;
    *out = (store_snapshot){0};
    return STORE_OK;
}

static void memory_close(store *s)
{
    memory_store *m = (memory_store *)s;
    for (size_t i = 0; i < m->users.capacity; i++)
        if (m->users.slots[i].value)
            history_free(m->users.slots[i].value);
    id_map_clear(&m->users);
    free(m);
}

static const store_operations memory_operations = {
    .append = memory_append,
    .save = memory_save,
    .erase = memory_erase,
    .commit = memory_commit,
    .pin = memory_pin,
    .unpin = memory_pin,
    .drop_applied = memory_drop_applied,
    .info = memory_info,
    .read = memory_read,
    .load = memory_load,
    .users = memory_users,
    .trim = memory_trim,
    .purge = memory_purge,
    .close = memory_close,
};

store *store_memory_open(void)
{
    memory_store *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->base = (store){.operations = &memory_operations, .durability = DURABILITY_MEMORY};
    return &m->base;
}
