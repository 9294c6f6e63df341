#include "arena.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef VQL_JEMALLOC
#include <jemalloc/jemalloc.h>
#else
#include <malloc.h>
#endif

struct arena {
    vql_allocator allocator;
    size_t bytes;
#ifdef VQL_JEMALLOC
    unsigned index; /* jemalloc's number of the arena, and of the cache of small blocks before it */
    unsigned cache;
    int flags;
#endif
};

#ifdef VQL_JEMALLOC

static int make_number(const char *name, unsigned *number)
{
    size_t size = sizeof *number;
    return mallctl(name, number, &size, NULL, 0);
}

static void destroy_arena(unsigned index)
{
    char path[32];
    (void)snprintf(path, sizeof path, "arena.%u.destroy", index);
    (void)mallctl(path, NULL, NULL, NULL, 0);
}

/* False: jemalloc has no more arenas, or no memory. */
static bool open_arena(arena *a)
{
    if (make_number("arenas.create", &a->index) != 0)
        return false;
    if (make_number("tcache.create", &a->cache) != 0) {
        destroy_arena(a->index);
        return false;
    }
    a->flags = MALLOCX_ARENA(a->index) | MALLOCX_TCACHE(a->cache);
    return true;
}

static void close_arena(arena *a)
{
    (void)mallctl("tcache.destroy", NULL, NULL, &a->cache, sizeof a->cache);
    destroy_arena(a->index);
}

static size_t block_bytes(const arena *a, void *block)
{
    return sallocx(block, a->flags);
}

static void *give(const arena *a, size_t bytes)
{
    return mallocx(bytes > 0 ? bytes : 1, a->flags);
}

static void *move(const arena *a, void *block, size_t bytes)
{
    return rallocx(block, bytes > 0 ? bytes : 1, a->flags);
}

static void take_back(const arena *a, void *block)
{
    dallocx(block, a->flags);
}

#else

static bool open_arena(arena *a)
{
    (void)a;
    return true;
}

static void close_arena(arena *a)
{
    (void)a;
}

static size_t block_bytes(const arena *a, void *block)
{
    (void)a;
    return malloc_usable_size(block);
}

static void *give(const arena *a, size_t bytes)
{
    (void)a;
    return malloc(bytes > 0 ? bytes : 1);
}

static void *move(const arena *a, void *block, size_t bytes)
{
    (void)a;
    return realloc(block, bytes > 0 ? bytes : 1);
}

static void take_back(const arena *a, void *block)
{
    (void)a;
    free(block);
}

#endif

static void *allocate(void *context, size_t bytes)
{
    arena *a = context;
    void *block = give(a, bytes);
    if (block)
        a->bytes += block_bytes(a, block);
    return block;
}

static void release(void *context, void *block)
{
    arena *a = context;
    if (!block)
        return;
    a->bytes -= block_bytes(a, block);
    take_back(a, block);
}

static void *reallocate(void *context, void *block, size_t bytes)
{
    arena *a = context;
    if (!block)
        return allocate(context, bytes);
    const size_t before = block_bytes(a, block);
    void *moved = move(a, block, bytes);
    if (moved)
        a->bytes += block_bytes(a, moved) - before;
    return moved;
}

arena *arena_new(void)
{
    arena *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    if (!open_arena(a)) {
        free(a);
        return NULL;
    }
    a->allocator = (vql_allocator){allocate, reallocate, release, a};
    return a;
}

void arena_free(arena *a)
{
    if (!a)
        return;
    close_arena(a);
    free(a);
}

const vql_allocator *arena_allocator(arena *a)
{
    return &a->allocator;
}

size_t arena_bytes(const arena *a)
{
    return a->bytes;
}
