#include "loader.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "file_stamp.h"
#include "huge_pages.h"
#include "limit.h"
#include "log.h"
#include "model_folder.h"
#include "option.h"
#include "vql/kernels.h"
#include "warm_up.h"

enum {
    MS_PER_S = 1000,
    NS_PER_MS = 1000000,
    KEPT_BY_LATEST = 2, /* the active version and the one before */
    LOOK_MS = 1000,     /* between two looks at a folder that says nothing */
    REFUSED = 16,       /* files that are remembered as bad */
};

/* A file that could not be loaded, as it was then. */
typedef struct refused_file {
    model_name name;
    file_stamp stamp;
} refused_file;

struct loader {
    const config *config;
    registry *models;
    items *items;
    recent *requests;
    const char *folder; /* NULL: one file */
    pthread_t thread;
    bool started;
    void (*answered)(void *context, job *j);
    void *context;

    pthread_mutex_t lock;
    pthread_cond_t came;
    job *first, **last; /* orders, linked by next_queued */
    size_t waiting;
    bool look, stopping;

    /* The policy's. */
    model_name newest;             /* the last by name of all that were loaded */
    model_name expected;           /* is to be active when it is ready; empty: none */
    refused_file refused[REFUSED]; /* the last files that were, by turns */
    size_t next_refused;
    uint64_t looked_ms; /* when it looked at the folder last, on the monotonic clock */
};

static uint64_t clock_ms(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * MS_PER_S + (uint64_t)now.tv_nsec / NS_PER_MS;
}

static model_name name_of(const char *text)
{
    model_name name;
    (void)snprintf(name.text, sizeof name.text, "%s", text);
    return name;
}

