/*
 * grpc.health.v1.Health: Check, List and Watch of the router's services
 * (https://github.com/grpc/grpc/blob/master/doc/health-checking.md). One for each thread; no I/O,
 * no clock. The server as a whole serves while all of its services do.
 */
#ifndef VQL_SERVER_HEALTH_H
#define VQL_SERVER_HEALTH_H

#include <stdbool.h>
#include <sys/queue.h>

#include "encode.h"
#include "router.h"

struct watch;
LIST_HEAD(watch_list, watch);

/* Zeros at first: every service serves. */
typedef struct health {
    const router *router;           /* set by the owner */
    bool refusing[ROUTER_SERVICES]; /* by the router's numbers: NOT_SERVING */
    bool draining;
    message_buffer message;
    struct watch_list watches;
} health;

/* Adds the service to the router, with h as its context. */
void health_add(health *h, router *r);

/* Says whether a service of the router serves; its watchers, and the server's, are told. */
void health_set(health *h, const char *service, bool serving);

/* From now on nothing serves. Watchers are told, and their calls end. */
void health_drain(health *h);

/* Whether the server as a whole serves. */
bool health_serves(const health *h);

/* Frees what it keeps. All sessions are closed. */
void health_clear(health *h);

#endif
