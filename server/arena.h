/*
 * Memory of one kind that is counted apart: a jemalloc arena of its own, whose statistics say what
 * it takes, size classes included. Where jemalloc is not linked (a sanitizer has an allocator of
 * its own) the C library's blocks are counted instead.
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

/* The bytes that are allocated, by jemalloc's count at this moment. Takes some microseconds. */
size_t arena_bytes(arena *a);

#endif
