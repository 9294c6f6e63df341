#include "service.h"

#include <stdlib.h>
#include <string.h>

#include "limit.h"
#include "validate.h"

typedef struct method {
    const char *path;
    bool streaming; /* any number of requests, one answer each */

    /* Methods that need a shard. */
    bool (*decode)(const uint8_t *message, size_t bytes, const request_limits *limits, job *j);
    bool (*encode)(message_buffer *out, const job *j, const registry *models);

    /* Methods that do not: answers one request at once, finishing the call unless it goes on. */
    void (*answer)(service *s, exchange *x, const uint8_t *message, size_t bytes);
} method;

/* One call of one method. Lives from on_call until the call ends. */
struct exchange {
    call *call;
    peer *peer;
    const method *method;
    bool asked;       /* a request has arrived */
    bool half_closed; /* no more will */
    bool broken;      /* a request was refused: those behind it are not looked at */

    /* Why the exchange ends with UNAVAILABLE once what was asked is answered; NULL: it does not. */
    const char *ending;

    /* Jobs under way, in the order of their requests; answers leave in this order. */
    job *first, **last;
    uint32_t jobs;

    int watched_status; /* Health.Watch: the last one sent */

    bool reserved;          /* counts in peer->jobs for the request that is to come */
    bool waiting;           /* in the peer's waiting: held until there is room */
    uint64_t waiting_since; /* now_ns; 0: it did not wait */
    TAILQ_ENTRY(exchange) in_waiting;

    bool listed; /* in the service's watchers or streams */
    LIST_ENTRY(exchange) in_list;
};

/* The values of grpc.health.v1.HealthCheckResponse.ServingStatus. */
enum { HEALTH_SERVING = 1, HEALTH_NOT_SERVING = 2, HEALTH_SERVICE_UNKNOWN = 3 };

static void answer_models(service *s, exchange *x, const uint8_t *message, size_t bytes);
static void answer_check(service *s, exchange *x, const uint8_t *message, size_t bytes);
static void answer_watch(service *s, exchange *x, const uint8_t *message, size_t bytes);

static const method methods[] = {
    {.path = "/vql.v1.Scoring/Score", .decode = decode_score, .encode = encode_score},
    {.path = "/vql.v1.Scoring/ScoreStream",
     .streaming = true,
     .decode = decode_score,
     .encode = encode_score},
    {.path = "/vql.v1.History/Append", .decode = decode_append, .encode = encode_append},
    {.path = "/vql.v1.History/AppendStream",
     .streaming = true,
     .decode = decode_append,
     .encode = encode_append},
    {.path = "/vql.v1.History/Get", .decode = decode_get, .encode = encode_get},
    {.path = "/vql.v1.History/Delete", .decode = decode_delete, .encode = encode_delete},
    {.path = "/vql.v1.Models/List", .answer = answer_models},
    {.path = "/grpc.health.v1.Health/Check", .answer = answer_check},
    {.path = "/grpc.health.v1.Health/Watch", .answer = answer_watch},
};

enum { METHODS = sizeof methods / sizeof *methods };

static const method *find_method(const char *path)
{
    for (size_t i = 0; i < METHODS; i++)
        if (strcmp(methods[i].path, path) == 0)
            return &methods[i];
    return NULL;
}

/* Whether health knows the name: "" for the server, or a service that a method belongs to. */
static bool is_service(const char *name)
{
    const size_t length = strlen(name);
    if (length == 0)
        return true;
    for (size_t i = 0; i < METHODS; i++)
        if (strncmp(methods[i].path + 1, name, length) == 0 && methods[i].path[length + 1] == '/')
            return true;
    return false;
}

/* How many requests more there is room for, if they are as large as those under way. */
static uint64_t count_room(const service *s)
{
    const uint32_t taken = s->jobs.taken;
    const uint64_t jobs = taken < LIMIT_JOBS ? LIMIT_JOBS - taken : 0;
    const ledger *l = s->jobs.ledger;
    if (!l || l->used == 0)
        return jobs;
    const uint64_t bytes = l->used < l->limit ? l->limit - l->used : 0;
    const uint64_t fitting = bytes / (l->used / (taken + 1) + 1);
    return fitting < jobs ? fitting : jobs;
}

/* Whether a connection has its share of the requests that may be under way. */
static bool has_share(const peer *p)
{
    return p->jobs > 0 && p->jobs >= count_room(p->service) / LIMIT_SHARE;
}

