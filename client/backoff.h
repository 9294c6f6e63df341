/*
 * How long to wait between attempts to connect: exponentially longer, with jitter, so that clients
 * of a server that comes back do not come back all at once. The numbers are gRPC's:
 * https://github.com/grpc/grpc/blob/master/doc/connection-backoff.md
 */
#ifndef VQL_CLIENT_BACKOFF_H
#define VQL_CLIENT_BACKOFF_H

#include <stdint.h>

typedef struct backoff {
    uint32_t min_ms;
    uint32_t max_ms;
    uint64_t next_ms; /* before jitter */
} backoff;

/* Starts over with min_ms. max_ms is at least that. */
void backoff_reset(backoff *b);

/* The next delay in milliseconds; random is any number, all 32 bits of it evenly distributed. */
uint64_t backoff_next(backoff *b, uint32_t random);

#endif
