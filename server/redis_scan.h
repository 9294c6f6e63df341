/*
 * The users that have a history in a Redis, node by node. One thread.
 */
#ifndef VQL_SERVER_REDIS_SCAN_H
#define VQL_SERVER_REDIS_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "redis_cluster.h"

/* Zeros at first. */
typedef struct redis_scan {
    uint64_t *found; /* [count]: users that were found and not given yet */
    size_t count;
    uint64_t cursor; /* what was given goes on from there */
} redis_scan;

/* Frees what it keeps. */
void redis_scan_clear(redis_scan *s);

/*
 * Some users, as store_users has it; a slot that changes its node meanwhile may be passed over or
 * come twice. False: *why says why not.
 */
bool redis_scan_users(redis_scan *s, redis_cluster *c, uint64_t *cursor, uint64_t *out, size_t max,
                      size_t *count, const char **why);

#endif