loader *loader_new(const config *c, registry *models, items *upserts, recent *requests)
{
    pthread_condattr_t monotonic;
    loader *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->config = c;
    l->models = models;
    l->items = upserts;
    l->requests = requests;
    l->folder = model_folder_is(c->model) ? c->model : NULL;
    l->last = &l->first;
    (void)pthread_mutex_init(&l->lock, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&l->came, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    return l;
}

void loader_free(loader *l)
{
    if (!l)
        return;
    (void)pthread_cond_destroy(&l->came);
    (void)pthread_mutex_destroy(&l->lock);
    free(l);
}

const char *loader_folder(const loader *l)
{
    return l->folder;
}

/* Reads and tries a version. Returns the status that *error was filled with. */
static grpc_status read_version(loader *l, const char *path, const char *name, version **out,
                                grpc_error *error)
{
    const config *c = l->config;
    vql_error cause = {0};
    const vql_catalog_options options = {
        .table_bytes = (size_t)c->table_bytes,
        .format = c->scoring_format == CONFIG_SCORING_F32 ? VQL_SCORING_F32 : VQL_SCORING_INT16,
        .spare_items = c->max_new_items,
        .allocator = huge_pages_allocator(),
    };
    vql_code code = version_load(path, name, &options, out, &cause);
    if (code == VQL_OK) {
        code = warm_up(*out, l->requests, &cause);
        if (code == VQL_OK)
            return GRPC_OK;
        version_release(*out);
    }
    (void)grpc_fail(error, code == VQL_NO_MEMORY ? GRPC_UNAVAILABLE : GRPC_INVALID_ARGUMENT, "%s",
                    cause.text);
    error->reason = code == VQL_NO_MEMORY ? "NO_MEMORY" : "BAD_MODEL";
    return error->status;
}

/* Loads a file and logs how that went. name: NULL for the model's own. */
static grpc_status load(loader *l, const char *path, const char *name, grpc_error *error)
{
    const uint64_t begin_ms = clock_ms(CLOCK_MONOTONIC);
    version *v = NULL;
    *error = (grpc_error){.status = GRPC_OK};
    if (name)
        (void)registry_check(l->models, name, error);
    if (error->status == GRPC_OK)
        (void)read_version(l, path, name, &v, error);
    if (error->status == GRPC_OK && items_add_version(l->items, v, error) != GRPC_OK)
        version_release(v);
    if (error->status != GRPC_OK) {
        log_error("cannot load the model", log_str("path", path), log_str("error", error->message));
        return error->status;
    }
    const vql_shape *shape = vql_model_shape(v->model);
    log_info("model loaded", log_str("model", v->name), log_u64("items", shape->items),
             log_str("kernels", vql_kernels_name()), log_u64("tasks", shape->tasks),
             log_u64("event_types", shape->event_types), log_u64("bytes", version_bytes(v)),
             log_u64("ms", clock_ms(CLOCK_MONOTONIC) - begin_ms));
    if (name && model_name_compare(name, l->newest.text) > 0)
        l->newest = name_of(name);
    return GRPC_OK;
}

static grpc_status load_named(loader *l, const char *name, grpc_error *error)
{
    char path[OPTION_PATH_BYTES];
    if (!l->folder)
        (void)grpc_fail(error, GRPC_FAILED_PRECONDITION,
                        "the server has no folder of models: --model is a file");
    else if (!model_folder_may_have(name))
        (void)grpc_fail_field(error, GRPC_INVALID_ARGUMENT, "BAD_NAME",
                              "name: \"%s\" is no name of a version: no path, no leading dot, 1 to "
                              "%d bytes",
                              name, VQL_MAX_NAME_BYTES);
    else if (!model_folder_path(l->folder, name, path, sizeof path))
        (void)grpc_fail_field(error, GRPC_INVALID_ARGUMENT, "BAD_NAME",
                              "name: the path is too long");
    else if (access(path, F_OK) != 0)
        (void)grpc_fail_field(error, GRPC_NOT_FOUND, "NO_SUCH_MODEL",
                              "name: the folder has no \"%s\"", name);
    else
        return load(l, path, name, error);
    return error->status;
}

bool loader_begin(loader *l)
{
    model_name *names;
    size_t count;
    uint32_t loaded = 0;
    vql_error error = {0};
    grpc_error refusal;
    if (!l->folder)
        return load(l, l->config->model, NULL, &refusal) == GRPC_OK;
    if (!model_folder_list(l->folder, &names, &count, &error)) {
        log_error("cannot read the folder of models", log_str("error", error.text));
        return false;
    }
    uint32_t most = l->config->max_models;
    if (l->config->model_policy == CONFIG_MODELS_LATEST && most > KEPT_BY_LATEST)
        most = KEPT_BY_LATEST;
    for (size_t i = count; i > 0 && loaded < most; i--)
        loaded += load_named(l, names[i - 1].text, &refusal) == GRPC_OK;
    if (loaded == 0)
        log_error("the folder has no model that can be loaded", log_str("model", l->folder));
    free(names);
    return loaded > 0;
}

/* ---- the policy ---- */

/* Takes a version out that nobody is given. */
static void unload(loader *l, const char *name)
{
    grpc_error error;
    if (registry_remove(l->models, name, &error) == GRPC_OK)
        log_info("model unloaded", log_str("model", name));
    else
        log_warn("cannot unload a model", log_str("model", name), log_str("error", error.message));
}

/* Takes out all that nobody is given but the last `most` by name, and what is not to go. */
static void unload_oldest(loader *l, size_t most, const char *stays)
{
    model_set *s = registry_share(l->models);
    for (size_t left = s->count; left > most; left--) {
        const char *oldest = NULL;
        for (size_t i = 0; i < s->count; i++) {
            const model_entry *entry = &s->entries[i];
            const char *name = entry->version->name;
            if (i != s->active && entry->weight == 0 && strcmp(name, stays) != 0 &&
                (!oldest || model_name_compare(name, oldest) < 0))
                oldest = name;
        }
        if (!oldest)
            break;
        unload(l, oldest);
        model_set_release(s);
        s = registry_share(l->models);
    }
    model_set_release(s);
}

/* Whether a file that was refused is still as it was. */
static bool is_refused(const loader *l, const char *name, const file_stamp *stamp)
{
    for (size_t i = 0; i < REFUSED; i++)
        if (strcmp(l->refused[i].name.text, name) == 0 &&
            file_stamp_equal(&l->refused[i].stamp, stamp))
            return true;
    return false;
}

/* Whether a file has been left alone for a while: who writes it slowly is not done. */
static bool is_settled(const file_stamp *stamp)
{
    const int64_t changed_ms = stamp->seconds * MS_PER_S + stamp->nanoseconds / NS_PER_MS;
    const int64_t age_ms = (int64_t)clock_ms(CLOCK_REALTIME) - changed_ms;
    return age_ms < 0 || age_ms >= LIMIT_SETTLE_MS;
}

/* Loads a version that is newer than all. True: there is no need to look at others. */
static bool try_newest(loader *l, const char *name)
{
    char path[OPTION_PATH_BYTES];
    grpc_error error;
    if (!model_folder_path(l->folder, name, path, sizeof path))
        return false;
    const file_stamp stamp = file_stamp_of(path);
    if (is_refused(l, name, &stamp))
        return false;
    if (!is_settled(&stamp)) {
        l->looked_ms = 0; /* look again soon */
        return true;
    }
    unload_oldest(l, l->config->max_models - 1, "");
    if (load(l, path, name, &error) == GRPC_OK) {
        l->expected = name_of(name);
        return true;
    }
    l->refused[l->next_refused] = (refused_file){.name = name_of(name), .stamp = stamp};
    l->next_refused = (l->next_refused + 1) % REFUSED;
    return false;
}

/* Looks whether there is a version newer than all that were loaded. */
static void look(loader *l)
{
    model_name *names;
    size_t count;
    vql_error error = {0};
    l->looked_ms = clock_ms(CLOCK_MONOTONIC);
    if (!model_folder_list(l->folder, &names, &count, &error)) {
        log_warn("cannot read the folder of models", log_str("error", error.text));
        return;
    }
    for (size_t i = count; i > 0 && model_name_compare(names[i - 1].text, l->newest.text) > 0; i--)
        if (try_newest(l, names[i - 1].text))
            break;
    free(names);
}

/* Has the version that is expected be active, if it is ready. */
static void activate_expected(loader *l)
{
    grpc_error error;
    model_set *s = registry_share(l->models);
    const model_entry *entry = model_set_find(s, l->expected.text);
    const bool gone = !entry;
    const bool split = s->entries[s->active].weight > 0;
    const model_name before = name_of(model_set_active(s)->name);
    const bool ready = entry && version_is_ready(entry->version);
    model_set_release(s);
    if (!gone && !ready)
        return;
    model_activation wanted = {.share_count = 0};
    (void)snprintf(wanted.name, sizeof wanted.name, "%s", l->expected.text);
    if (split) {
        log_info("a split is under way: the model is not activated", log_str("model", wanted.name));
    } else if (!gone && registry_activate(l->models, &wanted, &error) == GRPC_OK) {
        log_info("model activated", log_str("model", wanted.name));
        unload_oldest(l, KEPT_BY_LATEST, before.text);
    }
    l->expected.text[0] = '\0';
}

/* ---- the thread ---- */

/* Waits until there is something to do. Returns an order; NULL: there is none, or it is the end. */
static job *wait_for_order(loader *l, uint64_t most_ms, bool *stopping, bool *looks)
{
    const uint64_t end_ms = clock_ms(CLOCK_MONOTONIC) + most_ms;
    const struct timespec end = {.tv_sec = (time_t)(end_ms / MS_PER_S),
                                 .tv_nsec = (long)(end_ms % MS_PER_S) * NS_PER_MS};
    (void)pthread_mutex_lock(&l->lock);
    while (!l->first && !l->stopping && !l->look)
        if (pthread_cond_timedwait(&l->came, &l->lock, &end) == ETIMEDOUT)
            break;
    job *j = l->stopping ? NULL : l->first;
    if (j) {
        l->first = j->next_queued;
        l->waiting--;
        if (!l->first)
            l->last = &l->first;
    }
    *stopping = l->stopping;
    *looks = l->look;
    l->look = false;
    (void)pthread_mutex_unlock(&l->lock);
    return j;
}

/* Orders that nobody waits for any more are not carried out. */
static void carry_out(loader *l, job *j)
{
    if (atomic_load_explicit(&j->cancelled, memory_order_relaxed))
        (void)grpc_fail(&j->error, GRPC_CANCELLED, "cancelled");
    else
        (void)load_named(l, j->model, &j->error);
    l->answered(l->context, j);
}

/* True while something will become of a version by itself. */
static bool is_pending(loader *l)
{
    return l->expected.text[0] != '\0' || registry_has_unused(l->models) ||
           (l->folder && l->looked_ms == 0);
}

/*
 * The thread gets the time that nobody else wants, and loses it at once when somebody does. Without
 * the kernel's leave for that it is only nice.
 */
static void give_way(void)
{
    const struct sched_param none = {.sched_priority = 0};
    if (pthread_setschedparam(pthread_self(), SCHED_IDLE, &none) != 0)
        (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), LIMIT_LOADER_NICE);
}

