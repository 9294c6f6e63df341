#include "load_connection.h"

#include <nghttp2/nghttp2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load_inside.h"

enum {
    DEFAULT_WINDOW = 65535,
    OUTPUT_BYTES = 256 << 10,
    OUTPUT_READY_BYTES = OUTPUT_BYTES / 2, /* more output waits: no call is begun */
};

bool load_fail(load_connection *c, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(c->error, sizeof c->error, format, arguments);
    va_end(arguments);
    return false;
}

static size_t room(const load_connection *c)
{
    return OUTPUT_BYTES - c->output_end;
}

/* Appends a frame's header; there is room for it and its payload. Returns where that goes. */
static uint8_t *put_frame(load_connection *c, size_t bytes, uint8_t type, uint8_t flags,
                          uint32_t id)
{
    uint8_t *out = c->output + c->output_end;
    load_put_32(out, (uint32_t)bytes << 8 | type);
    out[4] = flags;
    load_put_32(out + 5, id);
    c->output_end += LOAD_FRAME_HEADER_BYTES + bytes;
    return out + LOAD_FRAME_HEADER_BYTES;
}

uint8_t *load_put_control(load_connection *c, size_t bytes, uint8_t type, uint8_t flags,
                          uint32_t id)
{
    if (room(c) < LOAD_FRAME_HEADER_BYTES + bytes) {
        (void)load_fail(c, "the server asks for answers and reads none");
        return NULL;
    }
    return put_frame(c, bytes, type, flags, id);
}

bool load_put_number(load_connection *c, uint8_t type, uint32_t id, uint32_t number)
{
    uint8_t *out = load_put_control(c, 4, type, 0, id);
    if (out != NULL)
        load_put_32(out, number);
    return out != NULL;
}

static void greet(load_connection *c)
{
    static const uint32_t settings[][2] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, LOAD_WINDOW_BYTES},
    };
    const size_t count = sizeof settings / sizeof settings[0];
    memcpy(c->output, NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN);
    c->output_end = NGHTTP2_CLIENT_MAGIC_LEN;
    uint8_t *out = put_frame(c, 6 * count, NGHTTP2_SETTINGS, 0, 0);
    for (size_t i = 0; i < count; i++, out += 6) {
        out[0] = 0;
        out[1] = (uint8_t)settings[i][0];
        load_put_32(out + 2, settings[i][1]);
    }
    (void)load_put_number(c, NGHTTP2_WINDOW_UPDATE, 0, LOAD_WINDOW_BYTES - DEFAULT_WINDOW);
}

/* Makes the streams: for a call each, and one of many calls for each kind that streams. */
static bool make_streams(load_connection *c)
{
    const uint32_t own = c->options.max_calls;
    c->stream_count = own + LOAD_KIND_COUNT;
    c->streams = calloc(c->stream_count, sizeof *c->streams);
    if (c->streams == NULL)
        return false;
    for (uint32_t i = 0; i < c->stream_count; i++) {
        load_stream *s = &c->streams[i];
        const bool streams = i >= own && load_kind_streams((load_kind)(i - own));
        s->capacity = i < own ? 1 : streams ? own : 0;
        s->calls = calloc(s->capacity > 0 ? s->capacity : 1, sizeof *s->calls);
        s->next_free = i + 1 < own ? i + 1 : LOAD_NO_SLOT;
        assembler_init(&s->incoming, c->options.max_message_bytes);
        if (s->calls == NULL)
            return false;
    }
    return true;
}

load_connection *load_connection_new(const load_connection_options *options)
{
    load_connection *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    c->options = *options;
    c->next_id = 1;
    c->peer_streams = UINT32_MAX;
    c->peer_window = DEFAULT_WINDOW;
    c->window = DEFAULT_WINDOW;
    for (int kind = 0; kind < LOAD_KIND_COUNT; kind++)
        c->long_streams[kind] = LOAD_NO_SLOT;
    c->headers = load_headers_new(&options->headers);
    c->reader = load_reader_new();
    c->output = malloc(OUTPUT_BYTES);
    if (c->headers == NULL || c->reader == NULL || c->output == NULL || !make_streams(c) ||
        !load_table_init(&c->table, c->stream_count)) {
        load_connection_free(c);
        return NULL;
    }
    greet(c);
    return c;
}

void load_connection_free(load_connection *c)
{
    if (c == NULL)
        return;
    for (uint32_t i = 0; c->streams != NULL && i < c->stream_count; i++) {
        assembler_free(&c->streams[i].incoming);
        free(c->streams[i].calls);
    }
    free(c->streams);
    load_table_free(&c->table);
    load_headers_free(c->headers);
    load_reader_free(c->reader);
    free(c->body);
    free(c->output);
    free(c->block);
    free(c);
}

uint32_t load_connection_calls(const load_connection *c)
{
    return c->calls;
}

const char *load_connection_error(const load_connection *c)
{
    return c->error;
}

bool load_connection_done(const load_connection *c)
{
    return c->calls == 0 && (c->going || c->next_id > LOAD_LAST_ID);
}

bool load_connection_ready(const load_connection *c, load_kind kind)
{
    const bool opens = !load_kind_streams(kind) || c->long_streams[kind] == LOAD_NO_SLOT;
    return c->settled && c->calls < c->options.max_calls && c->body_at == c->body_end &&
           c->window > 0 && c->output_end < OUTPUT_READY_BYTES &&
           (!opens ||
            (!c->going && c->next_id <= LOAD_LAST_ID && c->own_streams < c->peer_streams));
}

