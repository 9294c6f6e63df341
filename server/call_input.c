#include "call.h"

#include <stdlib.h>
#include <string.h>

#include "limit.h"

static bool is_blocked(const call *c)
{
    return c->over || c->refused || c->held || call_is_clogged(c);
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

void call_discard_input(call *c)
{
    byte_queue_clear(&c->input);
    give_back_window(c, 0);
    call_count(c);
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
    error.reason = "MESSAGE_TOO_SLOW";
    call_abort(c, &error);
    c->body_due_ns = UINT64_MAX;
}

/*
 * What a message has cost that came compressed: much more may come out of it than was sent, and
 * that is paid for.
 */
static void pay_inflation(call *c, size_t count)
{
    const uint64_t usual = (uint64_t)c->frame.length * BUDGET_GZIP_RATIO;
    if (count > usual)
        session_pay(c->session, (count - usual) * BUDGET_GZIP_BYTE_NS);
}

/* Delivers a message as it was before it was compressed; meanwhile it counts in the ledger. */
static void deliver_compressed(call *c, const uint8_t *message)
{
    const session_options *options = &c->session->options;
    uint8_t *plain;
    size_t count;
    size_t counted = 0;
    c->gzip = gzip_inflate(message, c->frame.length, options->max_message_bytes, &plain, &count);
    pay_inflation(c, count);
    if (options->ledger)
        ledger_set(options->ledger, &counted, count);
    if (c->gzip == GZIP_OK)
        c->handler->on_message(c->context, c, plain, count);
    if (options->ledger)
        ledger_set(options->ledger, &counted, 0);
    free(plain);
}

static void deliver_message(call *c, const uint8_t *message)
{
    if (c->asked && c->rpc && !c->rpc->many_requests) {
        c->surplus = true;
        return;
    }
    c->asked = true;
    c->expected = false;
    c->body_since_ns = UINT64_MAX;
    if (c->frame.flag)
        deliver_compressed(c, message);
    else
        c->handler->on_message(c->context, c, message, c->frame.length);
}

/* Nothing that follows can be understood. */
static bool is_bad(const call *c)
{
    return c->surplus || c->gzip != GZIP_OK ||
           (c->frame.result != FRAME_PARTIAL && c->frame.result != FRAME_WHOLE);
}

/* Delivers the whole messages at the front of bytes and returns how many bytes they took. */
static size_t deliver(call *c, const uint8_t *bytes, size_t count)
{
    const bool gzip = strcmp(c->encoding, "gzip") == 0;
    const uint32_t limit = c->session->options.max_message_bytes;
    size_t taken = 0;
    c->delivering = true;
    while (!is_blocked(c) && !is_bad(c) && !c->session->broken) {
        c->frame = frame_parse(bytes + taken, count - taken, limit, gzip);
        if (c->frame.result != FRAME_WHOLE)
            break;
        const uint8_t *message = bytes + taken + FRAME_PREFIX_BYTES;
        taken += FRAME_PREFIX_BYTES + c->frame.length;
        deliver_message(c, message);
    }
    c->delivering = false;
    return taken;
}

static grpc_status fail_too_long(const call *c, grpc_error *error, const char *what)
{
    const uint32_t limit = c->session->options.max_message_bytes;
    grpc_fail(error, GRPC_RESOURCE_EXHAUSTED, "message of %u bytes %s than the limit of %u bytes",
              c->frame.length, what, limit);
    grpc_error_limit(error, "MESSAGE_TOO_LONG", "max-message-bytes", limit);
    return error->status;
}

/* What is wrong with a message that came compressed, if anything is. */
static grpc_status check_gzip(const call *c, grpc_error *error)
{
    switch (c->gzip) {
    case GZIP_OK:
        break;
    case GZIP_MALFORMED:
        return grpc_fail(error, GRPC_INTERNAL, "compressed message of %u bytes is not gzip",
                         c->frame.length);
    case GZIP_TOO_LONG:
        return fail_too_long(c, error, "inflates to more");
    case GZIP_NO_MEMORY:
        return grpc_fail(error, GRPC_UNAVAILABLE, "no memory for a message");
    }
    return GRPC_OK;
}

/* What is wrong with a frame, if anything is. */
static grpc_status check_frame(const call *c, grpc_error *error)
{
    switch (c->frame.result) {
    case FRAME_BAD_FLAG:
        return grpc_fail(error, GRPC_INTERNAL, "compressed flag is %u, neither 0 nor 1",
                         c->frame.flag);
    case FRAME_COMPRESSED:
        if (!*c->encoding || strcmp(c->encoding, "identity") == 0)
            return grpc_fail(error, GRPC_INTERNAL, "compressed flag is 1 without a grpc-encoding");
        return grpc_fail(error, GRPC_UNIMPLEMENTED,
                         "grpc-encoding '%s' is not supported, only identity and gzip",
                         c->encoding);
    case FRAME_TOO_LONG:
        return fail_too_long(c, error, "is longer");
    case FRAME_PARTIAL:
    case FRAME_WHOLE:
        break;
    }
    return check_gzip(c, error);
}

/* What is wrong with the input, if anything is. */
static grpc_status check_input(const call *c, grpc_error *error)
{
    if (check_frame(c, error) != GRPC_OK)
        return error->status;
    if (c->surplus)
        return grpc_fail(error, GRPC_UNIMPLEMENTED, "%s takes one request; a second one came",
                         c->rpc->path);
    const size_t rest = byte_queue_size(&c->input);
    if (c->ended && rest > 0 && !is_blocked(c))
        return grpc_fail(error, GRPC_INTERNAL, "the stream ended %zu bytes into a message", rest);
    if (c->ended && rest == 0 && !c->asked && c->rpc && !c->rpc->many_requests)
        return grpc_fail(error, GRPC_UNIMPLEMENTED, "%s takes one request; none came",
                         c->rpc->path);
    return GRPC_OK;
}

static void refuse(call *c, const grpc_error *error)
{
    c->refused = true;
    call_discard_input(c);
    c->handler->on_refused(c->context, c, error);
}

/*
 * Brings the call up to date with what was delivered. A bad input is refused, if that may be done
 * now, and otherwise the next time that the session comes by.
 */
static void settle(call *c, bool may_refuse)
{
    grpc_error error;
    if (c->over || c->refused) {
        call_discard_input(c);
    } else if (check_input(c, &error) != GRPC_OK) {
        if (may_refuse)
            refuse(c, &error);
        else
            call_make_ready(c);
    } else if (is_blocked(c)) {
        give_back_window(c, byte_queue_size(&c->input));
    } else {
        give_back_window(c, 0);
        if (c->ended && !c->half_closed) {
            c->half_closed = true;
            c->handler->on_half_close(c->context, c);
        }
    }
}

static void pump(call *c, bool may_refuse)
{
    const size_t size = byte_queue_size(&c->input);
    if (size > 0)
        byte_queue_take(&c->input, deliver(c, byte_queue_front(&c->input), size));
    settle(c, may_refuse);
    call_count(c);
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
        grpc_error_limit(error, "TOO_MANY_PENDING_BYTES", "max-connection-bytes", s->input.limit);
        return false;
    }
    if (ledger_has_share(&s->input, s->options.ledger)) {
        grpc_fail(error, GRPC_UNAVAILABLE,
                  "the server is overloaded: requests and answers take %zu bytes",
                  s->options.ledger->used);
        error->reason = "OVERLOADED";
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
        call_abort(c, &error);
    } else if (byte_queue_append(&c->input, bytes + taken, received - taken)) {
        pump(c, true);
    } else {
        grpc_fail(&error, GRPC_UNAVAILABLE, "no memory for a message");
        call_abort(c, &error);
    }
}

void call_receive_end(call *c)
{
    c->ended = true;
    pump(c, true); /* whole messages may wait for the session to come by */
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
