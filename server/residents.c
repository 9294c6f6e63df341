#include "residents.h"

#include <stdlib.h>

#include "arena.h"
#include "eviction.h"
#include "id_map.h"

typedef struct resident {
    eviction_entry entry; /* first, so that it is the resident too */
    vql_cache *cache;
    cache_mark mark;
} resident;

struct residents {
    arena *arena;
    size_t budget_bytes;
    id_map users; /* -> resident */
    eviction eviction;
    uint64_t evictions;
    evicted *tell; /* NULL: nobody */
    void *context;
};

residents *residents_new(size_t budget_bytes)
{
    residents *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->arena = arena_new();
    if (!r->arena) {
        free(r);
        return NULL;
    }
    r->budget_bytes = budget_bytes;
    eviction_init(&r->eviction);
    return r;
}

void residents_on_evict(residents *r, evicted *tell, void *context)
{
    r->tell = tell;
    r->context = context;
}

static void resident_free(residents *r, resident *one)
{
    const vql_allocator *allocator = arena_allocator(r->arena);
    vql_cache_free(one->cache);
    allocator->release(allocator->context, one);
}

void residents_free(residents *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->users.capacity; i++)
        if (r->users.slots[i].value)
            resident_free(r, r->users.slots[i].value);
    id_map_clear(&r->users);
    eviction_clear(&r->eviction);
    arena_free(r->arena);
    free(r);
}

const vql_allocator *residents_allocator(residents *r)
{
    return arena_allocator(r->arena);
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

bool residents_put(residents *r, uint64_t user_id, vql_cache *cache)
{
    const vql_allocator *allocator = arena_allocator(r->arena);
    if (!id_map_reserve(&r->users, 1))
        return false;
    resident *one = allocator->allocate(allocator->context, sizeof *one);
    if (!one)
        return false;
    one->cache = cache;
    one->mark = (cache_mark){0};
    eviction_add(&r->eviction, &one->entry, user_id, resident_bytes(one));
    id_map_put(&r->users, user_id, one);
    return true;
}

void residents_drop(residents *r, uint64_t user_id)
{
    resident *one = id_map_remove(&r->users, user_id);
    if (!one)
        return;
    eviction_remove(&r->eviction, &one->entry);
    resident_free(r, one);
}

void residents_resized(residents *r, uint64_t user_id)
{
    resident *one = id_map_get(&r->users, user_id);
    if (!one)
        return;
    eviction_resize(&r->eviction, &one->entry, resident_bytes(one));
}

/* The caches, the table that they are found by, and what is known of those that left. */
static size_t bytes_of(const residents *r)
{
    return arena_bytes(r->arena) + id_map_bytes(&r->users) + eviction_own_bytes(&r->eviction);
}

void residents_settle(residents *r)
{
    while (r->budget_bytes != 0 && bytes_of(r) > r->budget_bytes) {
        resident *victim = (resident *)(void *)eviction_evict(&r->eviction);
        if (!victim)
            return;
        (void)id_map_remove(&r->users, victim->entry.id);
        if (r->tell)
            r->tell(r->context, victim->entry.id, victim->cache, victim->mark);
        resident_free(r, victim);
        r->evictions++;
    }
}

residents_counts residents_count(residents *r)
{
    return (residents_counts){
        .users = r->users.count,
        .bytes = bytes_of(r),
        .evictions = r->evictions,
    };
}
