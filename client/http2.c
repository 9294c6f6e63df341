/*
 * The nghttp2 session of an engine: rpcs as HTTP/2 requests, and what nghttp2 says about them.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "protocol.h"
#include "rpc.h"

/* Flow control for answers: that of one stream, and of all together. */
#define STREAM_WINDOW_BYTES     (1 << 20)
#define CONNECTION_WINDOW_BYTES (16 << 20)

/* A server's headers in one block, as RFC 9113 §6.5.2 counts them. */
#define MAX_HEADER_LIST_BYTES (16 << 10)

#define MAX_REQUEST_HEADERS 10

#define USER_AGENT "vqlclient/" VQLC_VERSION

/* The rpc of a stream; NULL when it has ended. */
static rpc *stream_rpc(nghttp2_session *session, int32_t stream_id)
{
    return nghttp2_session_get_stream_user_data(session, stream_id);
}

/* Ends an rpc whose stream has ended with an HTTP/2 error code (0: an orderly end). */
static void finish(rpc *r, uint32_t error_code)
{
    reply_conclude(&r->answer, error_code, assembler_partial(&r->incoming), &r->outcome);
    rpc_end(r);
}

/*
 * Keeps the first thing that was wrong with the connection. `detail` is text of unknown origin:
 * what is not printable ASCII becomes '?'.
 */
static void set_error(engine *e, const char *what, const char *detail, size_t length)
{
    if (e->error[0] != '\0')
        return;
    char printable[160];
    const size_t kept = length < sizeof printable ? length : sizeof printable - 1;
    for (size_t i = 0; i < kept; i++)
        printable[i] = detail[i] >= ' ' && detail[i] <= '~' ? detail[i] : '?';
    printable[kept] = '\0';
    const char *colon = what[0] != '\0' && kept > 0 ? ": " : "";
    (void)snprintf(e->error, sizeof e->error, "%s%s%s", what, colon, printable);
}

static void set_goaway_error(engine *e, const char *who, const nghttp2_goaway *goaway)
{
    if (goaway->error_code != NGHTTP2_NO_ERROR) {
        char what[64];
        (void)snprintf(what, sizeof what, "%s ended it with %s", who,
                       nghttp2_http2_strerror(goaway->error_code));
        set_error(e, what, (const char *)goaway->opaque_data, goaway->opaque_data_len);
    }
}

static int on_error(nghttp2_session *session, int code, const char *text, size_t length,
                    void *context)
{
    (void)session;
    if (code == NGHTTP2_ERR_SETTINGS_EXPECTED)
        set_error(context, "", text, length);
    return 0;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    (void)context;
    rpc *r = stream_rpc(session, frame->hd.stream_id);
    if (r != NULL)
        reply_begin_headers(&r->answer);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_length, const uint8_t *value, size_t value_length, uint8_t flags,
                     void *context)
{
    (void)flags;
    (void)context;
    rpc *r = stream_rpc(session, frame->hd.stream_id);
    if (r != NULL)
        reply_header(&r->answer, name, name_length, value, value_length);
    return 0;
}

/* Ends an rpc whose messages cannot be read on. */
static void refuse_message(rpc *r, assembler_state state)
{
    switch (state) {
    case ASSEMBLER_TOO_LARGE:
        rpc_end_here(r, VQLC_RESOURCE_EXHAUSTED,
                     "the answer has a message of %zu bytes: max_message_bytes is %" PRIu32,
                     r->incoming.length, r->owner->options.max_message_bytes);
        break;
    case ASSEMBLER_NO_MEMORY:
        rpc_end_here(r, VQLC_RESOURCE_EXHAUSTED, "no memory for a message of %zu bytes",
                     r->incoming.length);
        break;
    default:
        rpc_end_here(r, VQLC_INTERNAL,
                     "the answer has a message with flag %u: compression was not asked for",
                     (unsigned)r->incoming.prefix[0]);
        break;
    }
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *bytes,
                   size_t count, void *context)
{
    (void)flags;
    (void)context;
    rpc *r = stream_rpc(session, stream_id);
    while (r != NULL && r->state == RPC_OPEN && count > 0 && reply_has_messages(&r->answer)) {
        const assembler_state state = assembler_take(&r->incoming, &bytes, &count);
        if (state == ASSEMBLER_MESSAGE) {
            r->request.handler->on_message(r->request.context, r->incoming.message,
                                           r->incoming.length);
        } else if (state != ASSEMBLER_WAITING) {
            refuse_message(r, state);
        }
    }
    return 0;
}

