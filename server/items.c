#include "items.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "id_map.h"
#include "log.h"
#include "upsert_survivors.h"

enum {
    BATCH_REQUESTS = 256,
    BATCH_ITEMS = 4096,

    /* The log is compacted when its items take this part of the room, and half of them are void. */
    COMPACTED_SHARE = 4,
};

struct items {
    registry *models;
    upsert_log *log;
    uint32_t max_new_items;
    pthread_mutex_t lock; /* one request, or one version's restoration, at a time */
};

items *items_new(registry *models, upsert_log *log, uint32_t max_new_items)
{
    items *it = calloc(1, sizeof *it);
    if (!it)
        return NULL;
    it->models = models;
    it->log = log;
    it->max_new_items = max_new_items;
    (void)pthread_mutex_init(&it->lock, NULL);
    return it;
}

void items_free(items *it)
{
    if (!it)
        return;
    (void)pthread_mutex_destroy(&it->lock);
    upsert_log_close(it->log);
    free(it);
}

static grpc_status fail_no_memory(grpc_error *error)
{
    (void)grpc_fail(error, GRPC_UNAVAILABLE, "the server is out of memory");
    error->reason = "NO_MEMORY";
    error->pushback_ms = LIMIT_PUSHBACK_MS;
    return error->status;
}

/* What the core says of a version's extension. */
static grpc_status fail_extension(const items *it, const version *v, const vql_error *cause,
                                  grpc_error *error)
{
    static const char field[] = "items";
    switch (cause->code) {
    case VQL_NO_MEMORY:
        return fail_no_memory(error);
    case VQL_FULL:
        (void)grpc_fail_field(error, GRPC_RESOURCE_EXHAUSTED, NULL,
                              "%.150s (model \"%.60s\"; the server's max-new-items)", cause->text,
                              v->name);
        grpc_error_limit(error, "TOO_MANY_ITEMS", "max-new-items", it->max_new_items);
        return error->status;
    default:
        (void)grpc_fail(error, GRPC_INVALID_ARGUMENT, "%.170s (model \"%.60s\")", cause->text,
                        v->name);
        error->reason = "BAD_ITEM";
        error->field = strncmp(cause->text, field, strlen(field)) == 0;
        return error->status;
    }
}

/* ---- a request ---- */

/* A request on its way into the log. */
typedef struct commitment {
    items *items;
    const uint8_t *message;
    size_t bytes;
} commitment;

static grpc_status commit(void *context, grpc_error *error)
{
    const commitment *c = context;
    switch (upsert_log_append(c->items->log, c->message, c->bytes)) {
    case STORE_OK:
        return GRPC_OK;
    case STORE_NO_MEMORY:
        return fail_no_memory(error);
    case STORE_CHANGED: /* never here */
    case STORE_UNAVAILABLE:
    case STORE_DAMAGED:
        break;
    }
    (void)grpc_fail(error, GRPC_UNAVAILABLE, "items: the store is unavailable");
    error->reason = "STORE_UNAVAILABLE";
    error->pushback_ms = LIMIT_PUSHBACK_MS;
    return error->status;
}

static void release_all(renewal *r)
{
    for (size_t i = 0; i < r->count; i++)
        version_release(r->next[i]);
    r->count = 0;
}

/* Adds a version's next generation to a renewal. */
static grpc_status extend_version(const items *it, version *v, const upsert *u, renewal *r,
                                  grpc_error *error)
{
    vql_catalog *catalog;
    vql_error cause;
    if (vql_catalog_extend(v->catalog, upsert_items(u), u->items.count, &catalog, &cause) != VQL_OK)
        return fail_extension(it, v, &cause, error);
    version *next = version_extend(v, catalog);
    if (!next) {
        vql_catalog_free(catalog);
        return fail_no_memory(error);
    }
    r->next[r->count++] = next;
    return GRPC_OK;
}

static bool is_for(const upsert *u, const version *v)
{
    return u->model[0] == '\0' || strcmp(u->model, v->name) == 0;
}

