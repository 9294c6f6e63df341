#include "toy_server.h"

#include <check.h>
#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TRAILERS 3

struct toy_server {
    nghttp2_session *session;
    toy_call calls[TOY_MAX_CALLS];
    size_t count;
    const uint8_t *unsent;
    size_t unsent_bytes;
};

static toy_call *find(nghttp2_session *session, int32_t stream_id)
{
    return nghttp2_session_get_stream_user_data(session, stream_id);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    toy_server *s = context;
    ck_assert_uint_lt(s->count, TOY_MAX_CALLS);
    toy_call *c = &s->calls[s->count++];
    c->stream_id = frame->hd.stream_id;
    nghttp2_session_set_stream_user_data(session, c->stream_id, c);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_length, const uint8_t *value, size_t value_length, uint8_t flags,
                     void *context)
{
    (void)flags;
    (void)context;
    toy_call *c = find(session, frame->hd.stream_id);
    const struct {
        const char *name;
        char *text;
        size_t capacity;
    } kept[] = {
        {":method", c->method, sizeof c->method},
        {":path", c->path, sizeof c->path},
        {"content-type", c->content_type, sizeof c->content_type},
        {"te", c->te, sizeof c->te},
        {"grpc-timeout", c->timeout, sizeof c->timeout},
        {"x-vql-user", c->user, sizeof c->user},
        {":scheme", c->scheme, sizeof c->scheme},
        {"authorization", c->authorization, sizeof c->authorization},
    };
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        if (strlen(kept[i].name) == name_length && memcmp(kept[i].name, name, name_length) == 0) {
            ck_assert_uint_lt(value_length, kept[i].capacity);
            memcpy(kept[i].text, value, value_length);
        }
    }
    return 0;
}

/* Appends bytes to a malloc'ed array of *length. */
static void append(uint8_t **array, size_t *length, const uint8_t *bytes, size_t count)
{
    *array = realloc(*array, *length + count + 1);
    ck_assert_ptr_nonnull(*array);
    if (count > 0)
        memcpy(*array + *length, bytes, count);
    *length += count;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *bytes,
                   size_t count, void *context)
{
    (void)flags;
    (void)context;
    toy_call *c = find(session, stream_id);
    append(&c->body, &c->body_bytes, bytes, count);
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    (void)context;
    const bool has_data = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
    if (has_data && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
        find(session, frame->hd.stream_id)->half_closed = true;
    return 0;
}

static int on_close(nghttp2_session *session, int32_t stream_id, uint32_t error_code, void *context)
{
    (void)context;
    toy_call *c = find(session, stream_id);
    c->closed = true;
    c->close_code = error_code;
    return 0;
}

static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int code,
                            void *context)
{
    (void)session;
    (void)frame;
    (void)context;
    ck_abort_msg("the client sent an invalid frame: %s", nghttp2_strerror(code));
    return 0;
}

toy_server *toy_server_new(uint32_t max_streams, uint32_t window)
{
    toy_server *s = calloc(1, sizeof *s);
    ck_assert_ptr_nonnull(s);
    nghttp2_session_callbacks *callbacks;
    ck_assert_int_eq(nghttp2_session_callbacks_new(&callbacks), 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    ck_assert_int_eq(nghttp2_session_server_new(&s->session, callbacks, s), 0);
    nghttp2_session_callbacks_del(callbacks);
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, max_streams},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window},
    };
    ck_assert_int_eq(nghttp2_submit_settings(s->session, NGHTTP2_FLAG_NONE, settings, 2), 0);
    return s;
}

void toy_server_free(toy_server *s)
{
    nghttp2_session_del(s->session);
    for (size_t i = 0; i < s->count; i++) {
        free(s->calls[i].body);
        free(s->calls[i].answer);
    }
    free(s);
}

void toy_server_feed(toy_server *s, const uint8_t *bytes, size_t count)
{
    ck_assert_int_eq(nghttp2_session_mem_recv(s->session, bytes, count), (ssize_t)count);
}

size_t toy_server_drain(toy_server *s, uint8_t *out, size_t capacity)
{
    if (s->unsent_bytes == 0) {
        const ssize_t made = nghttp2_session_mem_send(s->session, &s->unsent);
        ck_assert_int_ge(made, 0);
        s->unsent_bytes = (size_t)made;
    }
    const size_t drained = s->unsent_bytes < capacity ? s->unsent_bytes : capacity;
    if (drained > 0) {
        memcpy(out, s->unsent, drained);
        s->unsent += drained;
        s->unsent_bytes -= drained;
    }
    return drained;
}

size_t toy_server_calls(const toy_server *s)
{
    return s->count;
}

toy_call *toy_server_call(toy_server *s, size_t i)
{
    ck_assert_uint_lt(i, s->count);
    return &s->calls[i];
}

