#include "registry.h"

#include <pthread.h>
#include <stdlib.h>

struct registry {
    uint32_t max_models;
    uint32_t shards;
    pthread_mutex_t lock;
    model_set *current; /* under the lock */
    atomic_uint_fast64_t revision;
    uint64_t last_number;
    void (*tell)(void *context); /* NULL: nobody */
    void *context;

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

void registry_on_change(registry *r, void (*tell)(void *context), void *context)
{
    r->tell = tell;
    r->context = context;
}

void registry_expect(registry *r, uint32_t shards)
{
    r->shards = shards;
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
    (void)grpc_fail(error, GRPC_UNAVAILABLE, "the server is out of memory");
    error->reason = "NO_MEMORY";
    return error->status;
}

/* Makes a set what threads will see; the one before lives as long as somebody looks at it. */
static void publish(registry *r, model_set *s)
{
    model_set *before = r->current;
    r->current = s;
    atomic_store_explicit(&r->revision, s->revision, memory_order_release);
    model_set_release(before);
    if (r->tell)
        r->tell(r->context);
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

static grpc_status fail_unknown(const char *field, const char *name, grpc_error *error)
{
    return grpc_fail_field(error, GRPC_NOT_FOUND, "UNKNOWN_MODEL", "%s: \"%s\" is not loaded",
                           field, name);
}

/* Whether there is room for a version of that name. */
static grpc_status check_name(const registry *r, const char *name, grpc_error *error)
{
    if (model_set_find(r->current, name))
        return grpc_fail_field(error, GRPC_ALREADY_EXISTS, "MODEL_LOADED",
                               "name: \"%s\" is loaded already", name);
    if (r->current->count < r->max_models)
        return GRPC_OK;
    (void)grpc_fail(error, GRPC_RESOURCE_EXHAUSTED,
                    "\"%s\": %zu models are loaded; at most %u (the server's max-models)", name,
                    r->current->count, r->max_models);
    grpc_error_limit(error, "TOO_MANY_MODELS", "max-models", r->max_models);
    return error->status;
}

/* Whether a version may be added. */
static grpc_status check_new(const registry *r, const version *v, grpc_error *error)
{
    vql_error difference;
    const model_set *s = r->current;
    if (check_name(r, v->name, error) != GRPC_OK)
        return error->status;
    if (s->count == 0 || version_matches(v, model_set_active(s), &difference))
        return GRPC_OK;
    (void)grpc_fail(error, GRPC_FAILED_PRECONDITION, "\"%s\": %s", v->name, difference.text);
    error->reason = "INCOMPATIBLE_MODEL";
    return error->status;
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
    atomic_init(&v->progress->shards, r->shards);
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

grpc_status registry_check(registry *r, const char *name, grpc_error *error)
{
    (void)pthread_mutex_lock(&r->lock);
    const grpc_status status = check_name(r, name, error);
    (void)pthread_mutex_unlock(&r->lock);
    return status;
}

/* Whether a version may get users. */
static grpc_status check_ready(const version *v, bool force, grpc_error *error)
{
    if (force || version_is_ready(v))
        return GRPC_OK;
    const version_progress *p = v->progress;
    (void)grpc_fail(error, GRPC_FAILED_PRECONDITION,
                    "\"%s\": the caches of %llu of %llu users are made; force does not wait",
                    v->name, (unsigned long long)atomic_load(&p->users_done),
                    (unsigned long long)atomic_load(&p->users));
    error->reason = "MODEL_NOT_READY";
    return error->status;
}

/* Finds a version that is to get users. NULL: *error says why it may not. */
static const model_entry *find_ready(const model_set *s, const char *field, const char *name,
                                     bool force, grpc_error *error)
{
    const model_entry *entry = model_set_find(s, name);
    if (!entry)
        (void)fail_unknown(field, name, error);
    return entry && check_ready(entry->version, force, error) == GRPC_OK ? entry : NULL;
}

/* Gives the set its split. */
static grpc_status divide(model_set *s, const model_activation *wanted, grpc_error *error)
{
    uint32_t greatest = 0;
    for (size_t i = 0; i < s->count; i++)
        s->entries[i].weight = 0;
    for (size_t i = 0; i < wanted->share_count; i++) {
        const model_share *share = &wanted->shares[i];
        const model_entry *entry = find_ready(s, "shares.name", share->name, wanted->force, error);
        if (!entry)
            return error->status;
        const size_t at = (size_t)(entry - s->entries);
        if (share->weight == 0 || entry->weight > 0)
            return grpc_fail_field(error, GRPC_INVALID_ARGUMENT, "BAD_SHARES",
                                   "shares: \"%s\" has %s", share->name,
                                   share->weight == 0 ? "the weight 0; at least 1" : "two weights");
        s->entries[at].weight = share->weight;
        if (share->weight > greatest)
            s->active = at;
        if (share->weight > greatest)
            greatest = share->weight;
    }
    return GRPC_OK;
}

/* Changes a set as is wanted. */
static grpc_status change_active(model_set *s, const model_activation *wanted, grpc_error *error)
{
    if (wanted->share_count == 0 && wanted->name[0] == '\0')
        return grpc_fail_field(error, GRPC_INVALID_ARGUMENT, "NO_MODEL",
                               "name: empty, and there are no shares");
    if (divide(s, wanted, error) != GRPC_OK)
        return error->status;
    if (wanted->name[0] == '\0')
        return GRPC_OK;
    const model_entry *entry = find_ready(s, "name", wanted->name, wanted->force, error);
    if (!entry)
        return error->status;
    if (wanted->share_count > 0 && entry->weight == 0)
        return grpc_fail_field(error, GRPC_INVALID_ARGUMENT, "BAD_SHARES",
                               "name: \"%s\" is to be active, but has no share", wanted->name);
    s->active = (size_t)(entry - s->entries);
    return GRPC_OK;
}

grpc_status registry_activate(registry *r, const model_activation *wanted, grpc_error *error)
{
    (void)pthread_mutex_lock(&r->lock);
    model_set *s = model_set_new(r->current);
    const grpc_status status = s ? change_active(s, wanted, error) : fail_no_memory(error);
    if (s && status == GRPC_OK)
        publish(r, s);
    else
        model_set_release(s);
    (void)pthread_mutex_unlock(&r->lock);
    return status;
}

static grpc_status take_out(registry *r, const char *name, grpc_error *error)
{
    const model_entry *entry = model_set_find(r->current, name);
    if (!entry)
        return fail_unknown("name", name, error);
    const size_t at = (size_t)(entry - r->current->entries);
    if (at == r->current->active || entry->weight > 0) {
        (void)grpc_fail(error, GRPC_FAILED_PRECONDITION, "\"%s\" %s; activate another first", name,
                        at == r->current->active ? "is active" : "has a share of the users");
        error->reason = "MODEL_IN_USE";
        return error->status;
    }
    model_set *s = model_set_new(r->current);
    if (!s)
        return fail_no_memory(error);
    model_set_remove(s, at);
    publish(r, s);
    return GRPC_OK;
}

grpc_status registry_remove(registry *r, const char *name, grpc_error *error)
{
    (void)pthread_mutex_lock(&r->lock);
    const grpc_status status = take_out(r, name, error);
    (void)pthread_mutex_unlock(&r->lock);
    return status;
}

/* Takes out a version that nobody else has. NULL: there is none. */
static version *take_unused(registry *r)
{
    version *unused = NULL;
    (void)pthread_mutex_lock(&r->lock);
    for (size_t i = r->version_count; i > 0 && !unused; i--) {
        if (!version_is_last(r->versions[i - 1]))
            continue;
        unused = r->versions[i - 1];
        r->versions[i - 1] = r->versions[--r->version_count];
    }
    (void)pthread_mutex_unlock(&r->lock);
    return unused;
}

bool registry_has_unused(registry *r)
{
    (void)pthread_mutex_lock(&r->lock);
    const bool has = r->version_count > r->current->count;
    (void)pthread_mutex_unlock(&r->lock);
    return has;
}

void registry_sweep(registry *r)
{
    for (version *v = take_unused(r); v; v = take_unused(r))
        version_release(v);
}

/* Puts the generations into a set. */
static grpc_status put_next(model_set *s, const renewal *wanted, grpc_error *error)
{
    for (size_t i = 0; i < wanted->count; i++) {
        const model_entry *entry = model_set_numbered(s, wanted->next[i]->number);
        if (!entry)
            return fail_unknown("model", wanted->next[i]->name, error);
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
