#include "call.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "call_log.h"
#include "limit.h"
#include "meters.h"
#include "status_details.h"

/* Which trace the call belongs to, if its header fields say so and are right. */
static void take_trace(call *c)
{
    const session_options *options = &c->session->options;
    const char *text = request_metadata(&c->session->request, "traceparent");
    if (!text)
        return;
    const bool valid = traceparent_parse(text, &c->trace);
    meters_count(options->meters, valid ? METER_TRACES_VALID : METER_TRACES_INVALID);
}

/* The call is over: counts it. */
static void end_call(call *c, grpc_status status, const char *message)
{
    const session *s = c->session;
    meters *m = s->options.meters;
    const uint64_t now_ns = m && m->now_ns > s->now_ns ? m->now_ns : s->now_ns;
    const call_end end = {
        .path = c->rpc ? c->rpc->path : NULL,
        .status = status,
        .message = message,
        .duration_ns = now_ns - c->began_ns,
        .trace = &c->trace,
    };
    c->over = true;
    c->session->open--;
    meters_count(m, METER_CALLS_CLOSED);
    meters_call(m, end.path, c->model, status, end.duration_ns);
    call_log_end(s->options.call_log, &end, now_ns);
}

call *call_new(session *s, int32_t stream_id, uint64_t timeout_ns)
{
    call *c = spares_take(s->options.spares, sizeof *c);
    if (!c)
        return NULL;
    memset(c, 0, sizeof *c);
    c->session = s;
    c->input.spares = s->options.spares;
    c->output.spares = s->options.spares;
    c->stream_id = stream_id;
    c->timeout_ns = timeout_ns;
    c->body_since_ns = UINT64_MAX;
    c->body_due_ns = UINT64_MAX;
    c->deadline_ns = timeout_ns > UINT64_MAX - s->now_ns ? UINT64_MAX : s->now_ns + timeout_ns;
    c->handler = &s->handler;
    c->context = s->context;
    c->accepts_gzip = s->request.accepts_gzip && s->options.compress_above > 0;
    c->compress_above = s->options.compress_above;
    memcpy(c->encoding, s->request.encoding, sizeof c->encoding);
    c->began_ns = s->now_ns;
    take_trace(c);
    TAILQ_INSERT_TAIL(&s->calls, c, in_session);
    s->open++;
    meters_count(s->options.meters, METER_CALLS_OPENED);
    return c;
}

void call_make_ready(call *c)
{
    if (c->ready)
        return;
    c->ready = true;
    TAILQ_INSERT_TAIL(&c->session->ready, c, in_ready);
}

void call_count(call *c)
{
    session *s = c->session;
    ledger_set(&s->input, &c->input_counted, c->input.capacity);
    ledger_set(&s->output, &c->output_counted, c->output.capacity);
    if (s->options.ledger)
        ledger_set(s->options.ledger, &c->counted, c->input_counted + c->output_counted);
    if (s->clogged && !ledger_has_share(&s->output, s->options.ledger)) {
        s->clogged = false;
        for (call *other = TAILQ_FIRST(&s->calls); other; other = TAILQ_NEXT(other, in_session))
            call_make_ready(other);
    }
    session_credit(s);
}

void call_free(call *c)
{
    assert(c->over);
    if (c->ready)
        TAILQ_REMOVE(&c->session->ready, c, in_ready);
    TAILQ_REMOVE(&c->session->calls, c, in_session);
    byte_queue_clear(&c->input);
    byte_queue_clear(&c->output);
    call_count(c);
    byte_queue_clear(&c->headers);
    byte_queue_clear(&c->trailers);
    free(c->message);
    free(c->details);
    spares_give(c->session->options.spares, c);
}

bool call_is_clogged(const call *c)
{
    session *s = c->session;
    if (ledger_has_share(&s->output, s->options.ledger))
        s->clogged = true;
    return s->clogged || byte_queue_size(&c->output) > s->options.max_unsent_bytes;
}

/* Answers left for the client. */
static void moved(call *c)
{
    session *s = c->session;
    call_count(c);
    budget_earn(&s->budget, BUDGET_ANSWER_NS);
    patience_start(&s->patience, PATIENCE_WINDOW, s->now_ns, true);
}

