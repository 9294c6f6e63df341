#include "host.h"

#include <stdlib.h>
#include <string.h>

#include "faults.h"
#include "health.h"
#include "limit.h"
#include "post.h"
#include "reflection.h"
#include "vql_descriptors.h"
#include "world.h"

enum { MOST_THREADS = 4, TURN_US = 1000, KEEPALIVE_TIMEOUT_MS = 500 };

/* What a job may wait before it is shed: more than the clock jumps in a whole run. */
enum { DAY_MS = 24 * 3600 * 1000 };

typedef struct worker worker;

/* What server/connection.c is with a socket. */
typedef struct connection {
    peer peer; /* first, so that it is the connection too */
    worker *worker;
    struct connection *next;
    session *session;
    cable *cable;
    bool dirty;
    bool broken; /* the session wants no more input */
    bool closed;
    uint8_t unwritten[CABLE_BYTES];
    size_t unwritten_count;
} connection;

struct worker {
    host *host;
    router router;
    service service;
    health health;
    reflection reflection;
    connection *connections;
    bool awake;
};

struct host {
    uint32_t count;
    bool draining;
    session_options options;
    worker workers[MOST_THREADS];
    post posts[MOST_THREADS];
};

static shard *make_shard(model_set *models)
{
    store *st = store_memory_open();
    if (!st)
        abort();
    const shard_options options = {.budget_bytes = sim.plan.budget_bytes,
                                   .shed_target_ms = DAY_MS,
                                   .shed_interval_ms = DAY_MS};
    shard *made = shard_new(models, st, &options);
    if (!made)
        abort();
    return made;
}

/* As server/worker.c has it. */
static void add_services(worker *w)
{
    w->reflection.descriptors.bytes = (wire_span){vql_descriptors, sizeof vql_descriptors};
    service_add(&w->service, &w->router);
    health_add(&w->health, &w->router);
    reflection_add(&w->reflection, &w->router);
}

host *host_new(registry *models)
{
    host *h = calloc(1, sizeof *h);
    if (!h)
        abort();
    h->count = sim.plan.threads;
    h->options = (session_options){
        .max_streams = sim.plan.max_streams,
        .max_header_bytes = LIMIT_HEADER_BYTES,
        .stream_window = sim.plan.stream_window,
        .connection_window = sim.plan.connection_window,
        .max_message_bytes = sim.plan.max_message_bytes,
        .max_unsent_bytes = sim.plan.max_unsent_bytes,
        .lifetime =
            {
                .max_age_ns = sim.plan.age_ms * NS_PER_MS,
                .max_age_grace_ns = sim.plan.grace_ms * NS_PER_MS,
                .keepalive_ns = sim.plan.keepalive_ms * NS_PER_MS,
                .keepalive_timeout_ns = KEEPALIVE_TIMEOUT_MS * NS_PER_MS,
            },
    };
    for (uint32_t i = 0; i < h->count; i++) {
        worker *w = &h->workers[i];
        w->host = h;
        if (!model_view_init(&w->service.models, models))
            abort();
        w->service.limits = (request_limits){
            .max_candidates = sim.plan.max_candidates,
            .max_events = sim.plan.max_events,
            .max_future_ms = INT64_C(86400000),
        };
        w->service.ledger.limit = (size_t)64 << 20;
        w->service.jobs.ledger = &w->service.ledger;
        add_services(w);
        post *p = &h->posts[i];
        *p = (post){.index = i, .all = h->posts, .count = h->count, .service = &w->service};
        if (!post_init(p))
            abort();
        p->shard = make_shard(w->service.models.current->set);
    }
    return h;
}

static void on_wake(peer *p)
{
    connection *c = (connection *)p;
    c->dirty = true;
    c->worker->awake = true;
}

static void close_connection(connection *c)
{
    if (c->closed)
        return;
    c->closed = true;
    session_free(c->session);
    c->session = NULL;
    cable_close(c->cable, CABLE_SERVER);
    c->cable = NULL;
}

