#include "registry.h"

#include <pthread.h>
#include <stdlib.h>

struct registry {
    uint32_t max_models;
    pthread_mutex_t lock;
    model_set *current; /* under the lock */
    atomic_uint_fast64_t revision;
    uint64_t last_number;

    /* Every version that anybody may still have: each with a reference. Under the lock. */
    version **versions; /* [version_count] */
    size_t version_count, version_capacity;
};

registry *registry_new(uint32_t max_models)
{
    registry *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->current = model_set_new(NULL);
    if (!r->current) {
        free(r);
        return NULL;
    }
    r->max_models = max_models;
    (void)pthread_mutex_init(&r->lock, NULL);
    return r;
}

void registry_free(registry *r)
{
    if (!r)
        return;
    model_set_release(r->current);
    for (size_t i = 0; i < r->version_count; i++)
        version_release(r->versions[i]);
    free(r->versions);
    (void)pthread_mutex_destroy(&r->lock);
    free(r);
}

static grpc_status fail_no_memory(grpc_error *error)
{
    error->reason = "NO_MEMORY";
    return grpc_fail(error, GRPC_UNAVAILABLE, "the server is out of memory");
}

/* Makes a set what threads will see; the one before lives as long as somebody looks at it. */
static void publish(registry *r, model_set *s)
{
    model_set *before = r->current;
    r->current = s;
    atomic_store_explicit(&r->revision, s->revision, memory_order_release);
    model_set_release(before);
}

/* Room for at most LIMIT_MODELS more versions. */
static bool reserve_versions(registry *r, size_t count)
{
    if (r->version_count + count <= r->version_capacity)
        return true;
    const size_t capacity = r->version_capacity == 0 ? LIMIT_MODELS : r->version_capacity * 2;
    version **larger = realloc(r->versions, capacity * sizeof *larger);
    if (!larger)
        return false;
    r->versions = larger;
    r->version_capacity = capacity;
    return true;
}

/* Whether a version may be added. */
static grpc_status check_new(const registry *r, const version *v, grpc_error *error)
{
    vql_error difference;
    const model_set *s = r->current;
    if (model_set_find(s, v->name)) {
        return grpc_fail_field(error, GRPC_ALREADY_EXISTS, "MODEL_LOADED",
                               "name: \"%s\" is loaded already", v->name);
    }
    if (s->count >= r->max_models) {
        (void)grpc_fail(error, GRPC_RESOURCE_EXHAUSTED,
                        "\"%s\": %zu models are loaded; at most %u (the server's max-models)",
                        v->name, s->count, r->max_models);
        grpc_error_limit(error, "TOO_MANY_MODELS", "max-models", r->max_models);
        return error->status;
    }
    if (s->count > 0 && !version_matches(v, model_set_active(s), &difference)) {
        (void)grpc_fail(error, GRPC_FAILED_PRECONDITION, "\"%s\": %s", v->name, difference.text);
        error->reason = "INCOMPATIBLE_MODEL";
        return error->status;
    }
    return GRPC_OK;
}

static grpc_status add(registry *r, version *v, grpc_error *error)
{
    if (check_new(r, v, error) != GRPC_OK)
        return error->status;
    model_set *s = model_set_new(r->current);
    if (!s || !reserve_versions(r, 1)) {
        model_set_release(s);
        return fail_no_memory(error);
    }
    v->number = ++r->last_number;
    r->versions[r->version_count++] = v;
    model_set_add(s, v);
    publish(r, s);
    return GRPC_OK;
}

grpc_status registry_add(registry *r, version *v, grpc_error *error)
{
    (void)pthread_mutex_lock(&r->lock);
    const grpc_status status = add(r, v, error);
    (void)pthread_mutex_unlock(&r->lock);
    return status;
}

/* Puts the generations into a set. */
static grpc_status put_next(model_set *s, const renewal *wanted, grpc_error *error)
{
    for (size_t i = 0; i < wanted->count; i++) {
        const model_entry *entry = model_set_numbered(s, wanted->next[i]->number);
        if (!entry) {
            return grpc_fail_field(error, GRPC_NOT_FOUND, "UNKNOWN_MODEL",
                                   "model: \"%s\" is not loaded", wanted->next[i]->name);
        }
        model_set_renew(s, (size_t)(entry - s->entries), wanted->next[i]);
    }
    return wanted->commit(wanted->context, error);
}

static grpc_status renew(registry *r, const renewal *wanted, grpc_error *error)
{
    model_set *s = model_set_new(r->current);
    if (!s || !reserve_versions(r, wanted->count)) {
        model_set_release(s);
        return fail_no_memory(error);
    }
    if (put_next(s, wanted, error) != GRPC_OK) {
        model_set_release(s);
        return error->status;
    }
    for (size_t i = 0; i < wanted->count; i++)
        r->versions[r->version_count++] = wanted->next[i];
    publish(r, s);
    return GRPC_OK;
}

grpc_status registry_renew(registry *r, const renewal *wanted, grpc_error *error)
{
    *error = (grpc_error){.pushback_ms = -1};
    (void)pthread_mutex_lock(&r->lock);
    const grpc_status status = renew(r, wanted, error);
    (void)pthread_mutex_unlock(&r->lock);
    return status;
}

model_set *registry_share(registry *r)
{
    (void)pthread_mutex_lock(&r->lock);
    model_set *s = model_set_share(r->current);
    (void)pthread_mutex_unlock(&r->lock);
    return s;
}

uint64_t registry_revision(const registry *r)
{
    return atomic_load_explicit(&r->revision, memory_order_acquire);
}
