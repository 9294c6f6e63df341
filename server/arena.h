/*
 * Memory of one kind that is counted apart: with jemalloc, an arena of its own, so that what is
 * freed here is free for the same use again. The count is the allocator's: blocks are counted as
 * large as they are, size classes included, and with them what jemalloc keeps to know them by. What
 * it holds of pages beyond the blocks is not counted: it is there for the next blocks.
 *
 * An arena is used by one thread at a time.
 */
#ifndef VQL_SERVER_ARENA_H
#define VQL_SERVER_ARENA_H

#include <stddef.h>

#include "vql/allocator.h"

typedef struct arena arena;

/* NULL: no memory, or no more arenas. */
arena *arena_new(void);

/* Frees the arena; nothing allocated from it is used any more. NULL is allowed. */
void arena_free(arena *a);

/* Allocates from the arena, which outlives it. */
const vql_allocator *arena_allocator(arena *a);

/* The bytes of the blocks that are allocated, and of what the allocator knows them by. */
size_t arena_bytes(const arena *a);

#endif
