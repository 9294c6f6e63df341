/*
 * How long a connection is waited for, each thing with a limit of its own:
 *
 *   handshake   from the connection's start to the client's SETTINGS
 *   headers     from the first bytes of a header block to its last
 *   window      while answers wait for the client to open its windows, since it last took some
 *   write       while bytes wait for the socket, since it last took some
 *   idle        while no call is open
 *
 * No clock: `now` is the caller's, in nanoseconds. Where the caller's time may be an old one, a
 * limit is started loosely, and counts from the first look at it after it seemed to have passed.
 */
#ifndef VQL_SERVER_PATIENCE_H
#define VQL_SERVER_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

typedef enum patience_kind {
    PATIENCE_HANDSHAKE,
    PATIENCE_HEADERS,
    PATIENCE_WINDOW,
    PATIENCE_WRITE,
    PATIENCE_IDLE,
    PATIENCES,
} patience_kind;

typedef struct patience {
    uint64_t limit_ns[PATIENCES]; /* 0: none; set by the owner, and constant */
    uint64_t due_ns[PATIENCES];   /* UINT64_MAX: nothing is waited for */
    bool loose[PATIENCES];
} patience;

/* Nothing is waited for; limits are in milliseconds. */
void patience_init(patience *p, const uint64_t limit_ms[PATIENCES]);

/* Starts a limit, from the beginning if it runs. */
void patience_start(patience *p, patience_kind kind, uint64_t now_ns, bool loose);

void patience_stop(patience *p, patience_kind kind);

static inline bool patience_runs(const patience *p, patience_kind kind)
{
    return p->due_ns[kind] != UINT64_MAX;
}

/* When to look next; UINT64_MAX: never. */
uint64_t patience_due(const patience *p);

/* A limit that has passed, which is stopped by this; PATIENCES: none. */
patience_kind patience_expired(patience *p, uint64_t now_ns);

#endif
