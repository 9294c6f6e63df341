#include "server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "address.h"
#include "census.h"
#include "limit.h"
#include "listener.h"
#include "log.h"
#include "observatory.h"
#include "option.h"
#include "supervisor.h"
#include "upserter.h"
#include "worker.h"

enum {
    NS_PER_MS = 1000000,
    DRAIN_POLL_MS = 10, /* how often the control thread looks whether a drain is over */
    SEEN_MS = 1000,     /* how long the answer to items waits for workers to see them */
    LOOKS_PER_MS = 10,
    WATCH_MS = 1000, /* how often it looks at certificates, tokens and the store */
    NAMES_BYTES = LIMIT_LISTENERS * LISTENER_TEXT_BYTES,
};

typedef struct server {
    const config *config;
    registry *models;
    upserter *upserter;
    loader *loader;
    recent *requests;
    secrets *secrets;
    database *database;    /* NULL: histories are not on disk */
    redis_database *redis; /* NULL: nor in Redis */
    unsigned outages;      /* of the database, that workers were told */
    listener listeners[LIMIT_LISTENERS];
    uint32_t listener_count; /* that are open */
    census *census;          /* NULL: no limit */
    worker *workers;         /* [count] */
    post *posts;             /* [count]: theirs */
    uint32_t count;          /* that were made */
    uint32_t started;
    observatory pages;

    uv_loop_t loop;
    uv_signal_t terminate, interrupt, hangup, copy;
    uv_timer_t drain, watch;
    uv_fs_event_t folder;  /* of models */
    uint64_t drain_end_ms; /* on the control loop's clock */
    bool stopping;
} server;

static int64_t wall_clock_ms(void)
{
    uv_timeval64_t now;
    (void)uv_gettimeofday(&now);
    return now.tv_sec * 1000 + now.tv_usec / 1000;
}

/* One message of the greatest length always fits, as its queue grows. */
static size_t connection_bytes(const config *c)
{
    const uint64_t least = 2 * c->max_message_bytes;
    return (size_t)(c->max_connection_bytes > least ? c->max_connection_bytes : least);
}

static session_options session_options_of(const config *c, ledger *l)
{
    return (session_options){
        .max_streams = c->max_streams,
        .max_header_bytes = LIMIT_HEADER_BYTES,
        .stream_window = LIMIT_STREAM_WINDOW,
        .connection_window = LIMIT_CONNECTION_WINDOW,
        .max_message_bytes = (uint32_t)c->max_message_bytes,
        .max_unsent_bytes = LIMIT_UNSENT_BYTES,
        .compress_above = (uint32_t)c->compress_above,
        .metadata = service_metadata,
        .lifetime =
            {
                .max_age_ns = c->max_connection_age_ms * NS_PER_MS,
                .max_age_grace_ns = c->max_connection_age_grace_ms * NS_PER_MS,
                .keepalive_ns = c->keepalive_ms * NS_PER_MS,
                .keepalive_timeout_ns = c->keepalive_timeout_ms * NS_PER_MS,
            },
        .max_connection_bytes = connection_bytes(c),
        .ledger = l,
        .budget_ns = (uint64_t)LIMIT_BUDGET_MS * NS_PER_MS,
        .patience_ms =
            {
                [PATIENCE_HANDSHAKE] = c->handshake_ms,
                [PATIENCE_HEADERS] = c->headers_ms,
                [PATIENCE_WINDOW] = c->stall_ms,
                [PATIENCE_WRITE] = c->stall_ms,
                [PATIENCE_IDLE] = c->idle_ms,
            },
        .body_ms = c->body_ms,
        .body_rate = LIMIT_BODY_RATE,
    };
}

/* The service's owner is its post. */
static bool control(void *owner, job *j)
{
    const post *p = owner;
    return j->operation == OPERATION_UPSERT ? upserter_submit(p->upserter, j)
                                            : loader_submit(p->loader, j);
}

/* There are other models: every thread has a turn to see them, and to let the old ones go. */
static void on_models(void *context)
{
    server *s = context;
    for (uint32_t i = 0; i < s->started; i++)
        worker_wake(&s->workers[i]);
}

