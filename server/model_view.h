/*
 * One thread's view of the models: the set that its requests are given, which changes only when
 * the thread looks for a newer one, and those that its requests under way were given before. A
 * request holds the set that it began with until it is answered, so that all of it is one
 * version's. Counts of requests are the thread's own: serving takes neither locks nor atomics.
 */
#ifndef VQL_SERVER_MODEL_VIEW_H
#define VQL_SERVER_MODEL_VIEW_H

#include <stdbool.h>
#include <stddef.h>

#include "model_set.h"
#include "registry.h"

/* A set, and how many of the thread's requests have it. */
typedef struct model_hold {
    model_set *set;
    size_t requests;
} model_hold;

typedef struct model_view {
    registry *registry; /* set by the owner, and constant */
    model_hold *current;
} model_view;

/* The thread looks at the registry's set for the first time. False: no memory. */
bool model_view_init(model_view *v, registry *r);

/* No request holds anything any more. A view of zeros is allowed. */
void model_view_clear(model_view *v);

/* Looks whether there is a newer set. True: there is, and the view has it. */
bool model_view_refresh(model_view *v);

/* The set that requests are given. */
static inline const model_set *model_view_set(const model_view *v)
{
    return v->current->set;
}

/* A request begins, and ends. */
model_hold *model_view_hold(model_view *v);
void model_view_let_go(model_view *v, model_hold *held);

#endif