static ssize_t read_output(nghttp2_session *h2, int32_t stream_id, uint8_t *out, size_t capacity,
                           uint32_t *flags, nghttp2_data_source *source, void *context)
{
    (void)context;
    call *c = source->ptr;
    if (c->cut)
        return NGHTTP2_ERR_DEFERRED;
    const bool clogged = call_is_clogged(c);
    const size_t size = byte_queue_size(&c->output);
    const size_t taken = size < capacity ? size : capacity;
    if (taken > 0) {
        memcpy(out, byte_queue_front(&c->output), taken);
        byte_queue_take(&c->output, taken);
        moved(c);
    }
    if (clogged && !call_is_clogged(c) && !c->over)
        call_make_ready(c);
    if (taken < size || !c->over)
        return taken > 0 ? (ssize_t)taken : NGHTTP2_ERR_DEFERRED;
    *flags = NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    if (response_end(h2, stream_id, &c->status) != 0)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    return (ssize_t)taken;
}

static response_metadata metadata_of(const byte_queue *fields)
{
    return (response_metadata){
        .text = (const char *)byte_queue_front(fields),
        .bytes = byte_queue_size(fields),
    };
}

/* Tells nghttp2 that there is output, or the end of it. */
static void flush_output(call *c)
{
    session *s = c->session;
    if (s->broken)
        return;
    if (c->responded) {
        /* NGHTTP2_ERR_INVALID_ARGUMENT says that nghttp2 is not waiting, which is as good. */
        session_check(s, nghttp2_session_resume_data(s->h2, c->stream_id));
        return;
    }
    c->responded = true;
    const nghttp2_data_provider body = {.source.ptr = c, .read_callback = read_output};
    const response_head head = {.gzip = c->accepts_gzip, .metadata = metadata_of(&c->headers)};
    session_check(s, response_begin(s->h2, c->stream_id, &head, &body));
}

/* A copy of text; NULL: there is none, or no memory, and the status goes without its message. */
static char *copy_text(const char *text)
{
    if (!text)
        return NULL;
    const size_t bytes = strlen(text) + 1;
    char *copy = malloc(bytes);
    if (copy)
        memcpy(copy, text, bytes);
    return copy;
}

/* Ends the call for the handler: the status leaves behind what is queued. */
static void conclude(call *c, const response_status *status)
{
    session *s = c->session;
    assert(!c->over);
    end_call(c, status->code, status->message);
    c->body_due_ns = UINT64_MAX;
    c->status = *status;
    c->status.metadata = metadata_of(&c->trailers);
    if (c->responded) {
        c->message = copy_text(status->message);
        c->details = copy_text(status->details);
        c->status.message = c->message;
        c->status.details = c->details;
        flush_output(c);
    } else if (!s->broken) {
        c->responded = true;
        const response_head head = {.metadata = metadata_of(&c->headers)};
        session_check(s, response_only(s->h2, c->stream_id, &head, &c->status));
    }
    if (!c->delivering)
        call_discard_input(c);
}

void call_fail(call *c, const grpc_error *error)
{
    char details[STATUS_DETAILS_BYTES];
    meters_reason(c->session->options.meters,
                  error->reason ? error->reason : grpc_status_name(error->status));
    const response_status status = {
        .code = error->status,
        .message = error->message,
        .details = status_details_write(error, details) ? details : NULL,
        .pushback_ms = error->pushback_ms,
    };
    conclude(c, &status);
}

void call_abort(call *c, const grpc_error *error)
{
    call_fail(c, error);
    c->handler->on_cancel(c->context, c);
}

void call_cancel(call *c)
{
    if (c->over)
        return;
    end_call(c, GRPC_CANCELLED, NULL);
    c->handler->on_cancel(c->context, c);
}

/* Whether the answers still waiting are more than the client's windows let out. */
static bool is_stuck(const call *c)
{
    const int32_t stream =
        nghttp2_session_get_stream_remote_window_size(c->session->h2, c->stream_id);
    const int32_t connection = nghttp2_session_get_remote_window_size(c->session->h2);
    const int32_t window = stream < connection ? stream : connection;
    return byte_queue_size(&c->output) > (window > 0 ? (size_t)window : 0);
}

/*
 * Answers that the client does not take end here. The stream is reset a little later: a client that
 * is still there does so itself, and reports its own deadline rather than a cancellation.
 */