/* On the loader's thread. */
static void on_answered(void *context, job *j)
{
    server *s = context;
    const uint32_t origin = j->origin;
    post_answer(&s->posts[origin], j);
    worker_wake(&s->workers[origin]);
}

static void configure(worker *w, const server *s, uint32_t index, uint32_t count)
{
    const config *c = s->config;
    w->index = index;
    w->workers = s->workers;
    w->post = &s->posts[index];
    w->post->index = index;
    w->post->all = s->posts;
    w->post->count = count;
    w->post->upserter = s->upserter;
    w->service.limits = (request_limits){
        .max_candidates = c->max_candidates,
        .max_events = c->max_events,
        .max_future_ms = (int64_t)c->max_future_ms,
    };
    w->service.ledger.limit = (size_t)c->max_pending_bytes;
    w->service.jobs.ledger = &w->service.ledger;
    w->connections.options = session_options_of(c, &w->service.ledger);
    w->connections.credentials = s->secrets->credentials;
    w->connections.census = s->census;
    w->connections.max_count = c->max_connections;
    w->connections.max_handshakes = c->max_handshakes;
    w->connections.wall_ms = wall_clock_ms;
    w->call_log.slow_ns = c->slow_call_ms * NS_PER_MS;
    w->call_log.per_second = c->log_calls;
    w->service.control = control;
    w->service.recent = s->requests;
    w->post->loader = s->loader;
}

/* A store that may block, for one thread. NULL: no memory. */
static store *open_store(const server *s)
{
    return s->redis ? store_redis_open(s->redis) : store_rocksdb_open(s->database);
}

/* A shard with the stores of its own. */
static shard *make_shard_with_clerk(const server *s, model_set *models,
                                    const shard_options *options)
{
    store *writer = open_store(s);
    store *reader = open_store(s);
    clerk *c = writer && reader ? clerk_new(writer, reader) : NULL;
    if (!c) {
        if (writer)
            store_close(writer);
        if (reader)
            store_close(reader);
        return NULL;
    }
    shard *made = shard_new_with_clerk(models, c, options);
    if (!made)
        clerk_free(c);
    return made;
}

/* Shard `index` of `count`, which share the memory evenly. */
static shard *make_shard(server *s, model_set *models, uint32_t index, uint32_t count)
{
    const shard_options options = {
        .budget_bytes = (size_t)(s->config->memory / count),
        .cache_format = (vql_cache_format)s->config->cache_format,
        .shed_target_ms = s->config->shed_target_ms,
        .shed_interval_ms = s->config->shed_interval_ms,
        .meters = &s->workers[index].meters,
        .news = s->redis ? redis_database_news(s->redis) : NULL,
        .retention =
            {
                .max_events = s->config->retain_events,
                .max_age_ms = s->config->retain_days * INT64_C(86400000),
                .shard = index,
                .shards = count,
            },
    };
    if (s->database || s->redis)
        return make_shard_with_clerk(s, models, &options);
    store *st = store_memory_open();
    shard *made = st ? shard_new(models, st, &options) : NULL;
    if (st && !made)
        store_close(st);
    return made;
}

/* A socket on each address. False: logged, and none is open. */
static bool make_sockets(server *s, int *fds)
{
    for (uint32_t i = 0; i < s->listener_count; i++) {
        fds[i] = listener_socket(&s->listeners[i]);
        if (fds[i] >= 0)
            continue;
        while (i > 0)
            (void)close(fds[--i]);
        return false;
    }
    return true;
}

