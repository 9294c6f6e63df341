#include "service.h"

#include <stdlib.h>
#include <string.h>

#include "limit.h"
#include "validate.h"

/* What happens to the calls of an rpc, whose data it is. */
typedef struct method {
    bool streaming;    /* any number of requests, one answer each */
    token_scope scope; /* that a caller's token must have */

    /* Methods that need a shard. */
    bool (*decode)(const uint8_t *message, size_t bytes, const request_limits *limits, job *j);
    bool (*encode)(message_buffer *out, const job *j, const registry *models);

    /* Methods that do not: answers one request at once, finishing the call unless it goes on. */
    void (*answer)(service *s, exchange *x, const uint8_t *message, size_t bytes);
} method;

/* One call of one method. Lives from on_call until the call ends. */
struct exchange {
    call *call;
    service *service;
    const method *method;
    tenant *tenant;   /* on whose behalf; NULL: nobody counts */
    bool half_closed; /* no more will */
    bool broken;      /* a request was refused: those behind it are not looked at */

    /* Why the exchange ends with UNAVAILABLE once what was asked is answered; NULL: it does not. */
    const char *ending;

    /* Jobs under way, in the order of their requests; answers leave in this order. */
    job *first, **last;
    uint32_t jobs;

    bool listed; /* in the service's streams */
    LIST_ENTRY(exchange) in_list;
};

static void answer_models(service *s, exchange *x, const uint8_t *message, size_t bytes);

static const method score = {
    .scope = TOKEN_SCOPE_SCORE, .decode = decode_score, .encode = encode_score};
static const method score_stream = {
    .streaming = true, .scope = TOKEN_SCOPE_SCORE, .decode = decode_score, .encode = encode_score};
static const method append = {
    .scope = TOKEN_SCOPE_APPEND, .decode = decode_append, .encode = encode_append};
static const method append_stream = {.streaming = true,
                                     .scope = TOKEN_SCOPE_APPEND,
                                     .decode = decode_append,
                                     .encode = encode_append};
static const method get = {.scope = TOKEN_SCOPE_APPEND, .decode = decode_get, .encode = encode_get};
static const method delete = {
    .scope = TOKEN_SCOPE_APPEND, .decode = decode_delete, .encode = encode_delete};
static const method list_models = {.scope = TOKEN_SCOPE_ANY, .answer = answer_models};

/*
 * Ends the exchange: what is still under way is waited for by nobody, and comes back to the pool by
 * service_complete.
 */
static void exchange_free(exchange *x)
{
    for (job *j = x->first; j;) {
        job *next = j->next_in_exchange;
        j->exchange = NULL;
        if (j->done)
            job_give(&x->service->jobs, j);
        else
            atomic_store_explicit(&j->cancelled, true, memory_order_relaxed);
        j = next;
    }
    if (x->listed)
        LIST_REMOVE(x, in_list);
    if (x->tenant)
        tenant_end(x->tenant);
    free(x);
}

static void finish(exchange *x, const grpc_error *error)
{
    call *c = x->call;
    exchange_free(x);
    call_fail(c, error);
}

static void finish_ok(exchange *x)
{
    finish(x, &(grpc_error){.status = GRPC_OK, .pushback_ms = -1});
}

static void finish_unavailable(exchange *x, const char *why)
{
    grpc_error error;
    grpc_fail(&error, GRPC_UNAVAILABLE, "%s", why);
    error.pushback_ms = LIMIT_PUSHBACK_MS;
    finish(x, &error);
}

static void finish_no_memory(exchange *x)
{
    grpc_error error;
    grpc_fail(&error, GRPC_RESOURCE_EXHAUSTED, "the server is out of memory");
    finish(x, &error);
}

static const char authorization[] = "authorization";

const char *const service_metadata[] = {authorization, NULL};

