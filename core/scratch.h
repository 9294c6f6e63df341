/*
 * Working memory of a fixed size in one block: the same calls in the same order, first without a
 * block to learn its size, then with it.
 */
#ifndef VQL_CORE_SCRATCH_H
#define VQL_CORE_SCRATCH_H

#include <stddef.h>
#include <stdint.h>

#include "kernels.h"

typedef struct vql_scratch {
    uint8_t *block; /* at a cache line; NULL while the size is learnt */
    size_t used;
} vql_scratch;

/* Room for count numbers, at a cache line of its own; NULL while the size is learnt. */
static inline void *vql_scratch_take(vql_scratch *scratch, size_t count, size_t number_bytes)
{
    void *taken = scratch->block != NULL ? scratch->block + scratch->used : NULL;
    scratch->used += (count * number_bytes + VQL_LINE - 1) / VQL_LINE * VQL_LINE;
    return taken;
}

#endif
