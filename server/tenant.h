/*
 * Tenants: on whose behalf calls are made, and how much each may ask of the server. A tenant's
 * counts are shared by all threads, as atomics, so that its quota holds over all of them together:
 *
 *   rate        a token bucket in one word, the time at which it will be full again (the generic
 *               cell rate algorithm): a request moves that time by 1/rate, and is refused if it
 *               would lie more than burst/rate ahead. Exact to within 0.1 % of the rate.
 *   in-flight   calls that are open.
 *
 * Tenants are made by one thread and never go before the server does: calls point to them, and
 * what is in flight stays counted when quotas are reloaded.
 */
#ifndef VQL_SERVER_TENANT_H
#define VQL_SERVER_TENANT_H

#include <stdbool.h>
#include <stdint.h>

#include "grpc.h"

enum {
    TENANT_NAME_BYTES = 65, /* 64 and the terminator */
    TENANT_MAX_RATE = 1000000,
    TENANT_MAX_BURST = 1000000,
    TENANT_MAX_IN_FLIGHT = 1000000,
};

typedef struct tenant tenant;

/* What a tenant may ask; 0: no limit. */
typedef struct tenant_quota {
    uint32_t rate;      /* requests a second, at most TENANT_MAX_RATE */
    uint32_t burst;     /* requests at once, 1 to TENANT_MAX_BURST if there is a rate */
    uint32_t in_flight; /* calls at a time, at most TENANT_MAX_IN_FLIGHT */
} tenant_quota;

/* A tenant without a quota; name is copied, at most TENANT_NAME_BYTES - 1. NULL: no memory. */
tenant *tenant_new(const char *name);
void tenant_free(tenant *t);

const char *tenant_name(const tenant *t);

/* Changes the quota; from the thread that made it, while others ask. */
void tenant_set_quota(tenant *t, const tenant_quota *quota);

/*
 * From any thread: a call begins, until tenant_end. Not GRPC_OK: there are too many, as *error
 * says, and it does not.
 */
grpc_status tenant_begin(tenant *t, grpc_error *error);
void tenant_end(tenant *t);

/*
 * From any thread: one more request, at `now` of a monotonic clock that all threads share. Not
 * GRPC_OK: there are too many, and *error says when to come back.
 */
grpc_status tenant_request(tenant *t, uint64_t now_ns, grpc_error *error);

#endif