/* Whether the caller may call the method, and on whose behalf it then does. */
static grpc_status admit(const service *s, const call *c, const method *m, tenant **on_behalf,
                         grpc_error *error)
{
    *on_behalf = NULL;
    if (!s->gate || m->scope == TOKEN_SCOPE_NONE)
        return GRPC_OK;
    const char *credentials = call_metadata(c, authorization);
    tenant *found;
    if (gate_check(s->gate, m->scope, credentials ? credentials : "", &found, error) != GRPC_OK ||
        tenant_begin(found, error) != GRPC_OK)
        return error->status;
    *on_behalf = found;
    return GRPC_OK;
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
    exchange *x = calloc(1, sizeof *x);
    if (!x) {
        if (on_behalf)
            tenant_end(on_behalf);
        call_finish(c, GRPC_RESOURCE_EXHAUSTED, "the server is out of memory", -1);
        return;
    }
    *x = (exchange){.call = c, .service = s, .method = m, .tenant = on_behalf, .last = &x->first};
    call_set_data(c, x);
    if (s->draining && m->streaming) {
        finish_unavailable(x, "the server is draining");
    } else if (m->streaming) {
        LIST_INSERT_HEAD(&s->streams, x, in_list);
        x->listed = true;
    }
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
    if (!x->broken && x->jobs < LIMIT_STREAM_JOBS)
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
    job *j = job_take(&s->jobs);
    if (!j) {
        x->broken = true;
        call_hold(x->call);
        end_unavailable(x, "the server is overloaded: too many requests are under way");
        return NULL;
    }
    j->exchange = x;
    j->origin = s->origin;
    j->deadline_ns = call_deadline(x->call);
    *x->last = j;
    x->last = &j->next_in_exchange;
    x->jobs++;
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

/* Decodes and validates a request and sends it on its way. False: the job's error says why not. */
static bool dispatch(service *s, exchange *x, job *j, const uint8_t *message, size_t bytes)
{
    if (!x->method->decode(message, bytes, &s->limits, j) ||
        !validate(j, &s->limits, s->models, s->wall_ms))
        return false;
    const size_t tasks = vql_model_shape(s->models->model)->tasks;
    if (j->operation == OPERATION_SCORE && !job_reserve_scores(j, j->item_count * tasks)) {
        grpc_fail(&j->error, GRPC_RESOURCE_EXHAUSTED, "the server is out of memory");
        return false;
    }
    if (!s->route(s->owner, j)) {
        grpc_fail(&j->error, GRPC_UNAVAILABLE, "the server is overloaded: %d requests wait",
                  LIMIT_MAILBOX);
        j->error.pushback_ms = LIMIT_PUSHBACK_MS;
        return false;
    }
    return true;
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
}

static void on_message(void *context, call *c, const uint8_t *message, size_t bytes)
{
    service *s = context;
    exchange *x = call_data(c);
    grpc_error error;
    if (s->draining && x->method->streaming) {
        grpc_fail(&error, GRPC_UNAVAILABLE, "the server is draining");
        error.pushback_ms = LIMIT_PUSHBACK_MS;
        refuse(s, x, &error);
        return;
    }
    if (x->tenant && tenant_request(x->tenant, call_now(c), &error) != GRPC_OK) {
        if (x->method->streaming)
            refuse(s, x, &error);
        else
            finish(x, &error);
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
    if (!x) {
        job_give(&s->jobs, j);
        return;
    }
    j->done = true;
    if (x->first != j)
        return;
    peer *p = call_peer(x->call);
    send_answers(s, x);
    p->wake(p);
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

static const rpc scoring[] = {
    {"/vql.v1.Scoring/Score", &handler, false, &score},
    {"/vql.v1.Scoring/ScoreStream", &handler, true, &score_stream},
};

static const rpc history[] = {
    {"/vql.v1.History/Append", &handler, false, &append},
    {"/vql.v1.History/AppendStream", &handler, true, &append_stream},
    {"/vql.v1.History/Get", &handler, false, &get},
    {"/vql.v1.History/Delete", &handler, false, &delete},
};

static const rpc model_rpcs[] = {
    {"/vql.v1.Models/List", &handler, false, &list_models},
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
        peer *p = call_peer(x->call);
        end_unavailable(x, "the server is draining");
        p->wake(p);
    }
}

void service_clear(service *s)
{
    job_pool_clear(&s->jobs);
    message_buffer_clear(&s->message);
}