/* Holds the exchange's call until there is room. */
static void wait_for_room(exchange *x)
{
    peer *p = x->peer;
    service *s = p->service;
    if (x->waiting)
        return;
    call_hold(x->call);
    x->waiting = true;
    x->waiting_since = s->now_ns;
    if (p->waiting_count++ == 0) {
        TAILQ_INIT(&p->waiting);
        if (s->waiting_count++ == 0)
            TAILQ_INIT(&s->waiting);
        TAILQ_INSERT_TAIL(&s->waiting, p, in_waiting);
    }
    TAILQ_INSERT_TAIL(&p->waiting, x, in_waiting);
}

/* A call's place for its first request. */
static void reserve(exchange *x)
{
    if (x->asked)
        return;
    x->reserved = true;
    x->peer->jobs++;
}

static void stop_waiting(exchange *x)
{
    peer *p = x->peer;
    service *s = p->service;
    if (!x->waiting)
        return;
    x->waiting = false;
    TAILQ_REMOVE(&p->waiting, x, in_waiting);
    if (--p->waiting_count > 0)
        return;
    TAILQ_REMOVE(&s->waiting, p, in_waiting);
    s->waiting_count--;
}

/* Lets calls go on that waited for room, of one connection after the other. */
static void admit(service *s)
{
    uint32_t looks = 0;
    while (s->waiting_count > 0 && (looks++ < LIMIT_ADMISSIONS || s->jobs.taken == 0)) {
        peer *p = TAILQ_FIRST(&s->waiting);
        TAILQ_REMOVE(&s->waiting, p, in_waiting);
        TAILQ_INSERT_TAIL(&s->waiting, p, in_waiting);
        if (has_share(p))
            continue;
        exchange *x = TAILQ_FIRST(&p->waiting);
        stop_waiting(x);
        reserve(x);
        call_resume(x->call);
        p->wake(p);
    }
}

/*
 * Ends the exchange: what is still under way is waited for by nobody, and comes back to the pool by
 * service_complete.
 */
static void exchange_free(exchange *x)
{
    for (job *j = x->first; j;) {
        job *next = j->next_in_exchange;
        j->exchange = NULL;
        x->peer->jobs--;
        if (j->done)
            job_give(&x->peer->service->jobs, j);
        else
            atomic_store_explicit(&j->cancelled, true, memory_order_relaxed);
        j = next;
    }
    stop_waiting(x);
    x->peer->jobs -= x->reserved;
    if (x->listed)
        LIST_REMOVE(x, in_list);
    free(x);
}

static void finish(exchange *x, const grpc_error *error)
{
    call *c = x->call;
    exchange_free(x);
    call_finish(c, error->status, error->message, error->pushback_ms);
}

static void finish_ok(exchange *x)
{
    finish(x, &(grpc_error){.status = GRPC_OK, .pushback_ms = -1});
}

static void finish_unavailable(exchange *x, const char *why)
{
    grpc_error error;
    grpc_fail(&error, GRPC_UNAVAILABLE, "%s", why);
    error.pushback_ms = pushback_ms(&x->peer->service->pushback);
    finish(x, &error);
}

static void finish_no_memory(exchange *x)
{
    finish_unavailable(x, "the server is out of memory");
}

static void enlist(exchange *x, struct exchange_list *list)
{
    LIST_INSERT_HEAD(list, x, in_list);
    x->listed = true;
}

static void on_call(void *context, call *c, const char *path)
{
    peer *p = context;
    const method *m = find_method(path);
    if (!m) {
        grpc_error error;
        grpc_fail(&error, GRPC_UNIMPLEMENTED, "no method %.200s", path);
        call_finish(c, error.status, error.message, -1);
        return;
    }
    exchange *x = calloc(1, sizeof *x);
    if (!x) {
        call_finish(c, GRPC_UNAVAILABLE, "the server is out of memory", LIMIT_PUSHBACK_MS);
        return;
    }
    *x = (exchange){.call = c, .peer = p, .method = m, .last = &x->first};
    call_set_data(c, x);
    if (p->service->draining && m->decode) {
        finish_unavailable(x, "the server is draining");
        return;
    }
    if (m->streaming)
        enlist(x, &p->service->streams);
    else
        call_expect(c);
    if (m->streaming || !m->decode)
        return;
    if (has_share(p))
        wait_for_room(x);
    else
        reserve(x);
}

/* Sends the answers that are due. The exchange may be gone afterwards. */
static void send_answers(service *s, exchange *x)
{
    while (x->first && x->first->done) {
        job *j = x->first;
        if (j->error.status != GRPC_OK) {
            const grpc_error error = j->error;
            finish(x, &error);
            return;
        }
        if (!x->method->encode(&s->message, j, s->models) ||
            !call_send(x->call, s->message.bytes, s->message.count)) {
            finish_no_memory(x);
            return;
        }
        x->first = j->next_in_exchange;
        if (!x->first)
            x->last = &x->first;
        x->jobs--;
        x->peer->jobs--;
        job_give(&s->jobs, j);
    }
    if (!x->first && (x->half_closed || !x->method->streaming)) {
        finish_ok(x);
        return;
    }
    if (!x->first && x->ending) {
        finish_unavailable(x, x->ending);
        return;
    }
    if (x->broken || x->waiting || x->jobs >= LIMIT_STREAM_JOBS)
        return;
    if (has_share(x->peer))
        wait_for_room(x);
    else
        call_resume(x->call);
}

