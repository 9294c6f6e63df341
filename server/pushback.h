/*
 * How long a client that was refused for overload is asked to wait before it tries again
 * (grpc-retry-pushback-ms, gRFC A6). The wait grows with the load: of L times the requests that can
 * be served, 1 - 1/L are refused, and if those come back L times later, what comes fits again. Half
 * of it more or less, at random, keeps clients refused together from coming back together.
 */
#ifndef VQL_SERVER_PUSHBACK_H
#define VQL_SERVER_PUSHBACK_H

#include <stdbool.h>
#include <stdint.h>

/* Zeros but for random, a seed, at first. */
typedef struct pushback {
    double refused; /* of the last requests, as a moving average: 0 … 1 */
    uint64_t random;
} pushback;

/* A request was admitted or refused. */
void pushback_note(pushback *p, bool refused);

/* What to ask the next client for. */
int64_t pushback_ms(pushback *p);

#endif
