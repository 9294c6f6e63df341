/*
 * grpc.reflection.v1 and v1alpha, whose messages are the same on the wire: what the router's
 * services are, from a set of descriptors
 * (https://github.com/grpc/grpc/blob/master/doc/server-reflection.md). One for each thread; no I/O,
 * no clock.
 */
#ifndef VQL_SERVER_REFLECTION_H
#define VQL_SERVER_REFLECTION_H

#include <sys/queue.h>

#include "descriptor_set.h"
#include "encode.h"
#include "router.h"

struct inquiry;
LIST_HEAD(inquiry_list, inquiry);

/* Zeros at first. */
typedef struct reflection {
    const router *router;       /* set by the owner, as are: */
    descriptor_set descriptors; /* of all services of the router */
    bool draining;
    message_buffer message, part;
    struct inquiry_list inquiries; /* open calls */
} reflection;

/* Adds both services to the router, with r as their context. */
void reflection_add(reflection *r, router *to);

/* Ends the open calls with UNAVAILABLE, and those that still come. */
void reflection_drain(reflection *r);

/* Frees what it keeps. All sessions are closed. */
void reflection_clear(reflection *r);

#endif