/* The server has said all of its answer, perhaps before the request was whole. */
static void end_answer(nghttp2_session *session, int32_t stream_id)
{
    rpc *r = stream_rpc(session, stream_id);
    if (r == NULL)
        return;
    if (nghttp2_session_get_stream_local_close(session, stream_id) == 0)
        engine_check(r->owner, nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream_id,
                                                         NGHTTP2_CANCEL));
    finish(r, NGHTTP2_NO_ERROR);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    engine *e = context;
    switch (frame->hd.type) {
    case NGHTTP2_SETTINGS:
        e->is_ready = true;
        break;
    case NGHTTP2_GOAWAY:
        set_goaway_error(e, "the server", &frame->goaway);
        break;
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
        if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
            end_answer(session, frame->hd.stream_id);
        break;
    default:
        break;
    }
    return 0;
}

static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    (void)session;
    if (frame->hd.type == NGHTTP2_GOAWAY)
        set_goaway_error(context, "the client", &frame->goaway);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t error_code,
                           void *context)
{
    (void)context;
    rpc *r = stream_rpc(session, stream_id);
    if (r != NULL)
        finish(r, error_code);
    return 0;
}

static ssize_t read_request(nghttp2_session *session, int32_t stream_id, uint8_t *out,
                            size_t capacity, uint32_t *flags, nghttp2_data_source *source,
                            void *context)
{
    (void)source;
    (void)context;
    rpc *r = stream_rpc(session, stream_id);
    if (r == NULL)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    const size_t taken = outbox_take(&r->unsent, out, capacity);
    rpc_check_room(r);
    if (outbox_bytes(&r->unsent) == 0 && r->half_closed)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    else if (taken == 0)
        return NGHTTP2_ERR_DEFERRED;
    return (ssize_t)taken;
}

/* Queues the client's SETTINGS and opens the connection's window. */
static bool greet(nghttp2_session *session)
{
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW_BYTES},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, MAX_HEADER_LIST_BYTES},
    };
    const size_t count = sizeof settings / sizeof settings[0];
    return nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, count) == 0 &&
           nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0,
                                                 CONNECTION_WINDOW_BYTES) == 0;
}

nghttp2_session *http2_session_new(engine *e)
{
    nghttp2_session_callbacks *callbacks;
    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        return NULL;
    nghttp2_session_callbacks_set_error_callback2(callbacks, on_error);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);

    nghttp2_session *session;
    if (nghttp2_session_client_new(&session, callbacks, e) != 0) {
        session = NULL;
    } else if (!greet(session)) {
        nghttp2_session_del(session);
        session = NULL;
    }
    nghttp2_session_callbacks_del(callbacks);
    return session;
}

/* A header; nghttp2 copies both texts. It declares them without const but writes to neither. */
static nghttp2_nv header(const char *name, const char *value, uint8_t flags)
{
    return (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)name,
        .namelen = strlen(name),
        .value = (uint8_t *)(uintptr_t)value,
        .valuelen = strlen(value),
        .flags = flags,
    };
}

void http2_submit(rpc *r, uint64_t now_ns)
{
    engine *e = r->owner;
    const rpc_request *request = &r->request;
    char timeout[PROTOCOL_TIMEOUT_BYTES];
    char user[24];
    nghttp2_nv headers[MAX_REQUEST_HEADERS] = {
        header(":method", "POST", NGHTTP2_NV_FLAG_NONE),
        header(":scheme", e->options.encrypted ? "https" : "http", NGHTTP2_NV_FLAG_NONE),
        header(":path", request->path, NGHTTP2_NV_FLAG_NONE),
        header(":authority", e->options.authority, NGHTTP2_NV_FLAG_NONE),
        header("te", "trailers", NGHTTP2_NV_FLAG_NONE),
        header("content-type", "application/grpc", NGHTTP2_NV_FLAG_NONE),
        header("user-agent", USER_AGENT, NGHTTP2_NV_FLAG_NONE),
    };
    size_t count = 7;
    /* What differs from call to call is kept out of the compression's table of headers. */
    if (request->deadline_ns != UINT64_MAX) {
        protocol_timeout_format(request->deadline_ns - now_ns, timeout);
        headers[count++] = header("grpc-timeout", timeout, NGHTTP2_NV_FLAG_NO_INDEX);
    }
    /* A secret is kept out of it, too (RFC 7541 §7.1.3). */
    if (e->options.authorization != NULL)
        headers[count++] =
            header("authorization", e->options.authorization, NGHTTP2_NV_FLAG_NO_INDEX);
    if (request->has_user) {
        (void)snprintf(user, sizeof user, "%" PRIu64, request->user_id);
        headers[count++] = header("x-vql-user", user, NGHTTP2_NV_FLAG_NO_INDEX);
    }

    const nghttp2_data_provider body = {.read_callback = read_request};
    const int32_t stream_id = nghttp2_submit_request(e->session, NULL, headers, count, &body, r);
    if (stream_id < 0) {
        rpc_end_here(r, VQLC_INTERNAL, "the request could not be made: %s",
                     nghttp2_strerror(stream_id));
        return;
    }
    list_remove(&r->place);
    e->waiting_count--;
    list_append(&e->open, &r->place);
    e->open_count++;
    r->stream_id = stream_id;
    r->state = RPC_OPEN;
}
