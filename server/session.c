#include "session.h"

#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "meters.h"
#include "status_details.h"

/*
 * nghttp2 ends a connection whose peer resets streams faster than this (CVE-2023-44487). A client
 * that hedges its requests cancels one for every answer, and a reset costs no more than a request
 * does, which the shards' mailboxes bound: so 33 a second, the default, is far too few.
 */
enum { RESET_BURST = 10000, RESETS_PER_SECOND = 10000 };

/*
 * nghttp2 counts a CONTINUATION frame once for each piece that its 9-byte header arrives in. Its
 * own limit of 8 frames, then, is up to 72 pieces when they come a byte at a time.
 */
enum { MAX_CONTINUATION_PIECES = 8 * 9 };

/* The PING of session_shutdown. */
static const uint8_t shutdown_ping[8] = {'s', 'h', 'u', 't', 'd', 'o', 'w', 'n'};

/* Writes a GOAWAY frame: RFC 9113 §6.8. */
static void write_goaway(uint8_t out[GOAWAY_FRAME_BYTES], uint32_t last_stream_id, uint32_t code)
{
    const uint8_t bytes[GOAWAY_FRAME_BYTES] = {
        [2] = 8, /* the payload's length */
        [3] = NGHTTP2_GOAWAY,
        [9] = (uint8_t)(last_stream_id >> 24),
        [10] = (uint8_t)(last_stream_id >> 16),
        [11] = (uint8_t)(last_stream_id >> 8),
        [12] = (uint8_t)last_stream_id,
        [13] = (uint8_t)(code >> 24),
        [14] = (uint8_t)(code >> 16),
        [15] = (uint8_t)(code >> 8),
        [16] = (uint8_t)code,
    };
    memcpy(out, bytes, sizeof bytes);
}

/* The HTTP/2 error code of a fatal error of nghttp2. */
static uint32_t goaway_code(int result)
{
    switch (result) {
    case NGHTTP2_ERR_BAD_CLIENT_MAGIC:
        return NGHTTP2_PROTOCOL_ERROR;
    case NGHTTP2_ERR_FLOODED:
    case NGHTTP2_ERR_TOO_MANY_CONTINUATIONS:
        return NGHTTP2_ENHANCE_YOUR_CALM;
    default:
        return NGHTTP2_INTERNAL_ERROR;
    }
}

void session_break(session *s, uint32_t code)
{
    if (s->broken)
        return;
    s->broken = true;
    meters_goaway(s->options.meters, code);
    write_goaway(s->goaway, s->last_stream_id, code);
}

void session_check(session *s, int result)
{
    if (nghttp2_is_fatal(result))
        session_break(s, goaway_code(result));
}

void session_pay(session *s, uint64_t cost_ns)
{
    if (!budget_pay(&s->budget, cost_ns, s->now_ns))
        session_break(s, NGHTTP2_ENHANCE_YOUR_CALM);
}

void session_credit(session *s)
{
    if (s->owed == 0 || s->broken || ledger_has_share(&s->input, s->options.ledger))
        return;
    const size_t owed = s->owed;
    s->owed = 0;
    session_check(s, nghttp2_session_consume_connection(s->h2, owed));
}

