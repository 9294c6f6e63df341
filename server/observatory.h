/*
 * What the admin port shows of a running server: its pages, and what they are made from.
 */
#ifndef VQL_SERVER_OBSERVATORY_H
#define VQL_SERVER_OBSERVATORY_H

#include <stdbool.h>
#include <stdint.h>

#include "admin.h"
#include "config.h"
#include "database.h"
#include "inspector.h"
#include "listener.h"
#include "loader.h"
#include "redis_database.h"
#include "registry.h"
#include "worker.h"

/* What is looked at; all of it outlives the pages. */
typedef struct observatory {
    const config *config;
    registry *models;
    database *database;    /* NULL: histories are not on disk */
    redis_database *redis; /* NULL: nor in Redis */
    worker *workers;       /* [count] */
    uint32_t count;

    inspector inspector;
    listener listener;
    admin *admin; /* NULL: nobody asked for it */
} observatory;

/*
 * Whether every thread serves, as grpc.health.v1 says of the server as a whole. False before the
 * threads run.
 */
bool observatory_is_ready(const observatory *o);

/* What the store does not do at present: store_outages. */
unsigned observatory_outages(const observatory *o);

/*
 * Has the workers set their meters' shard, and waits for that, for LIMIT_ASK_MS at most: a thread
 * that is held up is shown as it was.
 */
void observatory_ask(const observatory *o);

/* Shows the pages where --admin says, if it does. False: logged. */
bool observatory_open(observatory *o);

void observatory_close(observatory *o);

#endif
