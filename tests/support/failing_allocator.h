/*
 * An allocator that counts what it gave out and fails when told to:
 *
 *     for (size_t i = 0;; i++) {
 *         failing_allocator memory;
 *         failing_allocator_init(&memory, i);              // allocation number i fails
 *         vql_code code = thing_new(&memory.allocator, &thing);
 *         if (code == VQL_OK) thing_free(thing);
 *         ck_assert_uint_eq(memory.live, 0);               // nothing leaked
 *         if (code == VQL_OK) break;                       // i was beyond the last allocation
 *         ck_assert_int_eq(code, VQL_NO_MEMORY);
 *     }
 */
#ifndef VQL_TESTS_FAILING_ALLOCATOR_H
#define VQL_TESTS_FAILING_ALLOCATOR_H

#include <stdlib.h>

#include "vql/allocator.h"

#define FAILING_ALLOCATOR_NEVER ((size_t)-1)

/*
 * The allocator's context is the struct itself: it must neither move nor end before the objects
 * that use it.
 */
typedef struct failing_allocator {
    vql_allocator allocator;
    size_t fail_at; /* the call that fails, counted from 0; FAILING_ALLOCATOR_NEVER for none */
    size_t calls;   /* allocate and reallocate, the failed one included */
    size_t live;    /* blocks given out and not yet released */
} failing_allocator;

static inline void *failing_allocator_allocate(void *context, size_t bytes)
{
    failing_allocator *memory = context;
    void *block = memory->calls++ == memory->fail_at ? NULL : malloc(bytes > 0 ? bytes : 1);
    memory->live += block != NULL;
    return block;
}

static inline void *failing_allocator_reallocate(void *context, void *block, size_t bytes)
{
    failing_allocator *memory = context;
    void *moved = memory->calls++ == memory->fail_at ? NULL : realloc(block, bytes > 0 ? bytes : 1);
    memory->live += block == NULL && moved != NULL;
    return moved;
}

static inline void failing_allocator_release(void *context, void *block)
{
    failing_allocator *memory = context;
    memory->live -= block != NULL;
    free(block);
}

static inline void failing_allocator_init(failing_allocator *memory, size_t fail_at)
{
    *memory = (failing_allocator){
        .allocator = {failing_allocator_allocate, failing_allocator_reallocate,
                      failing_allocator_release, memory},
        .fail_at = fail_at,
    };
}

#endif
