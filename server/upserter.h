/*
 * Applies requests for items while the server serves, on a thread of its own, one at a time and in
 * the order in which they came: they take as long as tables and disk do. It gives way to those who
 * serve.
 */
#ifndef VQL_SERVER_UPSERTER_H
#define VQL_SERVER_UPSERTER_H

#include <stdbool.h>

#include "items.h"
#include "job.h"

typedef struct upserter upserter;

/* Who is told, on the upserter's thread. */
typedef struct upserter_owner {
    /* Versions have new generations: returns when every thread that serves has them. */
    void (*changed)(void *context);
    /* A job is done, and the owner's again. */
    void (*answered)(void *context, job *j);
    void *context;
} upserter_owner;

/* Starts the thread. it must outlive the upserter. NULL: no memory, or no thread. */
upserter *upserter_start(items *it, const upserter_owner *owner);

/* Takes an OPERATION_UPSERT job, from any thread. False: not taken, as its error says. */
bool upserter_submit(upserter *u, job *j);

/*
 * Ends the thread, when the request that is being applied is. Jobs that wait are answered, not
 * done, and no more are taken.
 */
void upserter_stop(upserter *u);

/* Nobody submits any more; the upserter was stopped. NULL is allowed. */
void upserter_free(upserter *u);

#endif
