/*
 * The wire of one connection: bytes each way, in order, after a delay, in pieces of any size, as
 * many as it holds. A wire can be stalled, as when a cable is pulled, and cut.
 */
#ifndef VQL_TESTS_WIRE_H
#define VQL_TESTS_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WIRE_BYTES = 65536 };

typedef enum wire_end { WIRE_CLIENT, WIRE_SERVER } wire_end;

/* What one end has written and the other not read. */
typedef struct wire_way {
    uint8_t bytes[WIRE_BYTES];
    size_t count;
    uint64_t due_ns; /* when they arrive */
    bool closed;     /* by its writer: no more will come */
} wire_way;

typedef struct wire {
    wire_way from[2];    /* by the end that writes */
    uint64_t stalled_ns; /* nothing arrives before */
    bool cut;
    uint64_t number;
} wire;

/* A wire between two ends. Freed by the last wire_close. */
wire *wire_new(uint64_t number);

/* Nothing more passes; each end learns of it when it reads or writes. */
void wire_cut(wire *w);

/*
 * Takes bytes to the other end: returns how many of them there was room for, or -1: the connection
 * is gone.
 */
ptrdiff_t wire_write(wire *w, wire_end end, const uint8_t *bytes, size_t count);

/* Reads at most capacity bytes; 0: none for now; -1: the connection is gone. */
ptrdiff_t wire_read(wire *w, wire_end end, uint8_t *out, size_t capacity);

/* One end closes, and lets go of the wire. */
void wire_close(wire *w, wire_end end);

#endif
