/*
 * The cable of one connection: bytes each way, in order, after a delay, in pieces of any size, as
 * many as it holds. A cable can be stalled, as when a cable is pulled, and cut.
 */
#ifndef VQL_TESTS_CABLE_H
#define VQL_TESTS_CABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CABLE_BYTES = 65536 };

typedef enum cable_end { CABLE_CLIENT, CABLE_SERVER } cable_end;

/* What one end has written and the other not read. */
typedef struct cable_way {
    uint8_t bytes[CABLE_BYTES];
    size_t count;
    uint64_t due_ns; /* when they arrive */
    bool closed;     /* by its writer: no more will come */
} cable_way;

typedef struct cable {
    cable_way from[2];   /* by the end that writes */
    uint64_t stalled_ns; /* nothing arrives before */
    bool cut;
    uint64_t number;
} cable;

/* A cable between two ends. Freed by the last cable_close. */
cable *cable_new(uint64_t number);

/* Nothing more passes; each end learns of it when it reads or writes. */
void cable_cut(cable *w);

/*
 * Takes bytes to the other end: returns how many of them there was room for, or -1: the connection
 * is gone.
 */
ptrdiff_t cable_write(cable *w, cable_end end, const uint8_t *bytes, size_t count);

/* Reads at most capacity bytes; 0: none for now; -1: the connection is gone. */
ptrdiff_t cable_read(cable *w, cable_end end, uint8_t *out, size_t capacity);

/* One end closes, and lets go of the cable. */
void cable_close(cable *w, cable_end end);

#endif