static bool make_worker(server *s, uint32_t index, uint32_t count)
{
    worker *w = &s->workers[index];
    int fds[LIMIT_LISTENERS];
    configure(w, s, index, count);
    if (s->secrets->gate) {
        w->service.gate = gate_view_new(s->secrets->gate);
        if (!w->service.gate) {
            log_error("no memory for the tokens");
            return false;
        }
    }
    if (!model_view_init(&w->service.models, s->models)) {
        log_error("no memory for the models");
        return false;
    }
    shard *made = make_shard(s, w->service.models.current->set, index, count);
    if (!made) {
        model_view_clear(&w->service.models);
        log_error("no memory for a shard");
        return false;
    }
    if (!make_sockets(s, fds)) {
        shard_free(made);
        model_view_clear(&w->service.models);
        return false;
    }
    const int result = worker_init(w, made, fds, s->listener_count);
    if (result != 0) {
        shard_free(made);
        model_view_clear(&w->service.models);
        log_error("cannot make a worker", log_str("error", uv_strerror(result)));
        return false;
    }
    return true;
}

/*
 * Writes the addresses under another name and renames it, so that whoever waits for the file reads
 * it whole.
 */
static bool write_port_file(const char *path, const char *text)
{
    if (!path)
        return true;
    char temporary[4096];
    if (snprintf(temporary, sizeof temporary, "%s.tmp", path) >= (int)sizeof temporary) {
        log_error("port-file: the path is too long", log_str("path", path));
        return false;
    }
    FILE *file = fopen(temporary, "w");
    bool ok = file && fprintf(file, "%s\n", text) > 0;
    if (file)
        ok = fclose(file) == 0 && ok;
    ok = ok && rename(temporary, path) == 0;
    if (!ok)
        log_error("cannot write port-file", log_str("path", path),
                  log_str("error", strerror(errno)));
    return ok;
}

static bool open_listeners(server *s)
{
    address where[LIMIT_LISTENERS];
    const size_t count = address_list_parse(s->config->listen, where, LIMIT_LISTENERS);
    for (size_t i = 0; i < count; i++) {
        if (!listener_open(&s->listeners[i], &where[i], s->config->unix_mode))
            return false;
        s->listener_count++;
    }
    return true;
}

static void close_listeners(server *s)
{
    while (s->listener_count > 0)
        listener_close(&s->listeners[--s->listener_count]);
}

/* Writes what is listened on to out of NAMES_BYTES, with `separator` between two. */
static void format_addresses(const server *s, char separator, char *out)
{
    size_t used = 0;
    for (uint32_t i = 0; i < s->listener_count; i++) {
        if (i > 0)
            out[used++] = separator;
        listener_format(&s->listeners[i], out + used);
        used += strlen(out + used);
    }
}

static bool start_workers(server *s, uint32_t count)
{
    char text[NAMES_BYTES];
    bool ok = open_listeners(s);
    while (ok && s->count < count) {
        ok = make_worker(s, s->count, count);
        s->count += ok;
    }
    format_addresses(s, '\n', text);
    while (ok && s->started < count) {
        ok = worker_start(&s->workers[s->started]) == 0;
        s->started += ok;
    }
    if (ok)
        registry_on_change(s->models, on_models, s);
    ok = ok && loader_start(s->loader, on_answered, s);
    ok = ok && observatory_open(&s->pages);
    if (!ok || !write_port_file(s->config->port_file, text))
        return false;
    format_addresses(s, ',', text);
    model_set *models = registry_share(s->models);
    log_info("serving", log_str("address", text), log_u64("threads", count),
             log_str("tls", s->secrets->credentials ? "on" : "off"),
             log_str("model", model_set_active(models)->name), log_u64("models", models->count));
    model_set_release(models);
    (void)supervisor_tell("READY=1");
    return true;
}

static void command_all(server *s, worker_command command)
{
    for (uint32_t i = 0; i < s->started; i++)
        worker_command_send(&s->workers[i], command);
}

static uint32_t open_connections(const server *s)
{
    uint32_t open = 0;
    for (uint32_t i = 0; i < s->started; i++)
        open += atomic_load_explicit(&s->workers[i].open_connections, memory_order_relaxed);
    return open;
}

static void on_drain(uv_timer_t *timer)
{
    server *s = timer->data;
    const uint32_t open = open_connections(s);
    if (open > 0 && uv_now(&s->loop) < s->drain_end_ms)
        return;
    if (open > 0)
        log_warn("drain timed out", log_u64("drain_ms", s->config->drain_ms),
                 log_u64("connections", open));
    uv_stop(&s->loop);
}

