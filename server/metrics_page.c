#include "metrics_page.h"

#include <stdlib.h>
#include <string.h>

#include "exposition.h"
#include "process.h"
#include "vql/kernels.h"

#define LABELS(...)                                                                                \
    (&(exposition_labels){sizeof((exposition_label[]){__VA_ARGS__}) / sizeof(exposition_label),    \
                          {__VA_ARGS__}})

/* ---- counters ---- */

static uint64_t total_of(const observatory *o, meter which)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < o->count; i++)
        total += cell_get(&o->workers[i].meters.counters[which]);
    return total;
}

static void write_counters(FILE *out, const observatory *o)
{
    for (unsigned i = 0; i < METERS; i++) {
        const meter_name *n = &meter_names[i];
        if (i == 0 || strcmp(n->family, n[-1].family) != 0)
            exposition_family(out, n->family, "counter", n->help);
        exposition_number(out, n->family, *n->label ? LABELS({n->label, n->value}) : NULL,
                          total_of(o, (meter)i));
    }
}

static void write_reasons(FILE *out, const observatory *o)
{
    static const char name[] = "vql_call_errors_total";
    const char *reasons[METERS_REASONS];
    uint64_t counts[METERS_REASONS];
    size_t count = 0;
    for (uint32_t i = 0; i < o->count; i++) {
        const meters *m = &o->workers[i].meters;
        for (size_t k = 0; k < METERS_REASONS; k++) {
            const char *reason = atomic_load_explicit(&m->reasons[k], memory_order_acquire);
            size_t at = 0;
            while (reason && at < count && strcmp(reasons[at], reason) != 0)
                at++;
            if (!reason || at == METERS_REASONS)
                continue;
            if (at == count) {
                reasons[count] = reason;
                counts[count++] = 0;
            }
            counts[at] += cell_get(&m->reason_counts[k]);
        }
    }
    exposition_family(out, name, "counter",
                      "Calls that ended with an error, by the reason that programs are told.");
    for (size_t i = 0; i < count; i++)
        exposition_number(out, name, LABELS({"reason", reasons[i]}), counts[i]);
}

/* ---- calls ---- */

/* A series of all threads together. */
typedef struct call_total {
    const char *path, *model;
    grpc_status status;
    histogram_total duration;
} call_total;

typedef struct call_totals {
    call_total *all; /* [count], of METERS_SERIES */
    size_t count;
} call_totals;

static void add_series(call_totals *t, const meters *m, const call_series *s)
{
    const char *model = m->models[s->model];
    const char *path = s->path ? s->path + 1 : "_OTHER";
    for (size_t i = 0; i < t->count; i++) {
        call_total *known = &t->all[i];
        if (known->status == s->status && strcmp(known->path, path) == 0 &&
            strcmp(known->model, model) == 0) {
            histogram_add(&known->duration, &s->duration);
            return;
        }
    }
    if (t->count == METERS_SERIES)
        return;
    call_total *added = &t->all[t->count++];
    *added = (call_total){.path = path, .model = model, .status = s->status};
    histogram_add(&added->duration, &s->duration);
}

static void write_calls(FILE *out, const observatory *o)
{
    static const char name[] = "rpc_server_call_duration_seconds";
    call_totals t = {malloc(METERS_SERIES * sizeof *t.all), 0};
    exposition_family(out, name, "histogram",
                      "How long calls took, from their headers until their status was there.");
    for (uint32_t i = 0; t.all && i < o->count; i++) {
        const meters *m = &o->workers[i].meters;
        for (size_t k = 0; k < METERS_SERIES; k++) {
            const call_series *s = atomic_load_explicit(&m->series[k], memory_order_acquire);
            if (s)
                add_series(&t, m, s);
        }
    }
    for (size_t i = 0; i < t.count; i++)
        exposition_histogram(out, name,
                             LABELS({"rpc_system_name", "grpc"}, {"rpc_method", t.all[i].path},
                                    {"rpc_response_status_code", grpc_status_name(t.all[i].status)},
                                    {"vql_model", t.all[i].model}),
                             &histogram_seconds, &t.all[i].duration);
    free(t.all);
}

/* ---- the shards ---- */

static const char *const lane_names[LANES] = {
    [LANE_SHORT] = "short", [LANE_LONG] = "long", [LANE_REBUILD] = "rebuild"};