/* Extends the versions of a set that a request is for. */
static grpc_status extend_set(const items *it, const model_set *s, const upsert *u, renewal *r,
                              grpc_error *error)
{
    if (u->model[0] != '\0' && !model_set_find(s, u->model))
        return grpc_fail_field(error, GRPC_NOT_FOUND, "UNKNOWN_MODEL",
                               "model: \"%.*s\" is not loaded", VQL_MAX_NAME_BYTES, u->model);
    for (size_t i = 0; i < s->count; i++) {
        version *v = s->entries[i].version;
        if (is_for(u, v) && extend_version(it, v, u, r, error) != GRPC_OK)
            return error->status;
    }
    return GRPC_OK;
}

static void fill_outcome(const items *it, const renewal *r, upsert_outcome *out)
{
    *out = (upsert_outcome){
        .durability = upsert_log_durability(it->log),
        .sequence = upsert_log_count(it->log),
        .room = UINT32_MAX,
        .model_count = r->count,
    };
    for (size_t i = 0; i < r->count; i++) {
        const uint32_t room = vql_catalog_spare_rows(r->next[i]->catalog);
        out->room = room < out->room ? room : out->room;
        memcpy(out->models[i], r->next[i]->name, sizeof out->models[i]);
    }
}

/* Under the lock, so that the set's catalogs are the newest. */
static grpc_status apply(items *it, const upsert *u, commitment *c, upsert_outcome *out,
                         grpc_error *error)
{
    renewal r = {.commit = commit, .context = c};
    model_set *s = registry_share(it->models);
    if (extend_set(it, s, u, &r, error) == GRPC_OK &&
        registry_renew(it->models, &r, error) == GRPC_OK)
        fill_outcome(it, &r, out);
    else
        release_all(&r);
    model_set_release(s);
    return error->status;
}

grpc_status items_upsert(items *it, const uint8_t *message, size_t bytes, upsert_outcome *out,
                         grpc_error *error)
{
    upsert u;
    commitment c = {.items = it, .message = message, .bytes = bytes};
    if (!decode_upsert(message, bytes, it->max_new_items, &u, error))
        return error->status;
    if (u.items.count > 0) {
        (void)pthread_mutex_lock(&it->lock);
        (void)apply(it, &u, &c, out, error);
        (void)pthread_mutex_unlock(&it->lock);
    } else {
        (void)grpc_fail_field(error, GRPC_INVALID_ARGUMENT, "NO_ITEMS", "items: none; at least 1");
    }
    upsert_clear(&u);
    return error->status;
}

/* ---- a version ---- */

/* The requests of a version, some at a time: one extension takes as long as another. */
typedef struct restoration {
    const items *items;
    version *version;
    upsert batch[BATCH_REQUESTS]; /* [count] */
    uint64_t numbers[BATCH_REQUESTS];
    size_t count, items_in_batch;
    grpc_error *error; /* set: it has failed */
} restoration;

/* Puts another catalog into a version that nobody else has yet. */
static void replace_catalog(version *v, vql_catalog *catalog)
{
    vql_catalog_free(v->catalog);
    v->catalog = catalog;
}

/* One request; false: the restoration has failed. */
static bool restore_one(restoration *to, const upsert *u, uint64_t number)
{
    version *v = to->version;
    vql_catalog *next;
    vql_error cause;
    const vql_code code =
        vql_catalog_extend(v->catalog, upsert_items(u), u->items.count, &next, &cause);
    if (code == VQL_OK) {
        replace_catalog(v, next);
        return true;
    }
    if (code == VQL_NO_MEMORY || code == VQL_FULL) {
        (void)fail_extension(to->items, v, &cause, to->error);
        if (code == VQL_FULL)
            to->error->status = GRPC_FAILED_PRECONDITION;
        return false;
    }
    log_warn("items do not fit a model and are passed over", log_str("model", v->name),
             log_u64("upsert", number), log_str("error", cause.text));
    return true;
}

/* All of the batch at once, or, where something does not fit, one by one. */
static bool restore_batch(restoration *to)
{
    version *v = to->version;
    vql_item *all = malloc((to->items_in_batch + 1) * sizeof *all);
    vql_catalog *next;
    size_t count = 0;
    if (!all)
        return fail_no_memory(to->error) == GRPC_OK;
    for (size_t i = 0; i < to->count; i++) {
        const upsert *u = &to->batch[i];
        memcpy(all + count, upsert_items(u), u->items.count * sizeof *all);
        count += u->items.count;
    }
    bool ok = true;
    if (count > 0 && vql_catalog_extend(v->catalog, all, count, &next, NULL) == VQL_OK)
        replace_catalog(v, next);
    else
        for (size_t i = 0; ok && i < to->count; i++)
            ok = restore_one(to, &to->batch[i], to->numbers[i]);
    free(all);
    for (size_t i = 0; i < to->count; i++)
        upsert_clear(&to->batch[i]);
    to->count = to->items_in_batch = 0;
    return ok;
}