/* What a callback returns to nghttp2. */
static int callback_result(const session *s)
{
    return s->broken ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

/* Answers a request that becomes no call. */
static void refuse(session *s, int32_t stream_id, const grpc_error *error)
{
    char details[STATUS_DETAILS_BYTES];
    meters_call(s->options.meters, NULL, 0, error->status, 0);
    const response_status status = {
        .code = error->status,
        .message = error->message,
        .details = status_details_write(error, details) ? details : NULL,
        .pushback_ms = -1,
    };
    session_check(s, response_only(s->h2, stream_id, &(response_head){0}, &status));
}

/* A request's header block is complete: makes it a call or refuses it. */
static void open_call(session *s, int32_t stream_id)
{
    s->last_stream_id = (uint32_t)stream_id;
    const char *http_status = request_http_error(&s->request);
    if (http_status) {
        session_check(s, response_http_error(s->h2, stream_id, http_status));
        return;
    }
    grpc_error error;
    uint64_t timeout_ns;
    if (request_check(&s->request, s->options.max_header_bytes, &timeout_ns, &error) != GRPC_OK) {
        refuse(s, stream_id, &error);
        return;
    }
    if (timeout_ns == 0) {
        grpc_fail(&error, GRPC_DEADLINE_EXCEEDED, "deadline of 0 ms passed");
        refuse(s, stream_id, &error);
        return;
    }
    call *c = call_new(s, stream_id, timeout_ns);
    if (!c) {
        grpc_fail(&error, GRPC_UNAVAILABLE, "no memory for a call");
        error.reason = "NO_MEMORY";
        refuse(s, stream_id, &error);
        return;
    }
    session_check(s, nghttp2_session_set_stream_user_data(s->h2, stream_id, c));
    if (call_deadline(c) < s->due_ns)
        s->due_ns = call_deadline(c);
    s->handler.on_call(s->context, c, s->request.path);
}

static int on_begin_headers(nghttp2_session *h2, const nghttp2_frame *frame, void *context)
{
    (void)h2;
    session *s = context;
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        request_begin(&s->request);
    return 0;
}

static int on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_length, const uint8_t *value, size_t value_length, uint8_t flags,
                     void *context)
{
    (void)h2;
    (void)flags;
    session *s = context;
    session_pay(s, BUDGET_HEADER_BYTE_NS * (name_length + value_length));
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        request_field(&s->request, name, name_length, value, value_length);
    return callback_result(s);
}

/* Opens no more streams: the last GOAWAY, when the peer has answered the PING of the first. */
static void finish_shutdown(session *s, const nghttp2_ping *ping)
{
    if (s->draining && ping->hd.flags & NGHTTP2_FLAG_ACK &&
        memcmp(ping->opaque_data, shutdown_ping, sizeof shutdown_ping) == 0)
        session_check(s, nghttp2_submit_goaway(s->h2, NGHTTP2_FLAG_NONE,
                                               nghttp2_session_get_last_proc_stream_id(s->h2),
                                               NGHTTP2_NO_ERROR, NULL, 0));
}

