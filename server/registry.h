/*
 * The versions that the server has loaded. Who controls the server changes the set of them; threads
 * that serve look at it through views of their own (model_view.h).
 *
 *   add, activate, remove ──> a new set ── published ──> each thread's view, at its next turn
 *
 * Any thread may call what is here. What is refused leaves everything as it was.
 */
#ifndef VQL_SERVER_REGISTRY_H
#define VQL_SERVER_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "grpc.h"
#include "model_set.h"

typedef struct registry registry;

/* An empty one for at most max_models versions, itself at most LIMIT_MODELS. NULL: no memory. */
registry *registry_new(uint32_t max_models);

/* How many shards are to be ready for a version that is added from now on. */
void registry_expect(registry *r, uint32_t shards);

/* Has everybody told that there is a new set; before there is more than one thread. */
void registry_on_change(registry *r, void (*tell)(void *context), void *context);

/* Nobody has a view or a version any more. NULL is allowed. */
void registry_free(registry *r);

/*
 * Adds a version; the caller's reference becomes the registry's. The first one is active. Refused,
 * with the version the caller's still: ALREADY_EXISTS for a name that is there,
 * FAILED_PRECONDITION for other event types or tasks, RESOURCE_EXHAUSTED for one too many.
 */
grpc_status registry_add(registry *r, version *v, grpc_error *error);

/* Whether a version of that name may be added, as far as that can be told before it is read. */
grpc_status registry_check(registry *r, const char *name, grpc_error *error);

/* A version's share of a split. */
typedef struct model_share {
    char name[VQL_MAX_NAME_BYTES + 1];
    uint32_t weight;
} model_share;

/* What is to be active. */
typedef struct model_activation {
    char name[VQL_MAX_NAME_BYTES + 1]; /* of the active version; empty: the greatest share's */
    bool force;                        /* whether it is ready or not */
    size_t share_count;                /* 0: there is no split */
    model_share shares[LIMIT_MODELS];
} model_activation;

/*
 * Has a version be active, and ends the split or begins another. NOT_FOUND for a name that is not
 * loaded, FAILED_PRECONDITION for a version that is not ready, INVALID_ARGUMENT for shares that are
 * none.
 */
grpc_status registry_activate(registry *r, const model_activation *wanted, grpc_error *error);

/*
 * Takes a version out, which is freed by registry_sweep when the last request of it is answered.
 * NOT_FOUND for a name that is not loaded, FAILED_PRECONDITION for the active version and one with
 * a share.
 */
grpc_status registry_remove(registry *r, const char *name, grpc_error *error);

/*
 * Frees the versions that nobody has any more; for a thread that serves nobody, since that takes
 * its time.
 */
void registry_sweep(registry *r);

/* True when there are versions that registry_sweep waits for. */
bool registry_has_unused(registry *r);
/* Next generations of versions (version_extend), which are to serve in their place together. */
typedef struct renewal {
    version *next[LIMIT_MODELS]; /* [count] */
    size_t count;
    /* Called when nothing can go wrong any more but itself; GRPC_OK: they serve. */
    grpc_status (*commit)(void *context, grpc_error *error);
    void *context;
} renewal;

/*
 * The caller's references become the registry's. NOT_FOUND for a version that is not there any
 * more, and what commit says, with all of them the caller's still and none in service.
 */
grpc_status registry_renew(registry *r, const renewal *wanted, grpc_error *error);

/* The set as it is now, with a reference for the caller. */
model_set *registry_share(registry *r);

/* Of the set as it is now. */
uint64_t registry_revision(const registry *r);

#endif