bool host_connect(host *h, cable *line)
{
    if (h->draining)
        return false;
    worker *w = &h->workers[below(h->count)];
    connection *c = calloc(1, sizeof *c);
    if (!c)
        abort();
    c->peer = (peer){.router = &w->router, .wake = on_wake};
    c->worker = w;
    const bool was = faults_arm(true);
    session_options options = h->options;
    options.ledger = &w->service.ledger;
    c->session = session_new(&options, &router_handler, &c->peer);
    (void)faults_arm(was);
    if (!c->session) {
        free(c);
        return false;
    }
    c->cable = line;
    c->dirty = true;
    c->next = w->connections;
    w->connections = c;
    w->awake = true;
    return true;
}

/* Reads once, and looks at the clock. */
static void read_connection(connection *c)
{
    static uint8_t bytes[CABLE_BYTES];
    if (session_due(c->session) <= sim.now_ns) {
        session_tick(c->session, sim.now_ns);
        c->dirty = true;
        if (session_lost(c->session)) {
            close_connection(c);
            return;
        }
    }
    const ptrdiff_t count = cable_read(c->cable, CABLE_SERVER, bytes, sizeof bytes);
    if (count < 0) {
        close_connection(c);
    } else if (count > 0 && !c->broken) {
        c->broken = !session_feed(c->session, sim.now_ns, bytes, (size_t)count);
        c->dirty = true;
    }
}

/* Writes what an earlier write left. False: the cable takes no more, or the connection ended. */
static bool write_rest(connection *c)
{
    if (c->unwritten_count == 0)
        return true;
    const ptrdiff_t written = cable_write(c->cable, CABLE_SERVER, c->unwritten, c->unwritten_count);
    if (written < 0) {
        close_connection(c);
        return false;
    }
    c->unwritten_count -= (size_t)written;
    memmove(c->unwritten, c->unwritten + written, c->unwritten_count);
    return c->unwritten_count == 0;
}

static void flush_connection(connection *c)
{
    if (!write_rest(c))
        return;
    if (!c->dirty)
        return;
    for (;;) {
        const size_t most = 1 + below(sim.plan.most_chunk);
        c->unwritten_count =
            session_drain(c->session, c->unwritten, most < CABLE_BYTES ? most : CABLE_BYTES);
        if (c->unwritten_count == 0)
            break;
        if (!write_rest(c))
            return;
    }
    c->dirty = false;
    if (c->broken || session_done(c->session))
        close_connection(c);
}

static void sweep(worker *w)
{
    connection **link = &w->connections;
    while (*link) {
        connection *c = *link;
        if (c->closed) {
            *link = c->next;
            free(c);
        } else {
            link = &c->next;
        }
    }
}

static void wake(void *context, uint32_t index)
{
    host *h = context;
    h->workers[index].awake = true;
}

/* What server/worker.c does in one turn of the loop. */
static void turn(host *h, uint32_t index)
{
    worker *w = &h->workers[index];
    post *p = &h->posts[index];
    note("turn", index, 0, 0);
    w->awake = false;
    const bool was = faults_arm(true);
    w->service.wall_ms = sim.wall_ms;
    w->service.now_ns = sim.now_ns;
    for (connection *c = w->connections; c; c = c->next)
        read_connection(c);
    w->service.wall_ms = sim.wall_ms;
    post_receive(p);
    post_work(p, world_clock, (uint64_t)TURN_US * 1000);
    for (connection *c = w->connections; c; c = c->next)
        if (!c->closed)
            flush_connection(c);
    post_wake(p, wake, h);
    w->awake |= !shard_idle(p->shard);
    (void)faults_arm(was);
    sweep(w);
}

/* Whether poll() would say that a connection can be read or written, or its timer has gone off. */
static bool is_due(const connection *c)
{
    const cable_way *in = &c->cable->from[CABLE_CLIENT];
    const cable_way *out = &c->cable->from[CABLE_SERVER];
    const bool reaches = sim.calm || sim.now_ns >= c->cable->stalled_ns;
    const bool readable = in->count > 0 && sim.now_ns >= in->due_ns && reaches;
    const bool ended = c->cable->cut || (in->closed && in->count == 0);
    const bool writable = c->unwritten_count > 0 && out->count < sim.plan.cable_bytes;
    return readable || ended || writable || session_due(c->session) <= sim.now_ns;
}

