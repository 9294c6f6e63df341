/*
 * A connection to one node of Redis, made when it is needed. After a failure it is open as a
 * circuit breaker is: nothing is tried for a time that doubles with every failure, give or take a
 * half; then one attempt to connect decides whether it closes again. Every step has a time limit.
 * One thread.
 *
 *   redis_link_ready ─> redis_link_add … ─> redis_link_flush ─> redis_link_read …
 */
#ifndef VQL_SERVER_REDIS_LINK_H
#define VQL_SERVER_REDIS_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hiredis/hiredis.h>

#include "address.h"
#include "redis_url.h"

typedef struct redis_link {
    address where;
    const redis_url *login;
    uint32_t limit_ms;     /* for connecting, and for a command */
    redisContext *context; /* NULL: not connected */
    uint32_t failures;     /* in a row */
    uint64_t retry_ns;     /* on the monotonic clock: nothing is tried before; 0: at once */
} redis_link;

/* Nanoseconds on the monotonic clock. */
uint64_t redis_now_ns(void);

/* At random, from half of a time up to one and a half of it. */
uint64_t redis_jitter(uint64_t ns);

/* The login must outlive it. Nothing is connected. */
void redis_link_init(redis_link *l, const address *where, const redis_url *login,
                     uint32_t limit_ms);

/* The connection is of no use: closes it, and opens the breaker. Returns false. */
bool redis_link_fail(redis_link *l, const char *why);

/* Closes the connection. */
void redis_link_clear(redis_link *l);

/* True while nothing is tried. */
bool redis_link_is_open(const redis_link *l);

/* Connects if need be and if that is tried. False: there is no connection. */
bool redis_link_ready(redis_link *l);

/*
 * Adds a command, in Redis's protocol, to those that go with the next flush. After a failure, of
 * these three, the connection is closed, and what was asked may have been done or not.
 */
bool redis_link_add(redis_link *l, const char *command, size_t bytes);
bool redis_link_flush(redis_link *l);

/* The next answer, the caller's to free; NULL: the connection has failed. */
redisReply *redis_link_read(redis_link *l);

#endif
