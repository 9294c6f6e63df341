/*
 * Memory that calls give back and the next ones take again, of one thread: once there have been as
 * many at a time as there are, a call asks the allocator for none. Blocks are kept by size, powers
 * of two from SPARES_LEAST to SPARES_MOST bytes, LIMIT_KEPT_BYTES together; others are the
 * allocator's. NULL in place of a spares: nothing is kept.
 */
#ifndef VQL_SERVER_SPARES_H
#define VQL_SERVER_SPARES_H

#include <stddef.h>

enum { SPARES_LEAST = 64, SPARES_MOST = 16384, SPARES_SIZES = 9 };

/* Zeros are one that keeps nothing yet. */
typedef struct spares {
    struct spare *kept[SPARES_SIZES]; /* of SPARES_LEAST << index bytes */
    size_t bytes;
} spares;

/* As malloc, realloc and free, for memory of the same spares. */
void *spares_take(spares *s, size_t bytes);
void *spares_resize(spares *s, void *memory, size_t bytes);
void spares_give(spares *s, void *memory);

/* Frees what is kept; what was taken has been given back. */
void spares_clear(spares *s);

#endif
