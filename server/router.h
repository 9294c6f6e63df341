/*
 * Which services there are: tables of methods, and the handler for a session that gives each call
 * to its method.
 *
 *   session: on_call ─> the router finds the path's rpc ─> call_set_rpc ─> the rpc's own handler
 */
#ifndef VQL_SERVER_ROUTER_H
#define VQL_SERVER_ROUTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "session.h"

enum { ROUTER_SERVICES = 16 };

/* One service. */
typedef struct router_service {
    const char *name; /* "package.Service" */
    const rpc *rpcs;  /* [count] */
    size_t count;
    void *context; /* of the handlers of the rpcs */
} router_service;

/* Zeros at first. Does not change while there are sessions. */
typedef struct router {
    router_service services[ROUTER_SERVICES];
    size_t count;
} router;

TAILQ_HEAD(exchange_queue, exchange);

/*
 * A session's context: the services, and how to tell the connection that a call was answered
 * outside session_feed, so that the session is to be drained.
 */
typedef struct peer {
    const router *router;
    void (*wake)(struct peer *p);

    /* The service's own (service.h); zeros at first. */
    uint32_t jobs;                 /* requests under way */
    struct exchange_queue waiting; /* calls that wait for room, the next one first */
    uint32_t waiting_count;
    TAILQ_ENTRY(peer) in_waiting;
} peer;

/* Adds a service. Names and rpcs are static. */
void router_add(router *r, const char *name, const rpc *rpcs, size_t count, void *context);

/* Where the service stands in services; r->count: it is none of them. */
size_t router_find(const router *r, const char *name);

/* The handler for session_new, with a peer as context. */
extern const session_handler router_handler;

#endif