static bool has_turn(const worker *w)
{
    bool due = w->awake;
    for (const connection *c = w->connections; c && !due; c = c->next)
        due = is_due(c);
    return due;
}

bool host_turn(host *h)
{
    const uint32_t first = below(h->count);
    for (uint32_t i = 0; i < h->count; i++) {
        const uint32_t index = (first + i) % h->count;
        if (has_turn(&h->workers[index])) {
            turn(h, index);
            return true;
        }
    }
    return false;
}

void host_drain(host *h)
{
    h->draining = true;
    sim.draining = true;
    note("drain", 0, 0, 0);
    const bool was = faults_arm(true);
    for (uint32_t i = 0; i < h->count; i++) {
        worker *w = &h->workers[i];
        health_drain(&w->health);
        reflection_drain(&w->reflection);
        service_drain(&w->service);
        for (connection *c = w->connections; c; c = c->next) {
            session_shutdown(c->session);
            c->dirty = true;
        }
        w->awake = true;
    }
    (void)faults_arm(was);
}

uint32_t host_connections(const host *h)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < h->count; i++)
        for (const connection *c = h->workers[i].connections; c; c = c->next)
            count++;
    return count;
}

size_t host_unread(const host *h)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < h->count; i++)
        for (const connection *c = h->workers[i].connections; c; c = c->next)
            bytes += c->cable->cut ? 0 : c->cable->from[CABLE_CLIENT].count;
    return bytes;
}

uint32_t host_calls(const host *h)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < h->count; i++)
        for (const connection *c = h->workers[i].connections; c; c = c->next)
            count += session_calls(c->session);
    return count;
}

uint32_t host_jobs(const host *h)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < h->count; i++)
        count += h->workers[i].service.jobs.taken;
    return count;
}

/* Has a shard answer a Get of the events before a sequence number. */
static void get(host *h, job *j, uint64_t user_id, uint32_t max_events)
{
    shard *s = h->posts[post_of_user(user_id, h->count)].shard;
    if (!shard_idle(s))
        world_fail("user %llu: its shard is not idle\n", (unsigned long long)user_id);
    j->operation = OPERATION_GET;
    j->version = model_set_active(model_view_set(&h->workers[0].service.models));
    j->user_id = user_id;
    j->max_events = max_events;
    (void)shard_submit(s, j, sim.now_ns);
    while (shard_step(s, sim.now_ns) != j)
        ;
    if (j->error.status != GRPC_OK)
        world_fail("user %llu: its history cannot be read: %s\n", (unsigned long long)user_id,
                   j->error.message);
}

size_t host_history(host *h, uint64_t user_id, event **events)
{
    job_pool pool = {0};
    job *j = job_take(&pool, true);
    if (!j)
        abort();
    get(h, j, user_id, UINT32_MAX);
    const size_t count = j->event_count;
    if (count != j->sequence)
        world_fail("user %llu: %zu events at sequence %llu\n", (unsigned long long)user_id, count,
                   (unsigned long long)j->sequence);
    *events = malloc((count + 1) * sizeof **events);
    if (!*events)
        abort();
    if (count > 0)
        memcpy(*events, j->events, count * sizeof **events);
    job_give(&pool, j);
    job_pool_clear(&pool);
    return count;
}

void host_free(host *h)
{
    for (uint32_t i = 0; i < h->count; i++) {
        for (connection *c = h->workers[i].connections; c; c = c->next)
            close_connection(c);
        sweep(&h->workers[i]);
    }
    for (uint32_t i = 0; i < h->count; i++)
        post_reclaim(&h->posts[i]);
    if (host_jobs(h) != 0)
        world_fail("%u requests are under way in a server that has stopped\n", host_jobs(h));
    for (uint32_t i = 0; i < h->count; i++) {
        post_clear(&h->posts[i]);
        service_clear(&h->workers[i].service);
        health_clear(&h->workers[i].health);
        reflection_clear(&h->workers[i].reflection);
    }
    free(h);
}