static bool add_request(void *context, uint64_t number, const uint8_t *message, size_t bytes)
{
    restoration *to = context;
    upsert *u = &to->batch[to->count];
    if (!decode_upsert(message, bytes, UINT32_MAX, u, to->error))
        return false;
    if (!is_for(u, to->version)) {
        upsert_clear(u);
        return true;
    }
    to->numbers[to->count++] = number;
    to->items_in_batch += u->items.count;
    return (to->count < BATCH_REQUESTS && to->items_in_batch < BATCH_ITEMS) || restore_batch(to);
}

/* Looking through the log for what is void in it. */
typedef struct review {
    upsert_survivors *survivors;
    bool failed;
} review;

static bool look_at(void *context, uint64_t number, const uint8_t *message, size_t bytes)
{
    (void)number;
    review *r = context;
    upsert u;
    grpc_error cause;
    r->failed = !decode_upsert(message, bytes, UINT32_MAX, &u, &cause) ||
                !upsert_survivors_add(r->survivors, &u);
    upsert_clear(&u);
    return !r->failed;
}

static size_t filter(void *context, const uint8_t *message, size_t bytes, uint8_t *out)
{
    return upsert_survivors_filter(context, message, bytes, out);
}

static bool is_worth_it(const items *it, const upsert_survivors *s)
{
    const size_t count = upsert_survivors_items(s);
    return count >= it->max_new_items / COMPACTED_SHARE && upsert_survivors_void(s) > 0 &&
           upsert_survivors_void(s) >= count / 2;
}

/*
 * Takes out of the log what is void, if that is worth making all users' snapshots again, which mean
 * rows. A log that cannot be compacted stays as it is: whoever needs it says what is wrong with it.
 */
static void compact(items *it)
{
    if (!upsert_log_is_written(it->log))
        return;
    review r = {.survivors = upsert_survivors_new()};
    const bool read = r.survivors && upsert_log_read(it->log, look_at, &r) == STORE_OK;
    if (read && !r.failed && is_worth_it(it, r.survivors) &&
        upsert_log_compact(it->log, filter, r.survivors) == STORE_OK)
        log_info("the log of items is compacted",
                 log_u64("items", upsert_survivors_items(r.survivors)),
                 log_u64("void", upsert_survivors_void(r.survivors)));
    upsert_survivors_free(r.survivors);
}

/* Snapshots of a version's caches are of use as long as its rows are the same. */
static uint64_t snapshots_of(const items *it, const version *v)
{
    const uint64_t compactions = upsert_log_compactions(it->log);
    const uint64_t model = vql_model_fingerprint(v->model);
    return compactions > 0 ? id_hash(model + id_hash(compactions)) : model;
}

/* Gives a version what the log has for it. */
static grpc_status restore(items *it, version *v, grpc_error *error)
{
    *error = (grpc_error){.pushback_ms = -1};
    if (upsert_log_count(it->log) == 0)
        return GRPC_OK;
    compact(it);
    v->snapshots = snapshots_of(it, v);
    restoration *to = calloc(1, sizeof *to);
    if (!to)
        return fail_no_memory(error);
    to->items = it;
    to->version = v;
    to->error = error;
    const store_code code = upsert_log_read(it->log, add_request, to);
    if (code != STORE_OK && error->status == GRPC_OK)
        (void)grpc_fail(error, GRPC_DATA_LOSS, "the stored items cannot be read");
    if (error->status == GRPC_OK)
        (void)restore_batch(to);
    for (size_t i = 0; i < to->count; i++)
        upsert_clear(&to->batch[i]);
    free(to);
    return error->status;
}

grpc_status items_add_version(items *it, version *v, grpc_error *error)
{
    (void)pthread_mutex_lock(&it->lock);
    if (restore(it, v, error) == GRPC_OK)
        (void)registry_add(it->models, v, error);
    (void)pthread_mutex_unlock(&it->lock);
    return error->status;
}