void load_push_body(load_connection *c)
{
    while (c->body_at < c->body_end) {
        load_stream *s = &c->streams[c->body_slot];
        const size_t left = c->body_end - c->body_at;
        const int64_t window = c->window < s->window ? c->window : s->window;
        size_t bytes = left < LOAD_FRAME_BYTES ? left : LOAD_FRAME_BYTES;
        if (window < (int64_t)bytes)
            bytes = window > 0 ? (size_t)window : 0;
        if (bytes == 0 || room(c) < OUTPUT_BYTES / 4 + bytes)
            return;
        const bool last = bytes == left && !load_kind_streams(s->kind);
        uint8_t *out = put_frame(c, bytes, NGHTTP2_DATA,
                                 last ? NGHTTP2_FLAG_END_STREAM : NGHTTP2_FLAG_NONE, s->id);
        memcpy(out, c->body + c->body_at, bytes);
        c->body_at += bytes;
        c->window -= (int64_t)bytes;
        s->window -= (int64_t)bytes;
    }
}

uint8_t *load_connection_begin(load_connection *c, size_t bytes)
{
    const size_t needed = MESSAGE_PREFIX_BYTES + bytes;
    if (needed > c->body_capacity) {
        uint8_t *body = realloc(c->body, needed);
        if (body == NULL)
            return NULL;
        c->body = body;
        c->body_capacity = needed;
    }
    c->body[0] = 0;
    load_put_32(c->body + 1, (uint32_t)bytes);
    c->body_at = c->body_end = needed; /* nothing is to be sent before the commit */
    return c->body + MESSAGE_PREFIX_BYTES;
}

static void put_headers(load_connection *c, const load_call *call, uint32_t id)
{
    const uint8_t *block;
    uint8_t user[LOAD_USER_BYTES];
    const size_t block_bytes = load_headers_next(c->headers, call->kind, &block);
    const size_t user_bytes =
        load_kind_streams(call->kind) ? 0 : load_headers_user(call->user, user);
    uint8_t *out =
        put_frame(c, block_bytes + user_bytes, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, id);
    memcpy(out, block, block_bytes);
    memcpy(out + block_bytes, user, user_bytes);
}

/* Opens an HTTP/2 stream for a call. Returns its slot. */
static uint32_t open_stream(load_connection *c, const load_call *call)
{
    const load_kind kind = call->kind;
    uint32_t slot = c->options.max_calls + (uint32_t)kind;
    if (load_kind_streams(kind)) {
        c->long_streams[kind] = slot;
    } else {
        slot = c->first_free;
        c->first_free = c->streams[slot].next_free;
    }
    load_stream *s = &c->streams[slot];
    s->id = c->next_id;
    s->kind = kind;
    s->window = c->peer_window;
    s->answered = s->reset = false;
    s->http_status = 0;
    s->used = s->first = s->count = 0;
    s->incoming.prefix_bytes = 0;
    c->next_id += 2;
    c->own_streams++;
    load_table_put(&c->table, s->id, slot);
    put_headers(c, call, s->id);
    return slot;
}

void load_connection_commit(load_connection *c, const load_call *call)
{
    uint32_t slot = load_kind_streams(call->kind) ? c->long_streams[call->kind] : LOAD_NO_SLOT;
    if (slot == LOAD_NO_SLOT)
        slot = open_stream(c, call);
    load_stream *s = &c->streams[slot];
    s->calls[(s->first + s->count++) % s->capacity] = *call;
    c->calls++;
    c->body_slot = slot;
    c->body_at = 0;
    load_push_body(c);
}

size_t load_connection_output(const load_connection *c, const uint8_t **bytes)
{
    *bytes = c->output + c->output_at;
    return c->output_end - c->output_at;
}

void load_connection_sent(load_connection *c, size_t bytes)
{
    c->output_at += bytes;
    if (c->output_at == c->output_end) {
        c->output_at = c->output_end = 0;
    } else if (c->output_at >= OUTPUT_BYTES / 2) {
        c->output_end -= c->output_at;
        memmove(c->output, c->output + c->output_at, c->output_end);
        c->output_at = 0;
    }
    load_push_body(c);
}

void load_end_call(load_connection *c, load_stream *s, const load_answer *answer)
{
    const load_call call = s->calls[s->first];
    s->first = s->first + 1 == s->capacity ? 0 : s->first + 1;
    s->count--;
    c->calls--;
    c->options.on_answer(c->options.context, &call, answer);
}

void load_end_stream(load_connection *c, load_stream *s, vqlc_status status, const char *text)
{
    const uint32_t slot = (uint32_t)(s - c->streams);
    load_answer ending = {.status = status, .text = text};
    if (status == VQLC_OK) {
        ending.message = s->incoming.message;
        ending.bytes = s->incoming.length;
    }
    const bool unsent = c->body_at < c->body_end && c->body_slot == slot;
    if ((unsent || load_kind_streams(s->kind)) && !s->reset && c->error[0] == '\0')
        (void)load_put_number(c, NGHTTP2_RST_STREAM, s->id, NGHTTP2_CANCEL);
    if (unsent)
        c->body_at = c->body_end;
    load_table_remove(&c->table, s->id);
    s->id = 0;
    c->own_streams--;
    if (load_kind_streams(s->kind)) {
        c->long_streams[s->kind] = LOAD_NO_SLOT;
    } else {
        s->next_free = c->first_free;
        c->first_free = slot;
    }
    while (s->count > 0)
        load_end_call(c, s, &ending);
}

void load_connection_fail(load_connection *c, vqlc_status status, const char *why)
{
    if (c->error[0] == '\0')
        (void)load_fail(c, "%s", why);
    c->going = true;
    for (uint32_t i = 0; i < c->stream_count; i++)
        if (c->streams[i].id != 0)
            load_end_stream(c, &c->streams[i], status, c->error);
}