static int on_frame_recv(nghttp2_session *h2, const nghttp2_frame *frame, void *context)
{
    session *s = context;
    if (frame->hd.type == NGHTTP2_PING) {
        finish_shutdown(s, &frame->ping);
    } else if (frame->hd.type == NGHTTP2_RST_STREAM) {
        if (frame->rst_stream.error_code != NGHTTP2_NO_ERROR)
            meters_count(s->options.meters, METER_RESET_BY_CLIENT);
    } else if (frame->hd.type == NGHTTP2_SETTINGS) {
        patience_stop(&s->patience, PATIENCE_HANDSHAKE);
    } else if (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) {
        if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
            open_call(s, frame->hd.stream_id);
        call *c = nghttp2_session_get_stream_user_data(h2, frame->hd.stream_id);
        if (c && frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
            call_receive_end(c);
    }
    return callback_result(s);
}

static int on_data_chunk_recv(nghttp2_session *h2, uint8_t flags, int32_t stream_id,
                              const uint8_t *bytes, size_t count, void *context)
{
    (void)flags;
    session *s = context;
    call *c = nghttp2_session_get_stream_user_data(h2, stream_id);
    s->owed += count;
    if (c && !c->over)
        call_receive(c, bytes, count);
    else if (!s->broken)
        session_check(s, nghttp2_session_consume_stream(h2, stream_id, count));
    session_credit(s);
    return callback_result(s);
}

/* Counts what nghttp2 ends of its own accord, and what is ended here. */
static void count_frame(session *s, const nghttp2_frame *frame)
{
    if (frame->hd.type == NGHTTP2_GOAWAY)
        meters_goaway(s->options.meters, frame->goaway.error_code);
    else if (frame->hd.type == NGHTTP2_RST_STREAM &&
             frame->rst_stream.error_code != NGHTTP2_NO_ERROR)
        meters_count(s->options.meters, METER_RESET_BY_SERVER);
}

/* An answer that is complete before its request is ends the stream: RFC 9113 §8.1. */
static int on_frame_send(nghttp2_session *h2, const nghttp2_frame *frame, void *context)
{
    session *s = context;
    count_frame(s, frame);
    if (frame->hd.type == NGHTTP2_HEADERS && frame->hd.flags & NGHTTP2_FLAG_END_STREAM &&
        nghttp2_session_get_stream_remote_close(h2, frame->hd.stream_id) == 0)
        session_check(s, nghttp2_submit_rst_stream(h2, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                                   NGHTTP2_NO_ERROR));
    return callback_result(s);
}

static int on_stream_close(nghttp2_session *h2, int32_t stream_id, uint32_t code, void *context)
{
    session *s = context;
    if (code == NGHTTP2_NO_ERROR)
        budget_earn(&s->budget, BUDGET_CALL_NS + BUDGET_ANSWER_NS);
    else
        session_pay(s, BUDGET_RESET_NS);
    call *c = nghttp2_session_get_stream_user_data(h2, stream_id);
    if (c) {
        call_cancel(c);
        call_free(c);
    }
    return callback_result(s);
}

static void *take(size_t bytes, void *from)
{
    return spares_take(from, bytes);
}

static void *take_zeros(size_t count, size_t bytes, void *from)
{
    if (bytes > 0 && count > SIZE_MAX / bytes)
        return NULL;
    void *memory = spares_take(from, count * bytes);
    return memory ? memset(memory, 0, count * bytes) : NULL;
}

static void *resize(void *memory, size_t bytes, void *from)
{
    return spares_resize(from, memory, bytes);
}

static void give(void *memory, void *from)
{
    spares_give(from, memory);
}

static int new_server(session *s, const nghttp2_option *option)
{
    nghttp2_mem memory = {s->options.spares, take, give, take_zeros, resize};
    nghttp2_session_callbacks *callbacks;
    const int result = nghttp2_session_callbacks_new(&callbacks);
    if (result != 0)
        return result;
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk_recv);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    const int made = nghttp2_session_server_new3(&s->h2, callbacks, s, option, &memory);
    nghttp2_session_callbacks_del(callbacks);
    return made;
}

/* Makes s->h2. On failure it is NULL or half made, to be freed in either case. */
static int start_http2(session *s)
{
    nghttp2_option *option;
    int result = nghttp2_option_new(&option);
    if (result != 0)
        return result;
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_stream_reset_rate_limit(option, RESET_BURST, RESETS_PER_SECOND);
    nghttp2_option_set_max_continuations(option, MAX_CONTINUATION_PIECES);
    result = new_server(s, option);
    nghttp2_option_del(option);
    if (result != 0)
        return result;
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, s->options.max_streams},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, s->options.stream_window},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, s->options.max_header_bytes},
    };
    result = nghttp2_submit_settings(s->h2, NGHTTP2_FLAG_NONE, settings,
                                     sizeof settings / sizeof *settings);
    if (result != 0)
        return result;
    return nghttp2_session_set_local_window_size(s->h2, NGHTTP2_FLAG_NONE, 0,
                                                 (int32_t)s->options.connection_window);
}

