#include "status_page.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <time.h>

#include "observatory.h"
#include "process.h"
#include "vql/kernels.h"

enum { UNAVAILABLE = 503, NO_MEMORY = 500, INDENT = 2 };

/* ---- what there is to say: a tree that both forms are made from ---- */

static void add(json_t *object, const char *name, json_t *value)
{
    (void)json_object_set_new(object, name, value);
}

static json_t *number(uint64_t value)
{
    return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

static json_t *describe_server(const observatory *o)
{
    char text[32] = "";
    process_stats p;
    process_look(&p);
    const time_t start = (time_t)p.start_time;
    struct tm utc;
    if (gmtime_r(&start, &utc))
        (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    json_t *server = json_object();
    add(server, "version", json_string(VQLD_VERSION));
    add(server, "compiler", json_string(__VERSION__));
    add(server, "kernels", json_string(vql_kernels_name()));
    add(server, "serving", json_boolean(observatory_is_ready(o)));
    add(server, "started", json_string(text));
    add(server, "uptime_s", number((uint64_t)(time(NULL) - start)));
    add(server, "cpu_s", json_real(p.cpu_seconds));
    add(server, "resident_bytes", number(p.resident_bytes));
    add(server, "open_files", number(p.open_fds));
    return server;
}

static json_t *describe_models(const observatory *o)
{
    json_t *models = json_array();
    model_set *s = registry_share(o->models);
    for (size_t i = 0; i < s->count; i++) {
        const model_entry *entry = &s->entries[i];
        const version *v = entry->version;
        json_t *model = json_object();
        add(model, "name", json_string(v->name));
        add(model, "active", json_boolean(i == s->active));
        add(model, "weight", number(entry->weight));
        add(model, "ready", json_boolean(version_is_ready(v)));
        add(model, "rebuild_users", number(atomic_load(&v->progress->users)));
        add(model, "rebuilt_users", number(atomic_load(&v->progress->users_done)));
        add(model, "items", number(vql_model_shape(v->model)->items));
        add(model, "bytes", number(version_bytes(v)));
        (void)json_array_append_new(models, model);
    }
    model_set_release(s);
    return models;
}

static json_t *describe_store(const observatory *o)
{
    static const char *const promises[] = {
        [DURABILITY_MEMORY] = "memory", [DURABILITY_ASYNC] = "async", [DURABILITY_SYNC] = "sync"};
    const unsigned outages = observatory_outages(o);
    json_t *said = json_object();
    const char *const kind = o->redis ? "redis" : o->database ? "disk" : "memory";
    durability promise = DURABILITY_MEMORY;
    if (o->redis)
        promise = redis_database_durability(o->redis);
    else if (o->database)
        promise = database_durability(o->database);
    add(said, "kind", json_string(kind));
    add(said, "durability", json_string(promises[promise]));
    add(said, "writable", json_boolean(!(outages & STORE_UNWRITABLE)));
    add(said, "readable", json_boolean(!(outages & STORE_UNREADABLE)));
    return said;
}

static json_t *describe_shards(const observatory *o)
{
    json_t *shards = json_array();
    for (uint32_t i = 0; i < o->count; i++) {
        const worker *w = &o->workers[i];
        const shard_gauges *g = &w->meters.shard;
        uint64_t queued = 0;
        for (size_t k = 0; k < LANES; k++)
            queued += cell_get(&g->queued[k]);
        json_t *one = json_object();
        add(one, "users", number(cell_get(&g->users)));
        add(one, "bytes", number(cell_get(&g->bytes)));
        add(one, "limit_bytes", number(cell_get(&g->budget_bytes)));
        add(one, "evictions", number(cell_get(&g->evictions)));
        add(one, "queued", number(queued));
        add(one, "at_the_store", number(cell_get(&g->away)));
        add(one, "pending_requests", number(cell_get(&g->pending_jobs)));
        add(one, "pending_bytes", number(cell_get(&g->pending_bytes)));
        add(one, "connections",
            number(atomic_load_explicit(&w->open_connections, memory_order_relaxed)));
        add(one, "serving", json_boolean(atomic_load_explicit(&w->serves, memory_order_relaxed)));
        (void)json_array_append_new(shards, one);
    }
    return shards;
}

/* Without what an address like scheme://user:password@host says before the host. */
static void add_option(void *context, const char *name, const char *value)
{
    const char *begin = strstr(value, "://");
    const char *end = begin ? strrchr(begin, '@') : NULL;
    if (!end) {
        add(context, name, json_string(value));
        return;
    }
    const int scheme = (int)(begin + 3 - value);
    add(context, name, json_sprintf("%.*s***%s", scheme, value, end));
}

static json_t *describe(const observatory *o)
{
    json_t *all = json_object();
    json_t *options = json_object();
    config_each(o->config, add_option, options);
    add(all, "server", describe_server(o));
    add(all, "models", describe_models(o));
    add(all, "store", describe_store(o));
    add(all, "shards", describe_shards(o));
    add(all, "configuration", options);
    return all;
}

/* ---- for people ---- */

static void write_line(FILE *out, const char *name, const json_t *value)
{
    (void)fprintf(out, "  %-28s ", name);
    if (json_is_string(value))
        (void)fprintf(out, "%s\n", json_string_value(value));
    else if (json_is_integer(value))
        (void)fprintf(out, "%" JSON_INTEGER_FORMAT "\n", json_integer_value(value));
    else if (json_is_real(value))
        (void)fprintf(out, "%.2f\n", json_real_value(value));
    else
        (void)fputs(json_is_true(value) ? "yes\n" : "no\n", out);
}

static void write_object(FILE *out, json_t *object)
{
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value) write_line(out, name, value);
    (void)fputc('\n', out);
}

static void write_text(FILE *out, json_t *all)
{
    const char *name;
    json_t *part, *one;
    size_t i;
    json_object_foreach(all, name, part)
    {
        if (json_is_object(part)) {
            (void)fprintf(out, "%s\n", name);
            write_object(out, part);
            continue;
        }
        json_array_foreach(part, i, one)
        {
            (void)fprintf(out, "%s, %zu of %zu\n", name, i + 1, json_array_size(part));
            write_object(out, one);
        }
    }
}

void status_page_show(void *context, const admin_request *asked, admin_answer *answer)
{
    const observatory *o = context;
    const char *format = admin_argument(asked, "format");
    observatory_ask(o);
    json_t *all = describe(o);
    if (format && strcmp(format, "json") == 0) {
        answer->type = admin_json;
        if (json_dumpf(all, answer->body, JSON_INDENT(INDENT)) != 0)
            answer->status = NO_MEMORY;
        (void)fputc('\n', answer->body);
    } else {
        write_text(answer->body, all);
    }
    json_decref(all);
}

void status_page_ready(void *context, const admin_request *asked, admin_answer *answer)
{
    (void)asked;
    const observatory *o = context;
    if (observatory_is_ready(o)) {
        (void)fputs("ready\n", answer->body);
        return;
    }
    const unsigned outages = observatory_outages(o);
    answer->status = UNAVAILABLE;
    (void)fputs("not ready: ", answer->body);
    if (outages & STORE_UNWRITABLE)
        (void)fputs("the store cannot be written\n", answer->body);
    else if (outages & STORE_UNREADABLE)
        (void)fputs("the store cannot be read\n", answer->body);
    else
        (void)fputs("the server starts or drains\n", answer->body);
}