static void write_work(FILE *out, const observatory *o)
{
    static const char wait[] = "vql_queue_wait_seconds", work[] = "vql_score_duration_seconds",
                      size[] = "vql_score_candidates";
    histogram_total waits[LANES] = {0}, scores = {0}, candidates = {0};
    for (uint32_t i = 0; i < o->count; i++) {
        const meters *m = &o->workers[i].meters;
        for (size_t k = 0; k < LANES; k++)
            histogram_add(&waits[k], &m->queue_wait[k]);
        histogram_add(&scores, &m->score_time);
        histogram_add(&candidates, &m->candidates);
    }
    exposition_family(out, wait, "histogram", "How long requests waited for their turn.");
    for (size_t k = 0; k < LANES; k++)
        exposition_histogram(out, wait, LABELS({"lane", lane_names[k]}), &histogram_seconds,
                             &waits[k]);
    exposition_family(out, work, "histogram",
                      "How long a score took from its turn until it was done, steps of other "
                      "requests between its own among it.");
    exposition_histogram(out, work, NULL, &histogram_seconds, &scores);
    exposition_family(out, size, "histogram", "Candidates of the scores that were answered.");
    exposition_histogram(out, size, NULL, &histogram_items, &candidates);
}

/* A cell of shard_gauges as a family, by shard. */
typedef struct shard_family {
    const char *name, *type, *help;
    size_t offset;
} shard_family;

#define GAUGE(field) offsetof(shard_gauges, field)

static const shard_family shard_families[] = {
    {"vql_cache_users", "gauge", "Caches of users in memory, of all versions.", GAUGE(users)},
    {"vql_cache_bytes", "gauge", "Memory of users' caches.", GAUGE(bytes)},
    {"vql_cache_limit_bytes", "gauge", "What users' caches may take; 0: no limit.",
     GAUGE(budget_bytes)},
    {"vql_cache_evictions_total", "counter", "Caches dropped for the limit's sake.",
     GAUGE(evictions)},
    {"vql_store_pending_jobs", "gauge", "Jobs that wait for the store on disk.", GAUGE(away)},
    {"vql_pending_bytes", "gauge", "Memory of a thread's requests and answers.",
     GAUGE(pending_bytes)},
    {"vql_pending_requests", "gauge", "Requests under way of a thread's connections.",
     GAUGE(pending_jobs)},
};

static void write_shards(FILE *out, const observatory *o)
{
    char index[16];
    for (size_t f = 0; f < sizeof shard_families / sizeof *shard_families; f++) {
        const shard_family *family = &shard_families[f];
        exposition_family(out, family->name, family->type, family->help);
        for (uint32_t i = 0; i < o->count; i++) {
            const char *gauges = (const char *)&o->workers[i].meters.shard;
            (void)snprintf(index, sizeof index, "%u", i);
            exposition_number(out, family->name, LABELS({"shard", index}),
                              cell_get((const cell *)(const void *)(gauges + family->offset)));
        }
    }
    exposition_family(out, "vql_queue_jobs", "gauge", "Jobs that wait in a shard, by lane.");
    for (uint32_t i = 0; i < o->count; i++)
        for (size_t k = 0; k < LANES; k++) {
            (void)snprintf(index, sizeof index, "%u", i);
            exposition_number(out, "vql_queue_jobs",
                              LABELS({"shard", index}, {"lane", lane_names[k]}),
                              cell_get(&o->workers[i].meters.shard.queued[k]));
        }
}

/* ---- models ---- */

typedef struct model_family {
    const char *name, *help;
    uint64_t (*value)(const model_set *s, size_t i);
} model_family;

static uint64_t is_active(const model_set *s, size_t i)
{
    return s->active == i;
}

static uint64_t is_ready(const model_set *s, size_t i)
{
    return version_is_ready(s->entries[i].version);
}

static uint64_t bytes_of(const model_set *s, size_t i)
{
    return version_bytes(s->entries[i].version);
}

static uint64_t users_of(const model_set *s, size_t i)
{
    return atomic_load(&s->entries[i].version->progress->users);
}

static uint64_t done_of(const model_set *s, size_t i)
{
    return atomic_load(&s->entries[i].version->progress->users_done);
}

static const model_family model_families[] = {
    {"vql_model_active", "Whether requests that name no version get this one.", is_active},
    {"vql_model_ready", "Whether every shard has made the version's caches.", is_ready},
    {"vql_model_bytes", "Memory of the version and its tables.", bytes_of},
    {"vql_model_rebuild_users", "Users whose caches are made for the version as it is loaded.",
     users_of},
    {"vql_model_rebuilt_users", "Those of them that are done.", done_of},
};

static void write_models(FILE *out, const observatory *o)
{
    model_set *s = registry_share(o->models);
    for (size_t f = 0; f < sizeof model_families / sizeof *model_families; f++) {
        const model_family *family = &model_families[f];
        exposition_family(out, family->name, "gauge", family->help);
        for (size_t i = 0; i < s->count; i++)
            exposition_number(out, family->name, LABELS({"vql_model", s->entries[i].version->name}),
                              family->value(s, i));
    }
    model_set_release(s);
}

