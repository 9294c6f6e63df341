#include "cache_pool.h"

#include "residents.h"

bool cache_pool_init(cache_pool *p, size_t budget_bytes)
{
    *p = (cache_pool){.arena = arena_new(), .budget_bytes = budget_bytes};
    eviction_init(&p->eviction);
    return p->arena != NULL;
}

void cache_pool_clear(cache_pool *p)
{
    eviction_clear(&p->eviction);
    arena_free(p->arena);
    *p = (cache_pool){0};
}

size_t cache_pool_bytes(const cache_pool *p)
{
    return arena_bytes(p->arena) + p->table_bytes + eviction_own_bytes(&p->eviction);
}

void cache_pool_settle(cache_pool *p)
{
    while (p->budget_bytes != 0 && cache_pool_bytes(p) > p->budget_bytes) {
        eviction_entry *victim = eviction_evict(&p->eviction);
        if (!victim)
            return;
        residents_evicted(victim);
        p->evictions++;
    }
}
