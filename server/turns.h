/*
 * Who reads in a turn of the loop. A turn reads for as long as it works on the shard, so that what
 * arrives waits where its wait is measured; connections that it does not come to read first in the
 * next. Whoever was denied reads once before anyone else reads twice, in whatever order the loop
 * asks, however long one of them takes. No clock.
 */
#ifndef VQL_SERVER_TURNS_H
#define VQL_SERVER_TURNS_H

#include <stdbool.h>
#include <stdint.h>

/* Whether a connection was denied, and so waits: for the round that is, or for the one after it. */
typedef enum turns_place { TURNS_NOWHERE, TURNS_EVEN, TURNS_ODD, TURNS_PLACES } turns_place;

/* Zeros at first. */
typedef struct turns {
    uint64_t end_ns;                /* when this turn has read enough; 0: it has read nothing */
    uint32_t waiting[TURNS_PLACES]; /* connections by their places */
    bool odd;                       /* the round that is */
} turns;

/* Whether a connection that has something to read may do so. */
bool turns_take(turns *t, turns_place *place, uint64_t now_ns);

/* The connection is gone, or reads no more. */
void turns_leave(turns *t, turns_place *place);

/* The next turn begins. */
void turns_end(turns *t);

#endif