static nghttp2_nv header(const char *name, const char *value)
{
    return (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)name,
        .namelen = strlen(name),
        .value = (uint8_t *)(uintptr_t)value,
        .valuelen = strlen(value),
    };
}

/* The trailers that the call has; returns how many. */
static size_t list_trailers(const toy_call *c, nghttp2_nv *trailers)
{
    size_t count = 0;
    if (c->status != NULL)
        trailers[count++] = header("grpc-status", c->status);
    if (c->message != NULL)
        trailers[count++] = header("grpc-message", c->message);
    if (c->pushback != NULL)
        trailers[count++] = header("grpc-retry-pushback-ms", c->pushback);
    return count;
}

static ssize_t read_answer(nghttp2_session *session, int32_t stream_id, uint8_t *out,
                           size_t capacity, uint32_t *flags, nghttp2_data_source *source,
                           void *context)
{
    (void)context;
    toy_call *c = source->ptr;
    const size_t taken = c->answer_bytes < capacity ? c->answer_bytes : capacity;
    if (taken > 0) {
        memcpy(out, c->answer, taken);
        memmove(c->answer, c->answer + taken, c->answer_bytes - taken);
        c->answer_bytes -= taken;
    }
    if (c->answer_bytes == 0 && c->ending) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        nghttp2_nv trailers[MAX_TRAILERS];
        const size_t count = list_trailers(c, trailers);
        if (count > 0) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            ck_assert_int_eq(nghttp2_submit_trailer(session, stream_id, trailers, count), 0);
        }
    } else if (taken == 0) {
        return NGHTTP2_ERR_DEFERRED;
    }
    return (ssize_t)taken;
}

void toy_server_headers(toy_server *s, toy_call *c, const char *status, const char *content_type)
{
    nghttp2_nv headers[2] = {header(":status", status)};
    size_t count = 1;
    if (content_type != NULL)
        headers[count++] = header("content-type", content_type);
    const nghttp2_data_provider body = {.source = {.ptr = c}, .read_callback = read_answer};
    ck_assert_int_eq(nghttp2_submit_response(s->session, c->stream_id, headers, count, &body), 0);
}

void toy_server_data(toy_server *s, toy_call *c, const uint8_t *bytes, size_t count)
{
    append(&c->answer, &c->answer_bytes, bytes, count);
    (void)nghttp2_session_resume_data(s->session, c->stream_id);
}

void toy_server_bytes(toy_server *s, toy_call *c, const uint8_t *message, size_t count)
{
    const uint8_t prefix[5] = {0, (uint8_t)(count >> 24), (uint8_t)(count >> 16),
                               (uint8_t)(count >> 8), (uint8_t)count};
    toy_server_data(s, c, prefix, sizeof prefix);
    toy_server_data(s, c, message, count);
}

void toy_server_message(toy_server *s, toy_call *c, const char *message)
{
    toy_server_bytes(s, c, (const uint8_t *)message, strlen(message));
}

void toy_server_trailers(toy_server *s, toy_call *c, const char *status, const char *message,
                         const char *pushback)
{
    c->status = status;
    c->message = message;
    c->pushback = pushback;
    toy_server_end(s, c);
}

void toy_server_end(toy_server *s, toy_call *c)
{
    c->ending = true;
    (void)nghttp2_session_resume_data(s->session, c->stream_id);
}

void toy_server_trailers_only(toy_server *s, toy_call *c, const char *status, const char *message,
                              const char *pushback)
{
    nghttp2_nv headers[2 + MAX_TRAILERS] = {
        header(":status", "200"),
        header("content-type", "application/grpc"),
    };
    c->status = status;
    c->message = message;
    c->pushback = pushback;
    const size_t count = 2 + list_trailers(c, headers + 2);
    ck_assert_int_eq(nghttp2_submit_response(s->session, c->stream_id, headers, count, NULL), 0);
}

void toy_server_answer(toy_server *s, toy_call *c, const char *message)
{
    toy_server_headers(s, c, "200", "application/grpc");
    toy_server_message(s, c, message);
    toy_server_trailers(s, c, "0", NULL, NULL);
}

void toy_server_reset(toy_server *s, toy_call *c, uint32_t error_code)
{
    ck_assert_int_eq(
        nghttp2_submit_rst_stream(s->session, NGHTTP2_FLAG_NONE, c->stream_id, error_code), 0);
}

void toy_server_goaway(toy_server *s, int32_t last_stream_id, uint32_t error_code, const char *text)
{
    ck_assert_int_eq(nghttp2_submit_goaway(s->session, NGHTTP2_FLAG_NONE, last_stream_id,
                                           error_code, (const uint8_t *)text, strlen(text)),
                     0);
}