/* ---- the store ---- */

static void write_store(FILE *out, const observatory *o)
{
    static const char name[] = "vql_store_commit_duration_seconds";
    const unsigned outages = observatory_outages(o);
    histogram_total commits = {0};
    uint64_t failed = 0;
    for (uint32_t i = 0; i < o->count; i++) {
        const clerk_meters *m =
            atomic_load_explicit(&o->workers[i].meters.shard.store, memory_order_acquire);
        if (!m)
            continue;
        histogram_add(&commits, &m->commit_time);
        failed += cell_get(&m->failed_commits);
    }
    exposition_gauge(out, "vql_store_writable", "Whether the store can be written.",
                     !(outages & STORE_UNWRITABLE));
    exposition_gauge(out, "vql_store_readable", "Whether the store can be read.",
                     !(outages & STORE_UNREADABLE));
    exposition_family(out, name, "histogram", "How long commits of the store on disk took.");
    exposition_histogram(out, name, NULL, &histogram_seconds, &commits);
    exposition_family(out, "vql_store_commit_errors_total", "counter", "Commits that failed.");
    exposition_number(out, "vql_store_commit_errors_total", NULL, failed);
}

/* ---- the process ---- */

static void write_process(FILE *out)
{
    process_stats p;
    process_look(&p);
    exposition_family(out, "process_cpu_seconds_total", "counter",
                      "Processor time, in user and system mode.");
    exposition_real(out, "process_cpu_seconds_total", NULL, p.cpu_seconds);
    exposition_gauge(out, "process_start_time_seconds", "When the process began, since the epoch.",
                     p.start_time);
    exposition_gauge(out, "process_resident_memory_bytes", "Resident memory.",
                     (double)p.resident_bytes);
    exposition_gauge(out, "process_virtual_memory_bytes", "Virtual memory.",
                     (double)p.virtual_bytes);
    exposition_gauge(out, "process_open_fds", "Open file descriptors.", (double)p.open_fds);
    exposition_gauge(out, "process_max_fds", "The most file descriptors that may be open.",
                     (double)p.max_fds);
    exposition_gauge(out, "process_threads", "Threads.", (double)p.threads);
}

static void write_allocator(FILE *out)
{
    static const char name[] = "vql_allocator_bytes";
    allocator_stats a;
    process_look_at_allocator(&a);
    exposition_family(out, name, "gauge", "jemalloc's own figures (stats.*).");
    exposition_number(out, name, LABELS({"state", "allocated"}), a.allocated);
    exposition_number(out, name, LABELS({"state", "active"}), a.active);
    exposition_number(out, name, LABELS({"state", "resident"}), a.resident);
    exposition_number(out, name, LABELS({"state", "mapped"}), a.mapped);
    exposition_number(out, name, LABELS({"state", "metadata"}), a.metadata);
    exposition_number(out, name, LABELS({"state", "retained"}), a.retained);
}

static void write_server(FILE *out, const observatory *o)
{
    uint64_t open = 0;
    for (uint32_t i = 0; i < o->count; i++)
        open += atomic_load_explicit(&o->workers[i].open_connections, memory_order_relaxed);
    exposition_family(out, "vql_build_info", "gauge", "What runs; always 1.");
    exposition_number(out, "vql_build_info",
                      LABELS({"version", VQLD_VERSION}, {"kernels", vql_kernels_name()}), 1);
    exposition_gauge(out, "vql_serving", "Whether the server is ready, as its health service says.",
                     observatory_is_ready(o));
    exposition_gauge(out, "vql_threads", "Event loops, each with a shard of the users.", o->count);
    exposition_gauge(out, "vql_connections", "Open connections.", (double)open);
    const uint64_t closed = total_of(o, METER_CALLS_CLOSED);
    const uint64_t opened = total_of(o, METER_CALLS_OPENED);
    exposition_gauge(out, "vql_calls", "Open calls.",
                     opened > closed ? (double)(opened - closed) : 0);
}

void metrics_page_show(void *context, const admin_request *asked, admin_answer *answer)
{
    (void)asked;
    observatory *o = context;
    FILE *out = answer->body;
    observatory_ask(o);
    answer->type = exposition_type;
    write_server(out, o);
    write_calls(out, o);
    write_counters(out, o);
    write_reasons(out, o);
    write_work(out, o);
    write_shards(out, o);
    write_models(out, o);
    write_store(out, o);
    write_process(out);
    write_allocator(out);
}