session *session_new(const session_options *options, const session_handler *handler, void *context)
{
    session *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->options = *options;
    s->handler = *handler;
    s->context = context;
    s->due_ns = UINT64_MAX;
    s->request.wanted = options->metadata;
    s->input.limit = options->max_connection_bytes > 0 ? options->max_connection_bytes : SIZE_MAX;
    s->output.limit = s->input.limit;
    budget_init(&s->budget, options->budget_ns);
    patience_init(&s->patience, options->patience_ms);
    stray_reset_init(&s->stray_reset);
    lifetime_init(&s->lifetime, &options->lifetime);
    TAILQ_INIT(&s->calls);
    TAILQ_INIT(&s->ready);
    if (start_http2(s) != 0) {
        session_free(s);
        return NULL;
    }
    return s;
}

void session_free(session *s)
{
    if (!s)
        return;
    for (call *c = TAILQ_FIRST(&s->calls); c; c = TAILQ_NEXT(c, in_session))
        call_cancel(c);
    s->broken = true; /* calls ask nothing of nghttp2 any more */
    nghttp2_session_del(s->h2);
    while (!TAILQ_EMPTY(&s->calls))
        call_free(TAILQ_FIRST(&s->calls));
    free(s);
}

/* Starts and stops what is waited for; loose: now may be an old time. */
static void watch(session *s, bool loose)
{
    if (!TAILQ_EMPTY(&s->calls))
        patience_stop(&s->patience, PATIENCE_IDLE);
    else if (!patience_runs(&s->patience, PATIENCE_IDLE))
        patience_start(&s->patience, PATIENCE_IDLE, s->now_ns, loose);
    if (s->output.used == 0)
        patience_stop(&s->patience, PATIENCE_WINDOW);
    else if (!patience_runs(&s->patience, PATIENCE_WINDOW))
        patience_start(&s->patience, PATIENCE_WINDOW, s->now_ns, loose);
    if (!stray_reset_in_headers(&s->stray_reset))
        patience_stop(&s->patience, PATIENCE_HEADERS);
    else if (!patience_runs(&s->patience, PATIENCE_HEADERS) || s->stray_reset.blocks != s->blocks)
        patience_start(&s->patience, PATIENCE_HEADERS, s->now_ns, loose);
    s->blocks = s->stray_reset.blocks;
}

bool session_feed(session *s, uint64_t now_ns, const uint8_t *bytes, size_t count)
{
    session_tick(s, now_ns);
    lifetime_heard(&s->lifetime, now_ns);
    byte_run input = {bytes, count};
    while (!s->broken && input.count > 0) {
        const byte_run run = stray_reset_next(&s->stray_reset, &input);
        session_pay(s, s->stray_reset.cost_ns);
        s->stray_reset.cost_ns = 0;
        if (run.count == 0)
            continue;
        const ssize_t result = nghttp2_session_mem_recv(s->h2, run.bytes, run.count);
        session_check(s, result < 0 ? (int)result : 0);
    }
    watch(s, false);
    return !s->broken;
}

/* The session is broken: the last bytes are its GOAWAY, behind those that nghttp2 gave before. */
static bool fill_goaway(session *s)
{
    if (s->goaway_sent)
        return false;
    s->goaway_sent = true;
    s->pending = s->goaway;
    s->pending_bytes = sizeof s->goaway;
    return true;
}

/* Makes bytes pending. False: there are none. */
static bool fill_pending(session *s)
{
    while (s->pending_bytes == 0) {
        while (!TAILQ_EMPTY(&s->ready))
            call_pump(TAILQ_FIRST(&s->ready));
        if (s->broken)
            return fill_goaway(s);
        const ssize_t result = nghttp2_session_mem_send(s->h2, &s->pending);
        if (result >= 0)
            s->pending_bytes = (size_t)result;
        else
            session_check(s, (int)result);
        if (result == 0 && TAILQ_EMPTY(&s->ready))
            return false;
    }
    return true;
}

