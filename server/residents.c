#include "residents.h"

#include <stdlib.h>

#include "arena.h"
#include "eviction.h"
#include "id_map.h"

/* The caches may change by 1 / LOOK_SHARE of the budget before the arena is asked again. */
enum { LOOK_SHARE = 64 };

typedef struct resident {
    eviction_entry entry; /* first, so that it is the resident too */
    vql_cache *cache;
} resident;

struct residents {
    arena *arena;
    size_t budget_bytes;
    id_map users; /* -> resident */
    eviction eviction;
    uint64_t evictions;

    /* The arena's bytes when it was last asked, and what the caches said they take then. */
    size_t measured_bytes, told_bytes;
    size_t churn_bytes; /* by how much sizes have changed since, up and down */
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
    eviction_add(&r->eviction, &one->entry, user_id, resident_bytes(one));
    r->churn_bytes += one->entry.bytes;
    id_map_put(&r->users, user_id, one);
    return true;
}

void residents_drop(residents *r, uint64_t user_id)
{
    resident *one = id_map_remove(&r->users, user_id);
    if (!one)
        return;
    r->churn_bytes += one->entry.bytes;
    eviction_remove(&r->eviction, &one->entry);
    resident_free(r, one);
}

void residents_resized(residents *r, uint64_t user_id)
{
    resident *one = id_map_get(&r->users, user_id);
    if (!one)
        return;
    const size_t bytes = resident_bytes(one);
    const size_t before = one->entry.bytes;
    r->churn_bytes += bytes > before ? bytes - before : before - bytes;
    eviction_resize(&r->eviction, &one->entry, bytes);
}

static void measure(residents *r)
{
    r->measured_bytes = arena_bytes(r->arena);
    r->told_bytes = eviction_bytes(&r->eviction);
    r->churn_bytes = 0;
}

/* What the arena takes now, as far as the caches tell what has changed since it was measured. */
static size_t estimate(const residents *r)
{
    const size_t told = eviction_bytes(&r->eviction);
    if (told >= r->told_bytes)
        return r->measured_bytes + (told - r->told_bytes);
    const size_t less = r->told_bytes - told;
    return r->measured_bytes > less ? r->measured_bytes - less : 0;
}

void residents_settle(residents *r)
{
    if (r->budget_bytes == 0)
        return;
    if (estimate(r) > r->budget_bytes || r->churn_bytes > r->budget_bytes / LOOK_SHARE)
        measure(r);
    while (estimate(r) > r->budget_bytes) {
        resident *victim = (resident *)(void *)eviction_evict(&r->eviction);
        if (!victim)
            return;
        r->churn_bytes += victim->entry.bytes;
        (void)id_map_remove(&r->users, victim->entry.id);
        resident_free(r, victim);
        r->evictions++;
    }
}

residents_counts residents_count(residents *r)
{
    return (residents_counts){
        .users = r->users.count,
        .bytes = arena_bytes(r->arena),
        .evictions = r->evictions,
    };
}
