/*
 * A server's inside for targets: all services and one shard with an empty store, and a small model
 * that is made once.
 */
#ifndef VQL_TESTS_BACKEND_H
#define VQL_TESTS_BACKEND_H

#include "health.h"
#include "post.h"
#include "reflection.h"
#include "registry.h"
#include "service.h"

enum {
    BACKEND_MAX_CANDIDATES = 200,
    BACKEND_MAX_EVENTS = 50,
    BACKEND_MAX_ITEMS = 30,
    BACKEND_WALL_MS = 1000000000, /* the server's now: the twelfth day of 1970 */
    BACKEND_MAX_FUTURE_MS = 86400000,
};

/* Zeros at first. Its mailboxes, which are many times the rest, are made once. */
typedef struct backend {
    router router;
    service service;
    health health;
    reflection reflection;
    post post;
} backend;

model_set *backend_models(void);
extern const request_limits backend_limits;

/* Starts a server with nobody in it. */
void backend_start(backend *b);

/* The shard works until it has nothing to do. */
void backend_run(backend *b);

/* All sessions are freed; checks that all jobs come back. */
void backend_stop(backend *b);

#endif