size_t session_drain(session *s, uint8_t *out, size_t capacity)
{
    size_t count = 0;
    while (count < capacity && fill_pending(s)) {
        const size_t room = capacity - count;
        const size_t part = s->pending_bytes < room ? s->pending_bytes : room;
        memcpy(out + count, s->pending, part);
        s->pending += part;
        s->pending_bytes -= part;
        count += part;
    }
    if (count > 0)
        patience_start(&s->patience, PATIENCE_WRITE, s->now_ns, true);
    else
        patience_stop(&s->patience, PATIENCE_WRITE);
    watch(s, true);
    return count;
}

uint64_t session_due(const session *s)
{
    const uint64_t lifetime_ns = lifetime_due(&s->lifetime);
    const uint64_t patience_ns = patience_due(&s->patience);
    uint64_t due_ns = s->due_ns;
    if (!s->started && s->patience.limit_ns[PATIENCE_HANDSHAKE] > 0)
        return 0;
    if (lifetime_ns < due_ns)
        due_ns = lifetime_ns;
    return patience_ns < due_ns ? patience_ns : due_ns;
}

/* What the connection's age and its peer's silence ask for. */
static void tick_lifetime(session *s)
{
    while (!s->lost) {
        switch (lifetime_tick(&s->lifetime, s->now_ns)) {
        case LIFETIME_NOTHING:
            return;
        case LIFETIME_SHUTDOWN:
            session_shutdown(s);
            break;
        case LIFETIME_PING:
            if (!s->broken)
                session_check(s, nghttp2_submit_ping(s->h2, NGHTTP2_FLAG_NONE, NULL));
            break;
        case LIFETIME_END:
            s->lost = true;
            break;
        }
    }
}

bool session_lost(const session *s)
{
    return s->lost;
}

/* Ends the connection, or asks for its end, when something was waited for too long. */
static void lose_patience(session *s)
{
    switch (patience_expired(&s->patience, s->now_ns)) {
    case PATIENCE_HANDSHAKE:
    case PATIENCE_HEADERS:
        session_break(s, NGHTTP2_ENHANCE_YOUR_CALM);
        break;
    case PATIENCE_WINDOW:
    case PATIENCE_WRITE:
        session_break(s, NGHTTP2_ENHANCE_YOUR_CALM);
        s->lost = true;
        break;
    case PATIENCE_IDLE:
        if (s->draining)
            session_break(s, NGHTTP2_NO_ERROR);
        session_shutdown(s);
        break;
    case PATIENCES:
        break;
    }
}

void session_tick(session *s, uint64_t now_ns)
{
    s->now_ns = now_ns;
    if (!s->started) {
        s->started = true;
        patience_start(&s->patience, PATIENCE_HANDSHAKE, now_ns, false);
    }
    watch(s, false);
    lose_patience(s);
    if (now_ns >= lifetime_due(&s->lifetime))
        tick_lifetime(s);
    if (now_ns < s->due_ns)
        return;
    s->due_ns = UINT64_MAX;
    for (call *c = TAILQ_FIRST(&s->calls); c; c = TAILQ_NEXT(c, in_session)) {
        if (c->deadline_ns <= now_ns)
            call_expire(c);
        else if (c->body_due_ns <= now_ns)
            call_starve(c);
        if (c->deadline_ns < s->due_ns)
            s->due_ns = c->deadline_ns;
        if (c->body_due_ns < s->due_ns)
            s->due_ns = c->body_due_ns;
    }
}

void session_shutdown(session *s)
{
    if (s->draining || s->broken)
        return;
    s->draining = true;
    session_check(s, nghttp2_submit_shutdown_notice(s->h2));
    if (!s->broken)
        session_check(s, nghttp2_submit_ping(s->h2, NGHTTP2_FLAG_NONE, shutdown_ping));
}

bool session_done(const session *s)
{
    if (s->pending_bytes > 0 || !TAILQ_EMPTY(&s->ready))
        return false;
    if (s->broken)
        return s->goaway_sent;
    return !nghttp2_session_want_read(s->h2) && !nghttp2_session_want_write(s->h2);
}

uint32_t session_calls(const session *s)
{
    return s->open;
}
