/*
 * A number that one thread counts in and any thread may read: relaxed atomics, so that counting
 * costs what it costs without other threads, and neither waits.
 */
#ifndef VQL_SERVER_CELL_H
#define VQL_SERVER_CELL_H

#include <stdatomic.h>
#include <stdint.h>

typedef atomic_uint_least64_t cell;

/* By any thread. */
static inline uint64_t cell_get(const cell *c)
{
    return atomic_load_explicit(c, memory_order_relaxed);
}

/* By the one thread whose cell it is, as is cell_add. */
static inline void cell_set(cell *c, uint64_t value)
{
    atomic_store_explicit(c, value, memory_order_relaxed);
}

static inline void cell_add(cell *c, uint64_t count)
{
    cell_set(c, cell_get(c) + count);
}

#endif