/* Ends the exchange with UNAVAILABLE, behind the answers that it is owed. */
static void end_unavailable(exchange *x, const char *why)
{
    if (!x->first) {
        finish_unavailable(x, why);
        return;
    }
    x->ending = why;
}

/*
 * A job for the exchange, behind those under way. NULL: there are too many, and the exchange ends,
 * or has ended.
 */
static job *add_job(service *s, exchange *x)
{
    job *j = job_take(&s->jobs, x->peer->jobs <= 1);
    if (!j) {
        pushback_note(&s->pushback, true);
        x->broken = true;
        call_hold(x->call);
        end_unavailable(x, "the server is overloaded: too many requests are under way");
        return NULL;
    }
    j->exchange = x;
    j->origin = s->origin;
    j->deadline_ns = call_deadline(x->call);
    j->patient = x->method->streaming;
    j->arrived_ns = x->waiting_since != 0 && !x->method->streaming ? x->waiting_since : s->now_ns;
    *x->last = j;
    x->last = &j->next_in_exchange;
    x->jobs++;
    x->peer->jobs += !x->reserved;
    x->reserved = false;
    return j;
}

/*
 * A job's request is refused, as its error says: it counts as answered, and those behind it are not
 * looked at. The exchange may be gone afterwards.
 */
static void refuse_job(service *s, exchange *x, job *j)
{
    j->done = true;
    x->broken = true;
    call_hold(x->call);
    send_answers(s, x);
}

/* Refuses the next request of a stream. The exchange may be gone afterwards. */
static void refuse(service *s, exchange *x, const grpc_error *error)
{
    job *j = add_job(s, x);
    if (!j)
        return;
    j->error = *error;
    refuse_job(s, x, j);
}

/* Whether a request can be refused before it is decoded: its shard has more than it can do. */
static bool is_refused(const service *s, const exchange *x, const uint8_t *message, size_t bytes)
{
    uint64_t user_id;
    return s->refuses && !x->method->streaming && decode_user(message, bytes, &user_id) &&
           s->refuses(s->owner, user_id,
                      x->method->decode == decode_score &&
                          decode_most_candidates(message, bytes) > LIMIT_SHORT_CANDIDATES);
}

/* Decodes and validates a request and sends it on its way. False: the job's error says why not. */
static bool dispatch(service *s, exchange *x, job *j, const uint8_t *message, size_t bytes)
{
    if (is_refused(s, x, message, bytes)) {
        pushback_note(&s->pushback, true);
        grpc_fail(&j->error, GRPC_UNAVAILABLE, "the server is overloaded: the request would wait");
        j->error.pushback_ms = pushback_ms(&s->pushback);
        return false;
    }
    if (!x->method->decode(message, bytes, &s->limits, j) ||
        !validate(j, &s->limits, s->models, s->wall_ms))
        return false;
    const size_t tasks = vql_model_shape(s->models->model)->tasks;
    if (j->operation == OPERATION_SCORE && !job_reserve_scores(j, j->item_count * tasks)) {
        grpc_fail(&j->error, GRPC_UNAVAILABLE, "the server is out of memory");
        j->error.pushback_ms = LIMIT_PUSHBACK_MS;
        return false;
    }
    job_count(&s->jobs, j);
    pushback_note(&s->pushback, false);
    return s->route(s->owner, j);
}

static void start_job(service *s, exchange *x, const uint8_t *message, size_t bytes)
{
    job *j = add_job(s, x);
    if (!j)
        return;
    if (!dispatch(s, x, j, message, bytes))
        refuse_job(s, x, j);
    else if (x->jobs >= LIMIT_STREAM_JOBS)
        call_hold(x->call);
    else if (x->method->streaming && has_share(x->peer))
        wait_for_room(x);
}

static void on_message(void *context, call *c, const uint8_t *message, size_t bytes)
{
    service *s = ((peer *)context)->service;
    exchange *x = call_data(c);
    if (x->asked && !x->method->streaming) {
        grpc_error error;
        grpc_fail(&error, GRPC_UNIMPLEMENTED, "%s takes one request; a second one came",
                  x->method->path);
        finish(x, &error);
        return;
    }
    x->asked = true;
    if (s->draining && x->method->streaming) {
        grpc_error error;
        grpc_fail(&error, GRPC_UNAVAILABLE, "the server is draining");
        error.pushback_ms = pushback_ms(&s->pushback);
        refuse(s, x, &error);
        return;
    }
    if (x->method->answer)
        x->method->answer(s, x, message, bytes);
    else
        start_job(s, x, message, bytes);
}

