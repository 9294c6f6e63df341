#include "residents.h"

#include <stdlib.h>

#include "id_map.h"

typedef struct resident {
    eviction_entry entry; /* first, so that it is the resident too */
    residents *owner;
    vql_cache *cache;
    cache_mark mark;
} resident;

struct residents {
    cache_pool *pool;
    uint64_t salt;
    id_map users;  /* -> resident */
    size_t bytes;  /* of the caches */
    size_t sweep;  /* the slot that residents_free_some goes on at */
    evicted *tell; /* NULL: nobody */
    void *context;
};

residents *residents_new(cache_pool *pool, uint64_t salt)
{
    residents *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->pool = pool;
    r->salt = salt;
    return r;
}

void residents_on_evict(residents *r, evicted *tell, void *context)
{
    r->tell = tell;
    r->context = context;
}

static void resident_free(resident *one)
{
    const vql_allocator *allocator = arena_allocator(one->owner->pool->arena);
    one->owner->bytes -= one->entry.bytes;
    vql_cache_free(one->cache);
    allocator->release(allocator->context, one);
}

/* Frees a resident that is not in the table any more. */
static void discard(resident *one)
{
    eviction_remove(&one->owner->pool->eviction, &one->entry);
    resident_free(one);
}

bool residents_free_some(residents *r, size_t most)
{
    while (r->sweep < r->users.capacity && most > 0) {
        const id_map_slot slot = r->users.slots[r->sweep];
        if (!slot.value) {
            r->sweep++;
            continue;
        }
        (void)id_map_remove(&r->users, slot.id); /* which may put the next one into this slot */
        discard(slot.value);
        most--;
    }
    return r->users.count > 0;
}

void residents_free(residents *r)
{
    if (!r)
        return;
    (void)residents_free_some(r, SIZE_MAX);
    r->pool->table_bytes -= id_map_bytes(&r->users);
    id_map_clear(&r->users);
    free(r);
}

const vql_allocator *residents_allocator(residents *r)
{
    return arena_allocator(r->pool->arena);
}

vql_cache *residents_get(residents *r, uint64_t user_id)
{
    resident *one = id_map_get(&r->users, user_id);
    if (!one)
        return NULL;
    eviction_use(&one->entry);
    return one->cache;
}

const vql_cache *residents_peek(const residents *r, uint64_t user_id)
{
    const resident *one = id_map_get(&r->users, user_id);
    return one ? one->cache : NULL;
}

cache_mark *residents_mark(residents *r, uint64_t user_id)
{
    resident *one = id_map_get(&r->users, user_id);
    return &one->mark;
}

static size_t resident_bytes(const resident *one)
{
    return sizeof *one + vql_cache_bytes(one->cache);
}

/* Room in the table for one more. False: no memory. */
static bool reserve(residents *r)
{
    const size_t before = id_map_bytes(&r->users);
    const bool ok = id_map_reserve(&r->users, 1);
    r->pool->table_bytes += id_map_bytes(&r->users) - before;
    return ok;
}

bool residents_put(residents *r, uint64_t user_id, vql_cache *cache)
{
    const vql_allocator *allocator = residents_allocator(r);
    if (!reserve(r))
        return false;
    resident *one = allocator->allocate(allocator->context, sizeof *one);
    if (!one)
        return false;
    *one = (resident){.owner = r, .cache = cache};
    eviction_add(&r->pool->eviction, &one->entry, user_id ^ r->salt, resident_bytes(one));
    id_map_put(&r->users, user_id, one);
    r->bytes += one->entry.bytes;
    return true;
}

vql_cache *residents_take(residents *r, uint64_t user_id, cache_mark *mark)
{
    resident *one = id_map_remove(&r->users, user_id);
    if (!one)
        return NULL;
    vql_cache *cache = one->cache;
    *mark = one->mark;
    one->cache = NULL;
    discard(one);
    return cache;
}

void residents_drop(residents *r, uint64_t user_id)
{
    resident *one = id_map_remove(&r->users, user_id);
    if (one)
        discard(one);
}

void residents_resized(residents *r, uint64_t user_id)
{
    resident *one = id_map_get(&r->users, user_id);
    if (!one)
        return;
    r->bytes -= one->entry.bytes;
    eviction_resize(&r->pool->eviction, &one->entry, resident_bytes(one));
    r->bytes += one->entry.bytes;
}

bool residents_next(const residents *r, residents_cursor *at, size_t *slots, uint64_t *user_id,
                    uint8_t *heat)
{
    if (at->capacity != r->users.capacity)
        *at = (residents_cursor){.capacity = r->users.capacity};
    for (; at->slot<at->capacity && * slots> 0; (*slots)--) {
        const id_map_slot *slot = &r->users.slots[at->slot++];
        if (!slot->value)
            continue;
        const resident *one = slot->value;
        *user_id = slot->id;
        *heat = eviction_heat(&one->entry);
        return true;
    }
    return false;
}

void residents_warm(residents *r, uint64_t user_id, uint8_t heat)
{
    resident *one = id_map_get(&r->users, user_id);
    if (one)
        eviction_warm(&r->pool->eviction, &one->entry, heat);
}

size_t residents_bytes(const residents *r)
{
    return r->bytes;
}

size_t residents_budget(const residents *r)
{
    return r->pool->budget_bytes;
}

size_t residents_count(const residents *r)
{
    return r->users.count;
}

void residents_evicted(eviction_entry *entry)
{
    resident *one = (resident *)(void *)entry;
    residents *r = one->owner;
    const uint64_t user_id = entry->id ^ r->salt;
    (void)id_map_remove(&r->users, user_id);
    if (r->tell)
        r->tell(r->context, user_id, one->cache, one->mark);
    resident_free(one);
}
