#include "version.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "limit.h"
#include "model_load.h"

version *version_new(vql_model *model, vql_catalog *catalog, const char *name)
{
    version *v = calloc(1, sizeof *v);
    if (!v)
        return NULL;
    atomic_init(&v->references, 1);
    (void)snprintf(v->name, sizeof v->name, "%s", name ? name : vql_model_name(model));
    v->model = model;
    v->catalog = catalog;
    v->snapshots = vql_model_fingerprint(model);
    v->progress = &v->own_progress;
    return v;
}

version *version_extend(version *v, vql_catalog *catalog)
{
    version *next = version_new(v->model, catalog, v->name);
    if (!next)
        return NULL;
    next->number = v->number;
    next->snapshots = v->snapshots;
    next->first = version_share(v->first ? v->first : v);
    next->progress = v->progress;
    return next;
}

vql_code version_load(const char *path, const char *name, const vql_catalog_options *options,
                      version **out, vql_error *error)
{
    loaded_model loaded;
    const vql_code code = model_load(path, LIMIT_MODEL_GIB, options, &loaded, error);
    if (code != VQL_OK)
        return code;
    version *v = version_new(loaded.model, loaded.catalog, name);
    if (!v) {
        model_unload(&loaded);
        return vql_fail(error, VQL_NO_MEMORY, "%s: no memory", path);
    }
    *out = v;
    return VQL_OK;
}

version *version_share(version *v)
{
    (void)atomic_fetch_add_explicit(&v->references, 1, memory_order_relaxed);
    return v;
}

void version_release(version *v)
{
    while (v && atomic_fetch_sub_explicit(&v->references, 1, memory_order_acq_rel) == 1) {
        version *first = v->first;
        vql_catalog_free(v->catalog);
        if (!first)
            vql_model_free(v->model);
        free(v);
        v = first;
    }
}

bool version_is_last(const version *v)
{
    return atomic_load_explicit(&v->references, memory_order_acquire) == 1;
}

bool version_is_ready(const version *v)
{
    return atomic_load_explicit(&v->progress->shards, memory_order_acquire) == 0;
}

size_t version_bytes(const version *v)
{
    return vql_model_bytes(v->model) + vql_catalog_bytes(v->catalog);
}

/* Names of one kind, of two models, in order. */
static bool names_match(const char *kind, const version *a, const version *b, uint32_t a_count,
                        uint32_t b_count, const char *(*name_of)(const vql_model *, uint32_t),
                        vql_error *error)
{
    if (a_count != b_count) {
        (void)vql_fail(error, VQL_MISMATCH, "has %u %s, but \"%.60s\" has %u", a_count, kind,
                       b->name, b_count);
        return false;
    }
    for (uint32_t i = 0; i < a_count; i++) {
        if (strcmp(name_of(a->model, i), name_of(b->model, i)) == 0)
            continue;
        (void)vql_fail(error, VQL_MISMATCH, "%s[%u] is \"%.50s\", but \"%.50s\" in \"%.50s\"", kind,
                       i, name_of(a->model, i), name_of(b->model, i), b->name);
        return false;
    }
    return true;
}

bool version_matches(const version *v, const version *other, vql_error *error)
{
    const vql_shape *a = vql_model_shape(v->model);
    const vql_shape *b = vql_model_shape(other->model);
    return names_match("event_types", v, other, a->event_types, b->event_types,
                       vql_model_event_type, error) &&
           names_match("tasks", v, other, a->tasks, b->tasks, vql_model_task, error);
}