static void on_signal(uv_signal_t *handle, int number)
{
    server *s = handle->data;
    if (s->stopping) {
        uv_stop(&s->loop); /* asked twice: do not wait for the drain */
        return;
    }
    s->stopping = true;
    log_info("stopping", log_str("signal", number == SIGTERM ? "SIGTERM" : "SIGINT"),
             log_u64("connections", open_connections(s)));
    (void)supervisor_tell("STOPPING=1");
    command_all(s, WORKER_DRAIN);
    uv_update_time(&s->loop);
    s->drain_end_ms = uv_now(&s->loop) + s->config->drain_ms;
    (void)uv_timer_start(&s->drain, on_drain, DRAIN_POLL_MS, DRAIN_POLL_MS);
}

static void on_hangup(uv_signal_t *handle, int number)
{
    (void)number;
    server *s = handle->data;
    secrets_reload(s->secrets, true);
}

/* Has health say what the store lets be served. */
static void watch_store(server *s)
{
    unsigned outages = s->database ? database_outages(s->database) : 0;
    if (s->redis)
        outages = redis_database_outages(s->redis);
    if (outages == s->outages)
        return;
    s->outages = outages;
    const char *writes = outages & STORE_UNWRITABLE ? "failing" : "working";
    const char *reads = outages & STORE_UNREADABLE ? "failing" : "working";
    if (outages)
        log_error("the store is not serving", log_str("writes", writes), log_str("reads", reads));
    else
        log_info("the store is serving again");
    for (uint32_t i = 0; i < s->started; i++)
        worker_set_outages(&s->workers[i], outages);
}

static void on_folder(uv_fs_event_t *watch, const char *file, int events, int status)
{
    (void)file, (void)events, (void)status; /* the loader looks at all of it */
    const server *s = watch->data;
    loader_look(s->loader);
}

static void on_watch(uv_timer_t *timer)
{
    server *s = timer->data;
    secrets_reload(s->secrets, false);
    watch_store(s);
}

/* Copies the store; the control thread has nothing else to do meanwhile. */
static void on_copy(uv_signal_t *handle, int number)
{
    (void)number;
    const server *s = handle->data;
    char path[OPTION_PATH_BYTES + 32];
    const time_t now = time(NULL);
    struct tm utc;
    char stamp[24];
    (void)strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", gmtime_r(&now, &utc));
    (void)snprintf(path, sizeof path, "%s/%s", s->config->backup, stamp);
    database_error error;
    if (database_copy(s->database, path, &error))
        log_info("store copied", log_str("path", path));
    else
        log_error("cannot copy the store", log_str("error", error.text));
}

static bool init_control(server *s)
{
    if (uv_loop_init(&s->loop) != 0)
        return false;
    (void)uv_signal_init(&s->loop, &s->terminate);
    (void)uv_signal_init(&s->loop, &s->interrupt);
    (void)uv_signal_init(&s->loop, &s->hangup);
    (void)uv_timer_init(&s->loop, &s->drain);
    (void)uv_timer_init(&s->loop, &s->watch);
    (void)uv_signal_init(&s->loop, &s->copy);
    (void)uv_fs_event_init(&s->loop, &s->folder);
    s->folder.data = s;
    s->copy.data = s;
    s->terminate.data = s;
    s->interrupt.data = s;
    s->hangup.data = s;
    s->drain.data = s;
    s->watch.data = s;
    const char *folder = loader_folder(s->loader);
    if (folder && uv_fs_event_start(&s->folder, on_folder, folder, 0) != 0)
        log_warn("the folder of models cannot be watched, and is looked at once a second");
    return uv_timer_start(&s->watch, on_watch, WATCH_MS, WATCH_MS) == 0 &&
           uv_signal_start(&s->hangup, on_hangup, SIGHUP) == 0 &&
           uv_signal_start(&s->terminate, on_signal, SIGTERM) == 0 &&
           uv_signal_start(&s->interrupt, on_signal, SIGINT) == 0 &&
           (!s->config->backup || uv_signal_start(&s->copy, on_copy, SIGUSR1) == 0);
}

