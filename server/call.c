#include "call.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "limit.h"

call *call_new(session *s, int32_t stream_id, uint64_t timeout_ns, const char *encoding)
{
    call *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->session = s;
    c->stream_id = stream_id;
    c->timeout_ns = timeout_ns;
    c->body_since_ns = UINT64_MAX;
    c->body_due_ns = UINT64_MAX;
    c->deadline_ns = timeout_ns > UINT64_MAX - s->now_ns ? UINT64_MAX : s->now_ns + timeout_ns;
    memcpy(c->encoding, encoding, sizeof c->encoding);
    TAILQ_INSERT_TAIL(&s->calls, c, in_session);
    s->open++;
    return c;
}

static void make_ready(call *c)
{
    if (c->ready)
        return;
    c->ready = true;
    TAILQ_INSERT_TAIL(&c->session->ready, c, in_ready);
}

/* Counts the memory that the call's queues take now. */
static void count(call *c)
{
    session *s = c->session;
    ledger_set(&s->input, &c->input_counted, c->input.capacity);
    ledger_set(&s->output, &c->output_counted, c->output.capacity);
    if (s->options.ledger)
        ledger_set(s->options.ledger, &c->counted, c->input_counted + c->output_counted);
    if (s->clogged && !ledger_has_share(&s->output, s->options.ledger)) {
        s->clogged = false;
        for (call *other = TAILQ_FIRST(&s->calls); other; other = TAILQ_NEXT(other, in_session))
            make_ready(other);
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
    count(c);
    free(c->message);
    free(c);
}

/* Answers are waiting for the peer: no more are asked for. */
static bool is_clogged(const call *c)
{
    session *s = c->session;
    if (ledger_has_share(&s->output, s->options.ledger))
        s->clogged = true;
    return s->clogged || byte_queue_size(&c->output) > s->options.max_unsent_bytes;
}

static bool is_blocked(const call *c)
{
    return c->over || c->refused || c->held || is_clogged(c);
}

/* Gives the stream's window back for all but the last `kept` bytes that were received. */
static void give_back_window(call *c, size_t kept)
{
    session *s = c->session;
    if (c->unread <= kept)
        return;
    const size_t read = c->unread - kept;
    c->unread = kept;
    if (!s->broken)
        session_check(s, nghttp2_session_consume_stream(s->h2, c->stream_id, read));
}

static void discard_input(call *c)
{
    byte_queue_clear(&c->input);
    give_back_window(c, 0);
    count(c);
}

/* Answers left for the client. */
static void moved(call *c)
{
    session *s = c->session;
    count(c);
    budget_earn(&s->budget, BUDGET_ANSWER_NS);
    patience_start(&s->patience, PATIENCE_WINDOW, s->now_ns, true);
}

static ssize_t read_output(nghttp2_session *h2, int32_t stream_id, uint8_t *out, size_t capacity,
                           uint32_t *flags, nghttp2_data_source *source, void *context)
{
    (void)context;
    call *c = source->ptr;
    const bool clogged = is_clogged(c);
    const size_t size = byte_queue_size(&c->output);
    const size_t taken = size < capacity ? size : capacity;
    if (taken > 0) {
        memcpy(out, byte_queue_front(&c->output), taken);
        byte_queue_take(&c->output, taken);
        moved(c);
    }
    if (clogged && !is_clogged(c) && !c->over)
        make_ready(c);
    if (taken < size || !c->over)
        return taken > 0 ? (ssize_t)taken : NGHTTP2_ERR_DEFERRED;
    *flags = NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    if (response_end(h2, stream_id, &c->status) != 0)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    return (ssize_t)taken;
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
    session_check(s, response_begin(s->h2, c->stream_id, &body));
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
    c->over = true;
    s->open--;
    c->status = *status;
    c->status.identity_only = c->refused && c->frame.result == FRAME_COMPRESSED && *c->encoding;
    if (c->responded) {
        c->message = copy_text(status->message);
        c->status.message = c->message;
        flush_output(c);
    } else if (!s->broken) {
        c->responded = true;
        session_check(s, response_only(s->h2, c->stream_id, &c->status));
    }
    if (!c->delivering)
        discard_input(c);
}

/* Ends the call with a status that is not the handler's. */
static void fail(call *c, const grpc_error *error)
{
    const response_status status = {
        .code = error->status,
        .message = error->message,
        .pushback_ms = error->pushback_ms,
    };
    conclude(c, &status);
    c->session->handler.on_cancel(c->session->context, c);
}

enum { NS_PER_MS = 1000000, NS_PER_S = 1000000000 };

/* Starts, moves or stops the time that the client has for the message that it is sending. */
static void watch_body(call *c)
{
    session *s = c->session;
    const size_t size = byte_queue_size(&c->input);
    if (s->options.body_ms == 0 || c->over || c->ended || is_blocked(c) ||
        (size == 0 && !c->expected)) {
        c->body_since_ns = UINT64_MAX;
        c->body_due_ns = UINT64_MAX;
        return;
    }
    if (c->body_since_ns == UINT64_MAX)
        c->body_since_ns = s->now_ns;
    c->body_due_ns = c->body_since_ns + s->options.body_ms * NS_PER_MS +
                     (uint64_t)size * NS_PER_S / s->options.body_rate;
    if (c->body_due_ns < s->due_ns)
        s->due_ns = c->body_due_ns;
}

void call_expect(call *c)
{
    c->expected = true;
    watch_body(c);
}

void call_cancel(call *c)
{
    if (c->over)
        return;
    c->over = true;
    c->session->open--;
    c->session->handler.on_cancel(c->session->context, c);
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

void call_expire(call *c)
{
    session *s = c->session;
    grpc_error error;
    grpc_fail(&error, GRPC_DEADLINE_EXCEEDED, "deadline of %.9g ms passed",
              (double)c->timeout_ns * 1e-6);
    c->deadline_ns = UINT64_MAX;
    if (!s->broken && is_stuck(c)) {
        byte_queue_clear(&c->output);
        session_check(
            s, nghttp2_submit_rst_stream(s->h2, NGHTTP2_FLAG_NONE, c->stream_id, NGHTTP2_CANCEL));
    }
    if (!c->over)
        fail(c, &error);
}

void call_starve(call *c)
{
    session *s = c->session;
    if (c->loose) {
        c->loose = false;
        c->body_since_ns = UINT64_MAX;
        watch_body(c);
        return;
    }
    grpc_error error;
    grpc_fail(&error, GRPC_DEADLINE_EXCEEDED,
              "%zu bytes of a message arrived in %.9g ms; the rest is too late",
              byte_queue_size(&c->input), (double)(s->now_ns - c->body_since_ns) * 1e-6);
    fail(c, &error);
    c->body_due_ns = UINT64_MAX;
}

/* Delivers the whole messages at the front of bytes and returns how many bytes they took. */
static size_t deliver(call *c, const uint8_t *bytes, size_t count)
{
    session *s = c->session;
    size_t taken = 0;
    c->delivering = true;
    while (!is_blocked(c)) {
        c->frame = frame_parse(bytes + taken, count - taken, s->options.max_message_bytes);
        if (c->frame.result != FRAME_WHOLE)
            break;
        const uint8_t *message = bytes + taken + FRAME_PREFIX_BYTES;
        taken += FRAME_PREFIX_BYTES + c->frame.length;
        c->expected = false;
        c->body_since_ns = UINT64_MAX;
        s->handler.on_message(s->context, c, message, c->frame.length);
    }
    c->delivering = false;
    return taken;
}

/* Nothing that follows can be understood. */
static bool is_bad(const call *c)
{
    return c->frame.result != FRAME_PARTIAL && c->frame.result != FRAME_WHOLE;
}

/* What is wrong with the input, if anything is. */
static grpc_status check_input(const call *c, grpc_error *error)
{
    switch (c->frame.result) {
    case FRAME_BAD_FLAG:
        return grpc_fail(error, GRPC_INTERNAL, "compressed flag is %u, neither 0 nor 1",
                         c->frame.flag);
    case FRAME_COMPRESSED:
        if (!*c->encoding || strcmp(c->encoding, "identity") == 0)
            return grpc_fail(error, GRPC_INTERNAL, "compressed flag is 1 without a grpc-encoding");
        return grpc_fail(error, GRPC_UNIMPLEMENTED,
                         "grpc-encoding '%s' is not supported, only identity", c->encoding);
    case FRAME_TOO_LONG:
        return grpc_fail(error, GRPC_RESOURCE_EXHAUSTED,
                         "message of %u bytes is longer than the limit of %u bytes",
                         c->frame.length, c->session->options.max_message_bytes);
    case FRAME_PARTIAL:
    case FRAME_WHOLE:
        break;
    }
    const size_t rest = byte_queue_size(&c->input);
    if (c->ended && rest > 0 && !is_blocked(c))
        return grpc_fail(error, GRPC_INTERNAL, "the stream ended %zu bytes into a message", rest);
    return GRPC_OK;
}

static void refuse(call *c, const grpc_error *error)
{
    c->refused = true;
    discard_input(c);
    c->session->handler.on_refused(c->session->context, c, error);
}

/*
 * Brings the call up to date with what was delivered. A bad input is refused, if that may be done
 * now, and otherwise the next time that the session comes by.
 */
static void settle(call *c, bool may_refuse)
{
    grpc_error error;
    if (c->over || c->refused) {
        discard_input(c);
    } else if (check_input(c, &error) != GRPC_OK) {
        if (may_refuse)
            refuse(c, &error);
        else
            make_ready(c);
    } else if (is_blocked(c)) {
        give_back_window(c, byte_queue_size(&c->input));
    } else {
        give_back_window(c, 0);
        if (c->ended && !c->half_closed) {
            c->half_closed = true;
            c->session->handler.on_half_close(c->session->context, c);
        }
    }
}

static void pump(call *c, bool may_refuse)
{
    const size_t size = byte_queue_size(&c->input);
    if (size > 0)
        byte_queue_take(&c->input, deliver(c, byte_queue_front(&c->input), size));
    settle(c, may_refuse);
    count(c);
    c->loose = !may_refuse;
    watch_body(c);
}

/* Whether more of an unfinished message may be kept. */
static bool check_room(const call *c, grpc_error *error)
{
    const session *s = c->session;
    if (s->input.used >= s->input.limit) {
        grpc_fail(error, GRPC_RESOURCE_EXHAUSTED,
                  "the connection's unfinished messages take %zu bytes, the limit is %zu bytes",
                  s->input.used, s->input.limit);
        return false;
    }
    if (ledger_has_share(&s->input, s->options.ledger)) {
        grpc_fail(error, GRPC_UNAVAILABLE,
                  "the server is overloaded: requests and answers take %zu bytes",
                  s->options.ledger->used);
        error->pushback_ms = LIMIT_PUSHBACK_MS;
        return false;
    }
    return true;
}

void call_pump(call *c)
{
    if (c->ready) {
        c->ready = false;
        TAILQ_REMOVE(&c->session->ready, c, in_ready);
    }
    pump(c, true);
}

void call_receive(call *c, const uint8_t *bytes, size_t received)
{
    c->unread += received;
    /* Messages that arrive whole are delivered from where they are. */
    const size_t taken = byte_queue_size(&c->input) > 0 ? 0 : deliver(c, bytes, received);
    grpc_error error;
    if (c->over || c->refused || is_bad(c)) {
        settle(c, true);
    } else if (taken < received && !is_blocked(c) && !check_room(c, &error)) {
        fail(c, &error);
    } else if (byte_queue_append(&c->input, bytes + taken, received - taken)) {
        pump(c, true);
    } else {
        grpc_fail(&error, GRPC_UNAVAILABLE, "no memory for a message");
        fail(c, &error);
    }
}

void call_receive_end(call *c)
{
    c->ended = true;
    pump(c, true); /* whole messages may wait for the session to come by */
}

void call_set_data(call *c, void *data)
{
    c->data = data;
}

void *call_data(const call *c)
{
    return c->data;
}

uint64_t call_deadline(const call *c)
{
    return c->deadline_ns;
}

bool call_send(call *c, const uint8_t *message, size_t bytes)
{
    assert(!c->over);
    if (bytes > UINT32_MAX)
        return false;
    uint8_t *room = byte_queue_extend(&c->output, FRAME_PREFIX_BYTES + bytes);
    if (!room)
        return false;
    frame_write_prefix(room, (uint32_t)bytes);
    if (bytes > 0)
        memcpy(room + FRAME_PREFIX_BYTES, message, bytes);
    count(c);
    flush_output(c);
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

void call_hold(call *c)
{
    c->held = true;
}

void call_resume(call *c)
{
    c->held = false;
    if (!c->delivering)
        pump(c, false);
}
