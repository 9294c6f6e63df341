/*
 * Loads models while the server serves, on a thread of its own that gives way to those who serve,
 * one at a time:
 *
 *   read ─> validate ─> build tables ─> try it with recent requests ─> add to the registry
 *
 * It watches the folder of models, if there is one. By the policy LATEST a file whose name comes
 * after all that were loaded is loaded, active when it is ready, and only the one that was active
 * before stays beside it; what cannot be loaded is tried again when its file has changed. By the
 * policy MANUAL nothing is loaded that was not asked for.
 *
 * It also frees the versions that were taken out, whoever did so.
 */
#ifndef VQL_SERVER_LOADER_H
#define VQL_SERVER_LOADER_H

#include <stdbool.h>

#include "config.h"
#include "grpc.h"
#include "items.h"
#include "job.h"
#include "recent.h"
#include "registry.h"

typedef struct loader loader;

/* What it is given must outlive the loader; upserts adds versions to models. NULL: no memory. */
loader *loader_new(const config *c, registry *models, items *upserts, recent *requests);

/* The thread has ended, or was never started. NULL is allowed. */
void loader_free(loader *l);

/*
 * Loads what the server starts with, on the caller's thread: the file; of a folder the newest
 * versions, of which the newest is active, two by the policy LATEST. False: logged, and there is
 * none.
 */
bool loader_begin(loader *l);

/*
 * Starts the thread. answered is told of jobs that are done, on that thread. False: there is no
 * thread.
 */
bool loader_start(loader *l, void (*answered)(void *context, job *j), void *context);

/*
 * Takes an OPERATION_LOAD job of the version in the folder that its model names, from any thread;
 * it is given to answered. False: not taken, as its error says.
 */
bool loader_submit(loader *l, job *j);

/* Something in the folder may have changed; from any thread. */
void loader_look(loader *l);

/* The folder that is watched; NULL: none. */
const char *loader_folder(const loader *l);

/*
 * Ends the thread, when the model that is being loaded is. Jobs that wait are given to answered,
 * not done.
 */
void loader_stop(loader *l);

#endif