/* The session's refusal waits its turn like any other. */
static void on_refused(void *context, call *c, const grpc_error *error)
{
    service *s = ((peer *)context)->service;
    exchange *x = call_data(c);
    if (x->method->streaming)
        refuse(s, x, error);
    else
        finish(x, error);
}

static void on_half_close(void *context, call *c)
{
    (void)context;
    exchange *x = call_data(c);
    x->half_closed = true;
    if (!x->asked && !x->method->streaming) {
        grpc_error error;
        grpc_fail(&error, GRPC_UNIMPLEMENTED, "%s takes one request; none came", x->method->path);
        finish(x, &error);
    } else if (x->method->streaming && !x->first) {
        finish_ok(x);
    }
}

static void on_cancel(void *context, call *c)
{
    (void)context;
    exchange_free(call_data(c));
}

const session_handler service_handler = {
    .on_call = on_call,
    .on_message = on_message,
    .on_refused = on_refused,
    .on_half_close = on_half_close,
    .on_cancel = on_cancel,
};

void service_complete(service *s, job *j)
{
    exchange *x = j->exchange;
    job_count(&s->jobs, j);
    if (!x) {
        job_give(&s->jobs, j);
    } else {
        j->done = true;
        if (x->first == j) {
            peer *p = x->peer;
            send_answers(s, x);
            p->wake(p);
        }
    }
    admit(s);
}

void service_overloaded(service *s, job *j, unsigned waiting)
{
    pushback_note(&s->pushback, true);
    grpc_fail(&j->error, GRPC_UNAVAILABLE, "the server is overloaded: %u requests wait", waiting);
    j->error.pushback_ms = pushback_ms(&s->pushback);
}

static void answer_models(service *s, exchange *x, const uint8_t *message, size_t bytes)
{
    (void)message; /* ListModelsRequest has no fields */
    (void)bytes;
    if (encode_models(&s->message, s->models) &&
        call_send(x->call, s->message.bytes, s->message.count))
        finish_ok(x);
    else
        finish_no_memory(x);
}

static bool send_health(service *s, exchange *x, int status)
{
    return encode_health(&s->message, status) &&
           call_send(x->call, s->message.bytes, s->message.count);
}

static int health_status(const service *s)
{
    return s->draining ? HEALTH_NOT_SERVING : HEALTH_SERVING;
}

static void answer_check(service *s, exchange *x, const uint8_t *message, size_t bytes)
{
    char name[HEALTH_SERVICE_BYTES];
    grpc_error error;
    if (!decode_health(message, bytes, name, &error)) {
        finish(x, &error);
    } else if (!is_service(name)) {
        grpc_fail(&error, GRPC_NOT_FOUND, "service: no service \"%s\"", name);
        finish(x, &error);
    } else if (send_health(s, x, health_status(s))) {
        finish_ok(x);
    } else {
        finish_no_memory(x);
    }
}

static void answer_watch(service *s, exchange *x, const uint8_t *message, size_t bytes)
{
    char name[HEALTH_SERVICE_BYTES];
    grpc_error error;
    if (!decode_health(message, bytes, name, &error)) {
        finish(x, &error);
        return;
    }
    x->watched_status = is_service(name) ? health_status(s) : HEALTH_SERVICE_UNKNOWN;
    if (!send_health(s, x, x->watched_status)) {
        finish_no_memory(x);
        return;
    }
    enlist(x, &s->watchers);
    if (s->draining)
        finish_unavailable(x, "the server is draining");
}

/* Takes the first exchange off a list. NULL: it is empty. */
static exchange *take_first(struct exchange_list *list)
{
    exchange *x = LIST_FIRST(list);
    if (x) {
        LIST_REMOVE(x, in_list);
        x->listed = false;
    }
    return x;
}

void service_drain(service *s)
{
    s->draining = true;
    for (exchange *x = take_first(&s->watchers); x; x = take_first(&s->watchers)) {
        peer *p = x->peer;
        if (x->watched_status == HEALTH_SERVING && !send_health(s, x, HEALTH_NOT_SERVING))
            finish_no_memory(x);
        else
            finish_unavailable(x, "the server is draining");
        p->wake(p);
    }
    for (exchange *x = take_first(&s->streams); x; x = take_first(&s->streams)) {
        peer *p = x->peer;
        end_unavailable(x, "the server is draining");
        p->wake(p);
    }
}

void service_clear(service *s)
{
    job_pool_clear(&s->jobs);
    message_buffer_clear(&s->message);
}
