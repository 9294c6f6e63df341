#include "model_view.h"

#include <stdlib.h>

static void free_hold(model_hold *held)
{
    model_set_release(held->set);
    free(held);
}

/* A hold of the registry's set. NULL: no memory. */
static model_hold *look(registry *r)
{
    model_hold *made = calloc(1, sizeof *made);
    if (made)
        made->set = registry_share(r);
    return made;
}

bool model_view_init(model_view *v, registry *r)
{
    *v = (model_view){.registry = r, .current = look(r)};
    return v->current != NULL;
}

void model_view_clear(model_view *v)
{
    if (v->current)
        free_hold(v->current);
    *v = (model_view){0};
}

bool model_view_refresh(model_view *v)
{
    if (registry_revision(v->registry) == v->current->set->revision)
        return false;
    model_hold *made = look(v->registry);
    if (!made)
        return false;
    model_hold *before = v->current;
    v->current = made;
    if (before->requests == 0)
        free_hold(before);
    return true;
}

model_hold *model_view_hold(model_view *v)
{
    v->current->requests++;
    return v->current;
}

void model_view_let_go(model_view *v, model_hold *held)
{
    if (--held->requests == 0 && held != v->current)
        free_hold(held);
}
