#include "arena.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef VQL_JEMALLOC
#include <jemalloc/jemalloc.h>
#else
#include <malloc.h>
#endif

/* By how much the blocks grow before the allocator's own bytes are asked for again. */
enum { LOOK_SHARE = 64, LOOK_BYTES = 1 << 20 };

struct arena {
    vql_allocator allocator;
    size_t bytes;       /* of the blocks */
    size_t own_bytes;   /* what the allocator took to know the blocks by, when last asked */
    size_t bytes_asked; /* ask again when the blocks are as many */
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

/* jemalloc's metadata of the arena, which only grows. Costs microseconds for all arenas. */
static size_t allocator_bytes(const arena *a)
{
    char path[40];
    uint64_t epoch = 1;
    size_t bytes = 0;
    size_t size = sizeof bytes;
    (void)snprintf(path, sizeof path, "stats.arenas.%u.base", a->index);
    (void)mallctl("epoch", NULL, NULL, &epoch, sizeof epoch);
    return mallctl(path, &bytes, &size, NULL, 0) == 0 ? bytes : 0;
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

static size_t allocator_bytes(const arena *a)
{
    (void)a;
    return 0;
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

static void add_bytes(arena *a, size_t bytes)
{
    a->bytes += bytes;
    if (a->bytes < a->bytes_asked)
        return;
    a->own_bytes = allocator_bytes(a);
    a->bytes_asked = a->bytes + a->bytes / LOOK_SHARE + LOOK_BYTES;
}

static void *allocate(void *context, size_t bytes)
{
    arena *a = context;
    void *block = give(a, bytes);
    if (block)
        add_bytes(a, block_bytes(a, block));
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
    if (!moved)
        return NULL;
    a->bytes -= before;
    add_bytes(a, block_bytes(a, moved));
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
    a->bytes_asked = LOOK_BYTES;
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
    return a->bytes + a->own_bytes;
}