void call_expire(call *c)
{
    session *s = c->session;
    c->deadline_ns = UINT64_MAX;
    if (c->cut) {
        session_check(
            s, nghttp2_submit_rst_stream(s->h2, NGHTTP2_FLAG_NONE, c->stream_id, NGHTTP2_CANCEL));
    } else if (!s->broken && is_stuck(c)) {
        c->cut = true;
        byte_queue_clear(&c->output);
        c->deadline_ns = s->now_ns + LIMIT_OVERDUE_MS * UINT64_C(1000000);
    }
    if (!c->over) {
        grpc_error error;
        grpc_fail(&error, GRPC_DEADLINE_EXCEEDED, "deadline of %.9g ms passed",
                  (double)c->timeout_ns * 1e-6);
        call_abort(c, &error);
    }
}

void call_set_data(call *c, void *data)
{
    c->data = data;
}

void *call_data(const call *c)
{
    return c->data;
}

void call_set_model(call *c, unsigned model)
{
    c->model = model;
}

uint64_t call_deadline(const call *c)
{
    return c->deadline_ns;
}

uint64_t call_now(const call *c)
{
    return c->session->now_ns;
}

void call_set_rpc(call *c, const rpc *method, void *context)
{
    assert(!c->rpc && !c->asked);
    c->rpc = method;
    c->handler = method->handler;
    c->context = context;
    if (!method->many_requests)
        call_expect(c);
}

const rpc *call_rpc(const call *c)
{
    return c->rpc;
}

void *call_peer(const call *c)
{
    return c->session->context;
}

const char *call_metadata(const call *c, const char *name)
{
    return request_metadata(&c->session->request, name);
}

static bool add_field(byte_queue *fields, unsigned *count, const char *name, const char *value)
{
    const size_t name_bytes = strlen(name) + 1;
    const size_t value_bytes = strlen(value) + 1;
    if (*count >= RESPONSE_METADATA)
        return false;
    uint8_t *room = byte_queue_extend(fields, name_bytes + value_bytes);
    if (!room)
        return false;
    memcpy(room, name, name_bytes);
    memcpy(room + name_bytes, value, value_bytes);
    ++*count;
    return true;
}

bool call_add_header(call *c, const char *name, const char *value)
{
    assert(!c->responded);
    return add_field(&c->headers, &c->header_count, name, value);
}

bool call_add_trailer(call *c, const char *name, const char *value)
{
    assert(!c->over);
    return add_field(&c->trailers, &c->trailer_count, name, value);
}

bool call_was_compressed(const call *c)
{
    return c->frame.flag;
}

void call_compress_above(call *c, uint32_t bytes)
{
    c->compress_above = bytes;
}

/* Makes gzip of a message, in its own place. 0: it is not to be, or cannot be made shorter. */
static size_t compress(const call *c, uint8_t *message, size_t bytes)
{
    if (!c->accepts_gzip || c->compress_above == 0 || bytes < c->compress_above)
        return 0;
    uint8_t *out = malloc(bytes);
    if (!out)
        return 0;
    const size_t compressed = gzip_deflate(message, bytes, out, bytes);
    memcpy(message, out, compressed);
    free(out);
    return compressed;
}

uint8_t *call_compose(call *c, size_t most)
{
    assert(!c->over);
    if (most > UINT32_MAX)
        return NULL;
    uint8_t *room = byte_queue_reserve(&c->output, FRAME_PREFIX_BYTES + most);
    return room ? room + FRAME_PREFIX_BYTES : NULL;
}

void call_send_composed(call *c, size_t bytes)
{
    uint8_t *frame = byte_queue_reserve(&c->output, FRAME_PREFIX_BYTES + bytes);
    const size_t compressed = compress(c, frame + FRAME_PREFIX_BYTES, bytes);
    const size_t sent = compressed > 0 ? compressed : bytes;
    frame_write_prefix(frame, compressed > 0, (uint32_t)sent);
    (void)byte_queue_extend(&c->output, FRAME_PREFIX_BYTES + sent);
    call_count(c);
    flush_output(c);
}

bool call_send(call *c, const uint8_t *message, size_t bytes)
{
    uint8_t *room = call_compose(c, bytes);
    if (!room)
        return false;
    if (bytes > 0)
        memcpy(room, message, bytes);
    call_send_composed(c, bytes);
    return true;
}

void call_finish(call *c, grpc_status status, const char *message, int64_t pushback_ms)
{
    conclude(c, &(response_status){
                    .code = status,
                    .message = message,
                    .pushback_ms = pushback_ms,
                });
}