static void clear_control(server *s)
{
    uv_close((uv_handle_t *)&s->terminate, NULL);
    uv_close((uv_handle_t *)&s->interrupt, NULL);
    uv_close((uv_handle_t *)&s->hangup, NULL);
    uv_close((uv_handle_t *)&s->copy, NULL);
    uv_close((uv_handle_t *)&s->drain, NULL);
    uv_close((uv_handle_t *)&s->watch, NULL);
    uv_close((uv_handle_t *)&s->folder, NULL);
    (void)uv_run(&s->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&s->loop);
}

static void stop_workers(server *s)
{
    loader_stop(s->loader);
    command_all(s, WORKER_STOP);
    for (uint32_t i = 0; i < s->started; i++)
        worker_join(&s->workers[i]);
    for (uint32_t i = 0; i < s->count; i++)
        post_reclaim(&s->posts[i]);
    for (uint32_t i = 0; i < s->count; i++)
        worker_clear(&s->workers[i]);
}

/* What counts connections by address, if that is asked for. False: no memory. */
static bool make_census(server *s)
{
    uint64_t seed = 0;
    if (s->config->max_connections_per_address == 0)
        return true;
    (void)uv_random(NULL, NULL, &seed, sizeof seed, 0, NULL);
    s->census = census_new(s->config->max_connections_per_address, seed);
    return s->census != NULL;
}

/* Returns when every worker's requests see the models as they are now, or after SEEN_MS. */
static void wait_until_seen(void *context)
{
    const server *s = context;
    const uint64_t revision = registry_revision(s->models);
    for (uint32_t i = 0, waited = 0; i < s->count && waited < SEEN_MS * LOOKS_PER_MS;) {
        worker *w = &s->workers[i];
        if (atomic_load_explicit(&w->models_revision, memory_order_acquire) >= revision) {
            i++;
            continue;
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = NS_PER_MS / LOOKS_PER_MS}, NULL);
        waited++;
    }
}

bool server_run(const config *c, registry *models, loader *loads, items *upserts, recent *requests,
                database *d, redis_database *r, secrets *files)
{
    server s = {
        .config = c,
        .models = models,
        .loader = loads,
        .requests = requests,
        .database = d,
        .redis = r,
        .secrets = files,
    };
    const upserter_owner owner = {wait_until_seen, on_answered, &s};
    const uint32_t count = c->threads > 0 ? c->threads : uv_available_parallelism();
    if (c->memory > 0 && c->memory / count < LIMIT_LEAST_MEMORY) {
        log_error("memory: too little for each thread", log_u64("memory", c->memory),
                  log_u64("threads", count), log_u64("least_a_thread", LIMIT_LEAST_MEMORY));
        return false;
    }
    s.workers = calloc(count, sizeof *s.workers);
    s.posts = calloc(count, sizeof *s.posts);
    s.upserter = upserter_start(upserts, &owner);
    if (!s.workers || !s.posts || !s.upserter || !make_census(&s) || !init_control(&s)) {
        log_error("no memory for the server");
        if (s.upserter)
            upserter_stop(s.upserter);
        upserter_free(s.upserter);
        census_free(s.census);
        free(s.workers);
        free(s.posts);
        return false;
    }
    registry_expect(models, count);
    (void)signal(SIGPIPE, SIG_IGN);
    s.pages = (observatory){.config = c,
                            .models = models,
                            .database = d,
                            .redis = r,
                            .workers = s.workers,
                            .count = count};
    const bool ok = start_workers(&s, count);
    if (ok)
        (void)uv_run(&s.loop, UV_RUN_DEFAULT);
    observatory_close(&s.pages);
    upserter_stop(s.upserter);
    stop_workers(&s);
    clear_control(&s);
    close_listeners(&s);
    census_free(s.census);
    for (uint32_t i = 0; i < count; i++)
        gate_view_free(s.workers[i].service.gate);
    upserter_free(s.upserter);
    free(s.workers);
    free(s.posts);
    if (ok)
        log_info("stopped");
    return ok;
}
