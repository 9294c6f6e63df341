#include "service.h"

#include <stdlib.h>
#include <string.h>

#include "limit.h"
#include "meters.h"
#include "method.h"
#include "model_calls.h"
#include "validate.h"

/* Why something ends with UNAVAILABLE, for programs and for people. */
typedef struct cause {
    const char *reason, *message;
} cause;

static const cause draining = {"DRAINING", "the server is draining"};
static const cause no_memory = {"NO_MEMORY", "the server is out of memory"};
static const cause too_many_jobs = {"OVERLOADED",
                                    "the server is overloaded: too many requests are under way"};
static const cause too_many_waiting = {"OVERLOADED",
                                       "the server is overloaded: the request would wait"};

/* One call of one method. Lives from on_call until the call ends. */
struct exchange {
    call *call;
    service *service;
    peer *peer;
    const method *method;
    tenant *tenant;   /* on whose behalf; NULL: nobody counts */
    bool half_closed; /* no more will */
    bool broken;      /* a request was refused: those behind it are not looked at */

    /* Why the exchange ends once what was asked is answered; NULL: it does not. */
    const cause *ending;

    /* Jobs under way, in the order of their requests; answers leave in this order. */
    job *first, **last;
    uint32_t jobs;

    bool reserved;          /* counts in peer->jobs for the request that is to come */
    bool waiting;           /* in the peer's waiting: held until there is room */
    uint64_t waiting_since; /* now_ns; 0: it did not wait */
    TAILQ_ENTRY(exchange) in_waiting;

    bool listed; /* in the service's streams */
    LIST_ENTRY(exchange) in_list;
};

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

/* Gives a job back, which no version is held for any more. */
static void give(service *s, job *j)
{
    model_view_let_go(&s->models, j->held);
    job_give(&s->jobs, j);
}

/* Whether a connection has its share of the requests that may be under way. */
static bool has_share(const service *s, const peer *p)
{
    return p->jobs > 0 && p->jobs >= count_room(s) / LIMIT_SHARE;
}

/* Holds the exchange's call until there is room. */
static void wait_for_room(exchange *x)
{
    peer *p = x->peer;
    service *s = x->service;
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
    if (x->method->streaming)
        return;
    x->reserved = true;
    x->peer->jobs++;
}