static void *run(void *argument)
{
    loader *l = argument;
    bool stopping = false, looks = false;
    give_way();
    while (!stopping) {
        job *j = wait_for_order(l, is_pending(l) ? LIMIT_LOADER_MS : LOOK_MS, &stopping, &looks);
        if (stopping)
            break;
        if (j)
            carry_out(l, j);
        if (l->folder && l->config->model_policy == CONFIG_MODELS_LATEST &&
            (looks || clock_ms(CLOCK_MONOTONIC) >= l->looked_ms + LOOK_MS))
            look(l);
        if (l->expected.text[0] != '\0')
            activate_expected(l);
        registry_sweep(l->models);
    }
    return NULL;
}

bool loader_start(loader *l, void (*answered)(void *context, job *j), void *context)
{
    l->answered = answered;
    l->context = context;
    l->looked_ms = clock_ms(CLOCK_MONOTONIC);
    l->started = pthread_create(&l->thread, NULL, run, l) == 0;
    return l->started;
}

bool loader_submit(loader *l, job *j)
{
    (void)pthread_mutex_lock(&l->lock);
    const bool taken = l->waiting < LIMIT_ORDERS && !l->stopping;
    if (taken) {
        j->next_queued = NULL;
        *l->last = j;
        l->last = &j->next_queued;
        l->waiting++;
        (void)pthread_cond_signal(&l->came);
    }
    (void)pthread_mutex_unlock(&l->lock);
    if (!taken) {
        (void)grpc_fail(&j->error, GRPC_UNAVAILABLE, "%d models wait to be loaded", LIMIT_ORDERS);
        j->error.reason = "OVERLOADED";
    }
    return taken;
}

void loader_look(loader *l)
{
    (void)pthread_mutex_lock(&l->lock);
    l->look = true;
    (void)pthread_cond_signal(&l->came);
    (void)pthread_mutex_unlock(&l->lock);
}

void loader_stop(loader *l)
{
    if (!l->started)
        return;
    (void)pthread_mutex_lock(&l->lock);
    l->stopping = true;
    (void)pthread_cond_signal(&l->came);
    (void)pthread_mutex_unlock(&l->lock);
    (void)pthread_join(l->thread, NULL);
    l->started = false;
    while (l->first) {
        job *j = l->first;
        l->first = j->next_queued;
        (void)grpc_fail(&j->error, GRPC_UNAVAILABLE, "the server is draining");
        j->error.reason = "DRAINING";
        l->answered(l->context, j);
    }
}
