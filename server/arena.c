#include "arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef VQL_JEMALLOC

#include <jemalloc/jemalloc.h>

struct arena {
    vql_allocator allocator;
    unsigned index; /* jemalloc's number of the arena, and of the cache of small blocks before it */
    unsigned cache;
    int flags;
    size_t small_mib[5], large_mib[5]; /* stats.arenas.<index>.{small,large}.allocated */
};

static void *allocate(void *context, size_t bytes)
{
    const arena *a = context;
    return mallocx(bytes > 0 ? bytes : 1, a->flags);
}

static void *reallocate(void *context, void *block, size_t bytes)
{
    const arena *a = context;
    if (!block)
        return allocate(context, bytes);
    return rallocx(block, bytes > 0 ? bytes : 1, a->flags);
}

static void release(void *context, void *block)
{
    const arena *a = context;
    if (block)
        dallocx(block, a->flags);
}

static int number_of(const char *name, unsigned *number)
{
    size_t size = sizeof *number;
    return mallctl(name, number, &size, NULL, 0);
}

/* Brings jemalloc's statistics up to date; those of a new arena do not exist before. */
static void refresh_statistics(void)
{
    uint64_t epoch = 1;
    (void)mallctl("epoch", NULL, NULL, &epoch, sizeof epoch);
}

/* Looks a statistic of the arena up once, so that reading it is cheap. */
static int find_statistic(const arena *a, const char *name, size_t mib[5])
{
    char path[64];
    size_t length = 5;
    (void)snprintf(path, sizeof path, "stats.arenas.%u.%s.allocated", a->index, name);
    return mallctlnametomib(path, mib, &length);
}

arena *arena_new(void)
{
    arena *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    if (number_of("arenas.create", &a->index) != 0)
        goto free_arena;
    if (number_of("tcache.create", &a->cache) != 0)
        goto destroy_arena;
    a->flags = MALLOCX_ARENA(a->index) | MALLOCX_TCACHE(a->cache);
    a->allocator = (vql_allocator){allocate, reallocate, release, a};
    refresh_statistics();
    if (find_statistic(a, "small", a->small_mib) == 0 &&
        find_statistic(a, "large", a->large_mib) == 0)
        return a;
    (void)mallctl("tcache.destroy", NULL, NULL, &a->cache, sizeof a->cache);
destroy_arena:;
    char path[32];
    (void)snprintf(path, sizeof path, "arena.%u.destroy", a->index);
    (void)mallctl(path, NULL, NULL, NULL, 0);
free_arena:
    free(a);
    return NULL;
}

void arena_free(arena *a)
{
    if (!a)
        return;
    char path[32];
    (void)mallctl("tcache.destroy", NULL, NULL, &a->cache, sizeof a->cache);
    (void)snprintf(path, sizeof path, "arena.%u.destroy", a->index);
    (void)mallctl(path, NULL, NULL, NULL, 0);
    free(a);
}

static size_t read_statistic(const size_t mib[5])
{
    size_t bytes = 0;
    size_t size = sizeof bytes;
    (void)mallctlbymib(mib, 5, &bytes, &size, NULL, 0);
    return bytes;
}

size_t arena_bytes(arena *a)
{
    /* Blocks that were freed and are kept for the next ones count as allocated. */
    (void)mallctl("tcache.flush", NULL, NULL, &a->cache, sizeof a->cache);
    refresh_statistics();
    return read_statistic(a->small_mib) + read_statistic(a->large_mib);
}

#else

#include <malloc.h>

struct arena {
    vql_allocator allocator;
    size_t bytes;
};

static void *allocate(void *context, size_t bytes)
{
    arena *a = context;
    void *block = malloc(bytes);
    a->bytes += block ? malloc_usable_size(block) : 0;
    return block;
}

static void *reallocate(void *context, void *block, size_t bytes)
{
    arena *a = context;
    const size_t before = block ? malloc_usable_size(block) : 0;
    void *moved = realloc(block, bytes);
    if (moved)
        a->bytes += malloc_usable_size(moved) - before;
    return moved;
}

static void release(void *context, void *block)
{
    arena *a = context;
    a->bytes -= block ? malloc_usable_size(block) : 0;
    free(block);
}

arena *arena_new(void)
{
    arena *a = calloc(1, sizeof *a);
    if (a)
        a->allocator = (vql_allocator){allocate, reallocate, release, a};
    return a;
}

void arena_free(arena *a)
{
    free(a);
}

size_t arena_bytes(arena *a)
{
    return a->bytes;
}

#endif

const vql_allocator *arena_allocator(arena *a)
{
    return &a->allocator;
}