static void stop_waiting(exchange *x)
{
    peer *p = x->peer;
    service *s = x->service;
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
static void let_in(service *s)
{
    uint32_t looks = 0;
    while (s->waiting_count > 0 && (looks++ < LIMIT_ADMISSIONS || s->jobs.taken == 0)) {
        peer *p = TAILQ_FIRST(&s->waiting);
        TAILQ_REMOVE(&s->waiting, p, in_waiting);
        TAILQ_INSERT_TAIL(&s->waiting, p, in_waiting);
        if (has_share(s, p))
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
            give(x->service, j);
        else
            atomic_store_explicit(&j->cancelled, true, memory_order_relaxed);
        j = next;
    }
    stop_waiting(x);
    x->peer->jobs -= x->reserved;
    if (x->listed)
        LIST_REMOVE(x, in_list);
    if (x->tenant)
        tenant_end(x->tenant);
    spares_give(x->service->spares, x);
}

static void finish(exchange *x, const grpc_error *error)
{
    call *c = x->call;
    exchange_free(x);
    call_fail(c, error);
}

static void finish_ok(exchange *x)
{
    call *c = x->call;
    exchange_free(x);
    call_finish(c, GRPC_OK, NULL, -1);
}

/* Returns false, so that what cannot go on can end with it. */
static bool fail_unavailable(service *s, grpc_error *error, const cause *why)
{
    grpc_fail(error, GRPC_UNAVAILABLE, "%s", why->message);
    error->reason = why->reason;
    error->pushback_ms = pushback_ms(&s->pushback);
    return false;
}

static void finish_unavailable(exchange *x, const cause *why)
{
    grpc_error error;
    (void)fail_unavailable(x->service, &error, why);
    finish(x, &error);
}

static void finish_no_memory(exchange *x)
{
    finish_unavailable(x, &no_memory);
}

static const char authorization[] = "authorization";

const char *const service_metadata[] = {authorization, "traceparent", NULL};

/* Whether the caller may call the method, and on whose behalf it then does. */
static grpc_status admit(const service *s, const call *c, const method *m, tenant **on_behalf,
                         grpc_error *error)
{
    *on_behalf = NULL;
    if (!s->gate || m->scope == TOKEN_SCOPE_NONE)
        return GRPC_OK;
    const char *credentials = call_metadata(c, authorization);
    tenant *found;
    if (gate_check(s->gate, m->scope, credentials ? credentials : "", &found, error) != GRPC_OK)
        return error->status;
    if (tenant_begin(found, error) != GRPC_OK) {
        meters_count(s->meters, METER_QUOTA_IN_FLIGHT);
        return error->status;
    }
    *on_behalf = found;
    return GRPC_OK;
}

/* Has the call's first request come, when there is room for it. */
static void begin(exchange *x)
{
    service *s = x->service;
    if (x->method->streaming) {
        LIST_INSERT_HEAD(&s->streams, x, in_list);
        x->listed = true;
        return;
    }
    if (!x->method->decode)
        return;
    if (has_share(s, x->peer))
        wait_for_room(x);
    else
        reserve(x);
}

static void on_call(void *context, call *c, const char *path)
{
    (void)path;
    service *s = context;
    const method *m = call_rpc(c)->data;
    grpc_error error;
    tenant *on_behalf;
    if (admit(s, c, m, &on_behalf, &error) != GRPC_OK) {
        call_fail(c, &error);
        return;
    }
    exchange *x = spares_take(s->spares, sizeof *x);
    if (!x) {
        if (on_behalf)
            tenant_end(on_behalf);
        (void)fail_unavailable(s, &error, &no_memory);
        call_fail(c, &error);
        return;
    }
    *x = (exchange){
        .call = c,
        .service = s,
        .peer = call_peer(c),
        .method = m,
        .tenant = on_behalf,
        .last = &x->first,
    };
    call_set_data(c, x);
    if (s->draining && m->streaming)
        finish_unavailable(x, &draining);
    else
        begin(x);
}

/* Writes a job's answer to s->message. False: no memory. */
static bool encode(service *s, const exchange *x, const job *j)
{
    grpc_error error;
    if (!x->method->encode)
        return model_calls_answer(&s->models, &s->message, &error) == GRPC_OK;
    return x->method->encode(&s->message, j);
}

/* Sends a job's answer. False: no memory. */
static bool send_answer(service *s, exchange *x, const job *j)
{
    const method *m = x->method;
    if (!m->most)
        return encode(s, x, j) && call_send(x->call, s->message.bytes, s->message.count);
    const size_t most = m->most(j);
    message_buffer room = {.bytes = call_compose(x->call, most), .capacity = most, .lent = true};
    if (!room.bytes || !m->encode(&room, j))
        return false;
    call_send_composed(x->call, room.count);
    return true;
}

/* Sends the answers that are due. The exchange may be gone afterwards. */
static void send_answers(service *s, exchange *x)
{
    while (x->first && x->first->done) {
        job *j = x->first;
        meters_answer(s->meters, j);
        if (j->operation == OPERATION_SCORE && j->version)
            call_set_model(x->call, meters_model(s->meters, j->version));
        if (j->error.status != GRPC_OK) {
            const grpc_error error = j->error;
            finish(x, &error);
            return;
        }
        if (!send_answer(s, x, j)) {
            finish_no_memory(x);
            return;
        }
        x->first = j->next_in_exchange;
        if (!x->first)
            x->last = &x->first;
        x->jobs--;
        x->peer->jobs--;
        give(s, j);
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
    if (has_share(s, x->peer))
        wait_for_room(x);
    else
        call_resume(x->call);
}

/* Ends the exchange with UNAVAILABLE, behind the answers that it is owed. */
static void end_unavailable(exchange *x, const cause *why)
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
        meters_count(s->meters, METER_SHED_JOBS);
        x->broken = true;
        call_hold(x->call);
        end_unavailable(x, &too_many_jobs);
        return NULL;
    }
    j->held = model_view_hold(&s->models);
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

/* Sends a job to who controls the models. False: the job's error says why not. */
static bool send_control(service *s, job *j)
{
    job_count(&s->jobs, j);
    if (s->control)
        return s->control(s->owner, j);
    (void)grpc_fail(&j->error, GRPC_FAILED_PRECONDITION, "the server keeps its models");
    return false;
}

/* Decodes and validates a request and sends it on its way. False: the job's error says why not. */
static bool dispatch(service *s, exchange *x, job *j, const uint8_t *message, size_t bytes)
{
    if (x->method->controls)
        return x->method->decode(message, bytes, &s->limits, j) && send_control(s, j);
    if (is_refused(s, x, message, bytes)) {
        pushback_note(&s->pushback, true);
        meters_count(s->meters, METER_SHED_EARLY);
        return fail_unavailable(s, &j->error, &too_many_waiting);
    }
    if (!x->method->decode(message, bytes, &s->limits, j) ||
        !validate(j, &s->limits, model_view_set(&s->models), s->wall_ms))
        return false;
    const size_t tasks = vql_model_shape(j->version->model)->tasks;
    if (j->operation == OPERATION_SCORE && !job_reserve_scores(j, j->item_count * tasks))
        return fail_unavailable(s, &j->error, &no_memory);
    if (s->recent && j->operation == OPERATION_SCORE && s->scored++ % LIMIT_WARM_UP_EVERY == 0)
        recent_note(s->recent, j);
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
    else if (x->method->streaming && has_share(s, x->peer))
        wait_for_room(x);
}

static void answer_at_once(service *s, exchange *x, const uint8_t *message, size_t bytes)
{
    grpc_error error;
    if (x->method->answer(&s->models, message, bytes, &s->message, &error) != GRPC_OK)
        finish(x, &error);
    else if (call_send(x->call, s->message.bytes, s->message.count))
        finish_ok(x);
    else
        finish_no_memory(x);
}

static void on_message(void *context, call *c, const uint8_t *message, size_t bytes)
{
    service *s = context;
    exchange *x = call_data(c);
    grpc_error error;
    if (s->draining && x->method->streaming) {
        (void)fail_unavailable(s, &error, &draining);
        refuse(s, x, &error);
        return;
    }
    if (x->tenant && tenant_request(x->tenant, call_now(c), &error) != GRPC_OK) {
        meters_count(s->meters, METER_QUOTA_RATE);
        if (x->method->streaming)
            refuse(s, x, &error);
        else
            finish(x, &error);
        return;
    }
    if (x->method->answer)
        answer_at_once(s, x, message, bytes);
    else
        start_job(s, x, message, bytes);
}

/* The session's refusal waits its turn like any other. */
static void on_refused(void *context, call *c, const grpc_error *error)
{
    service *s = context;
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
    if (x->method->streaming && !x->first)
        finish_ok(x);
}

static void on_cancel(void *context, call *c)
{
    (void)context;
    exchange_free(call_data(c));
}

static const session_handler handler = {
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
        give(s, j);
    } else {
        j->done = true;
        if (x->first == j) {
            peer *p = x->peer;
            send_answers(s, x);
            p->wake(p);
        }
    }
    let_in(s);
}

