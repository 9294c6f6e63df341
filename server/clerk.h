/*
 * A clerk runs a shard's errands with a store that may block, on threads of its own.
 *
 *   clerk_send ──> what writes: in order, as many as wait at once, then one commit ──┐
 *             └──> what reads: beside that, one at a time ───────────────────────────┴─> clerk_take
 *
 * So appends that wait while others are committed share the next commit, and what is read from disk
 * waits for no commit. All but the two threads' work is one thread's: the shard's.
 */
#ifndef VQL_SERVER_CLERK_H
#define VQL_SERVER_CLERK_H

#include <stdbool.h>

#include "cell.h"
#include "errand.h"
#include "histogram.h"
#include "store.h"

typedef struct clerk clerk;

/*
 * Starts the threads. The stores, of the same users, become the clerk's. NULL: no memory, or no
 * thread; the stores are the caller's still.
 */
clerk *clerk_new(store *writer, store *reader);

/* What its writing thread counts; any thread may look while there is the clerk. */
typedef struct clerk_meters {
    histogram commit_time; /* in ns */
    cell failed_commits;
} clerk_meters;

const clerk_meters *clerk_look(const clerk *c);

/* Ends the threads, when all errands have been run, and frees the stores. NULL is allowed. */
void clerk_free(clerk *c);

/* wake is called, by any thread, when there is something to take; before the first errand. */
void clerk_set_wake(clerk *c, void (*wake)(void *context), void *context);

/* Gives an errand to the clerk, whose it is until it is taken. It is run after clerk_flush. */
void clerk_send(clerk *c, errand *e);

/*
 * Has what was sent run. Errands that are sent together are run together, and the threads are woken
 * once.
 */
void clerk_flush(clerk *c);

/* How many errands were sent since the last clerk_flush. */
size_t clerk_unsent(const clerk *c);

/* True when there is something to take. */
bool clerk_has_done(const clerk *c);

/* Takes an errand that was run. NULL: there is none. */
errand *clerk_take(clerk *c);

/* Waits until all errands have been run, those not flushed too, and ends the threads. */
void clerk_stop(clerk *c);

#endif