void service_overloaded(service *s, job *j, unsigned waiting)
{
    pushback_note(&s->pushback, true);
    meters_count(s->meters, METER_SHED_MAILBOX);
    grpc_fail(&j->error, GRPC_UNAVAILABLE, "the server is overloaded: %u requests wait", waiting);
    j->error.reason = "OVERLOADED";
    j->error.pushback_ms = pushback_ms(&s->pushback);
}

static const rpc scoring[] = {
    {"/vql.v1.Scoring/Score", &handler, false, &method_score},
    {"/vql.v1.Scoring/ScoreStream", &handler, true, &method_score_stream},
};

static const rpc history[] = {
    {"/vql.v1.History/Append", &handler, false, &method_append},
    {"/vql.v1.History/AppendStream", &handler, true, &method_append_stream},
    {"/vql.v1.History/Get", &handler, false, &method_get},
    {"/vql.v1.History/Delete", &handler, false, &method_delete},
};

static const rpc model_rpcs[] = {
    {"/vql.v1.Models/List", &handler, false, &method_list_models},
    {"/vql.v1.Models/Load", &handler, false, &method_load_model},
    {"/vql.v1.Models/Activate", &handler, false, &method_activate_model},
    {"/vql.v1.Models/Unload", &handler, false, &method_unload_model},
    {"/vql.v1.Models/UpsertItems", &handler, false, &method_upsert_many},
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

void service_add(service *s, router *r)
{
    router_add(r, "vql.v1.Scoring", scoring, COUNT(scoring), s);
    router_add(r, "vql.v1.History", history, COUNT(history), s);
    router_add(r, "vql.v1.Models", model_rpcs, COUNT(model_rpcs), s);
}

void service_drain(service *s)
{
    s->draining = true;
    while (!LIST_EMPTY(&s->streams)) {
        exchange *x = LIST_FIRST(&s->streams);
        LIST_REMOVE(x, in_list);
        x->listed = false;
        peer *p = x->peer;
        end_unavailable(x, &draining);
        p->wake(p);
    }
}

void service_clear(service *s)
{
    job_pool_clear(&s->jobs);
    model_view_clear(&s->models);
    message_buffer_clear(&s->message);
}
