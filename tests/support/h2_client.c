#include "h2_client.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FIELDS = 16, MAX_STREAMS = 2048, PREFIX_BYTES = 5 };

typedef struct stream {
    h2_answer answer;
    uint8_t *unsent;
    size_t unsent_bytes;
    bool end;
} stream;

struct h2_client {
    nghttp2_session *h2;
    stream *streams[MAX_STREAMS]; /* number n is stream 2n + 1 */
    h2_goaway goaway;
    const uint8_t *pending;
    size_t pending_bytes;
};

static void require(bool fine)
{
    if (!fine)
        abort();
}

static stream *find(const h2_client *client, int32_t stream_id)
{
    require(stream_id > 0 && stream_id % 2 == 1 && stream_id / 2 < MAX_STREAMS);
    return client->streams[stream_id / 2];
}

static void append(uint8_t **bytes, size_t *count, const void *more, size_t more_count)
{
    if (more_count == 0)
        return;
    *bytes = realloc(*bytes, *count + more_count);
    require(*bytes != NULL);
    memcpy(*bytes + *count, more, more_count);
    *count += more_count;
}

static ssize_t read_body(nghttp2_session *h2, int32_t stream_id, uint8_t *out, size_t capacity,
                         uint32_t *flags, nghttp2_data_source *source, void *context)
{
    (void)h2;
    (void)stream_id;
    (void)context;
    stream *s = source->ptr;
    const size_t count = s->unsent_bytes < capacity ? s->unsent_bytes : capacity;
    if (count > 0) {
        memcpy(out, s->unsent, count);
        memmove(s->unsent, s->unsent + count, s->unsent_bytes - count);
        s->unsent_bytes -= count;
    }
    if (s->unsent_bytes == 0 && s->end)
        *flags = NGHTTP2_DATA_FLAG_EOF;
    else if (count == 0)
        return NGHTTP2_ERR_DEFERRED;
    return (ssize_t)count;
}

static int on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_length, const uint8_t *value, size_t value_length, uint8_t flags,
                     void *context)
{
    (void)h2;
    (void)flags;
    h2_answer *answer = &find(context, frame->hd.stream_id)->answer;
    const bool last = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    char *block = last ? answer->trailers : answer->headers;
    const size_t capacity = last ? sizeof answer->trailers : sizeof answer->headers;
    const size_t used = strlen(block);
    const int length = snprintf(block + used, capacity - used, "%.*s: %.*s\n", (int)name_length,
                                (const char *)name, (int)value_length, (const char *)value);
    require(length > 0 && (size_t)length < capacity - used);
    return 0;
}

static int on_frame_recv(nghttp2_session *h2, const nghttp2_frame *frame, void *context)
{
    (void)h2;
    h2_client *client = context;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        client->goaway.count++;
        client->goaway.last_stream_id = frame->goaway.last_stream_id;
        client->goaway.code = frame->goaway.error_code;
        return 0;
    }
    if (frame->hd.stream_id == 0)
        return 0;
    h2_answer *answer = &find(client, frame->hd.stream_id)->answer;
    if (frame->hd.type == NGHTTP2_RST_STREAM) {
        answer->reset = true;
        answer->reset_code = frame->rst_stream.error_code;
    } else if (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) {
        answer->blocks += frame->hd.type == NGHTTP2_HEADERS;
        answer->ended = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    }
    return 0;
}

static int on_data_chunk_recv(nghttp2_session *h2, uint8_t flags, int32_t stream_id,
                              const uint8_t *bytes, size_t count, void *context)
{
    (void)h2;
    (void)flags;
    h2_answer *answer = &find(context, stream_id)->answer;
    append(&answer->body, &answer->body_bytes, bytes, count);
    return 0;
}

static int on_stream_close(nghttp2_session *h2, int32_t stream_id, uint32_t code, void *context)
{
    (void)h2;
    (void)code;
    find(context, stream_id)->answer.closed = true;
    return 0;
}

h2_client *h2_client_new(const h2_client_options *options)
{
    h2_client *client = calloc(1, sizeof *client);
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    require(client != NULL);
    require(nghttp2_session_callbacks_new(&callbacks) == 0);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk_recv);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    require(nghttp2_option_new(&option) == 0);
    nghttp2_option_set_no_auto_window_update(option, !options->reads);
    nghttp2_option_set_peer_max_concurrent_streams(option, MAX_STREAMS);
    require(nghttp2_session_client_new2(&client->h2, callbacks, client, option) == 0);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    const nghttp2_settings_entry setting = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE,
                                            options->stream_window};
    require(nghttp2_submit_settings(client->h2, NGHTTP2_FLAG_NONE, &setting, 1) == 0);
    return client;
}

void h2_client_free(h2_client *client)
{
    nghttp2_session_del(client->h2);
    for (size_t i = 0; i < MAX_STREAMS; i++) {
        if (client->streams[i]) {
            free(client->streams[i]->answer.body);
            free(client->streams[i]->unsent);
            free(client->streams[i]);
        }
    }
    free(client);
}

int32_t h2_client_open(h2_client *client, const h2_header *fields)
{
    nghttp2_nv block[MAX_FIELDS];
    size_t count = 0;
    for (; fields[count].name; count++) {
        require(count < MAX_FIELDS);
        block[count] = (nghttp2_nv){
            .name = (uint8_t *)(uintptr_t)fields[count].name,
            .value = (uint8_t *)(uintptr_t)fields[count].value,
            .namelen = strlen(fields[count].name),
            .valuelen = strlen(fields[count].value),
        };
    }
    stream *s = calloc(1, sizeof *s);
    require(s != NULL);
    const nghttp2_data_provider body = {.source.ptr = s, .read_callback = read_body};
    const int32_t id = nghttp2_submit_request(client->h2, NULL, block, count, &body, NULL);
    require(id > 0 && id / 2 < MAX_STREAMS);
    client->streams[id / 2] = s;
    return id;
}

int32_t h2_client_call(h2_client *client, const char *path, const char *timeout)
{
    return h2_client_call_with(client, path, timeout ? "grpc-timeout" : NULL, timeout);
}

int32_t h2_client_call_with(h2_client *client, const char *path, const char *name,
                            const char *value)
{
    const h2_header fields[] = {
        {":method", "POST"}, {":scheme", "http"},
        {":path", path},     {":authority", "localhost"},
        {"te", "trailers"},  {"content-type", "application/grpc"},
        {name, value},       {NULL, NULL},
    };
    return h2_client_open(client, fields);
}

void h2_client_send(h2_client *client, int32_t stream_id, const void *bytes, size_t count, bool end)
{
    stream *s = find(client, stream_id);
    append(&s->unsent, &s->unsent_bytes, bytes, count);
    s->end = end;
    (void)nghttp2_session_resume_data(client->h2, stream_id);
}

void h2_client_message(h2_client *client, int32_t stream_id, const void *bytes, size_t count,
                       bool end)
{
    const uint8_t prefix[PREFIX_BYTES] = {0, (uint8_t)(count >> 24), (uint8_t)(count >> 16),
                                          (uint8_t)(count >> 8), (uint8_t)count};
    h2_client_send(client, stream_id, prefix, sizeof prefix, false);
    h2_client_send(client, stream_id, bytes, count, end);
}

void h2_client_cancel(h2_client *client, int32_t stream_id)
{
    require(nghttp2_submit_rst_stream(client->h2, NGHTTP2_FLAG_NONE, stream_id, NGHTTP2_CANCEL) ==
            0);
}

void h2_client_open_window(h2_client *client, int32_t stream_id, int32_t bytes)
{
    require(nghttp2_submit_window_update(client->h2, NGHTTP2_FLAG_NONE, stream_id, bytes) == 0);
}

void h2_client_goaway(h2_client *client)
{
    require(nghttp2_submit_goaway(client->h2, NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, NULL, 0) ==
            0);
}

bool h2_client_feed(h2_client *client, const uint8_t *bytes, size_t count)
{
    return nghttp2_session_mem_recv(client->h2, bytes, count) == (ssize_t)count;
}

size_t h2_client_drain(h2_client *client, uint8_t *out, size_t capacity)
{
    size_t count = 0;
    while (count < capacity) {
        if (client->pending_bytes == 0) {
            const ssize_t result = nghttp2_session_mem_send(client->h2, &client->pending);
            require(result >= 0);
            client->pending_bytes = (size_t)result;
            if (result == 0)
                break;
        }
        const size_t room = capacity - count;
        const size_t part = client->pending_bytes < room ? client->pending_bytes : room;
        memcpy(out + count, client->pending, part);
        client->pending += part;
        client->pending_bytes -= part;
        count += part;
    }
    return count;
}

const h2_answer *h2_client_answer(const h2_client *client, int32_t stream_id)
{
    return &find(client, stream_id)->answer;
}

size_t h2_client_unsent(const h2_client *client, int32_t stream_id)
{
    return find(client, stream_id)->unsent_bytes;
}

h2_goaway h2_client_goaways(const h2_client *client)
{
    return client->goaway;
}

uint32_t h2_client_setting(const h2_client *client, int id)
{
    return nghttp2_session_get_remote_settings(client->h2, (nghttp2_settings_id)id);
}

bool h2_field(const char *block, const char *name, char *out, size_t capacity)
{
    const size_t name_length = strlen(name);
    for (const char *line = block; *line; line = strchr(line, '\n') + 1) {
        if (strncmp(line, name, name_length) != 0 || strncmp(line + name_length, ": ", 2) != 0)
            continue;
        const char *value = line + name_length + 2;
        (void)snprintf(out, capacity, "%.*s", (int)(strchr(value, '\n') - value), value);
        return true;
    }
    return false;
}

int h2_answer_status(const h2_answer *answer)
{
    char text[16];
    if (!h2_field(answer->trailers, "grpc-status", text, sizeof text))
        return -1;
    return (int)strtol(text, NULL, 10);
}

const uint8_t *h2_answer_message(const h2_answer *answer, size_t index, size_t *bytes)
{
    size_t at = 0;
    while (answer->body_bytes - at >= PREFIX_BYTES) {
        const uint8_t *prefix = answer->body + at;
        *bytes = (size_t)prefix[1] << 24 | (size_t)prefix[2] << 16 | (size_t)prefix[3] << 8 |
                 (size_t)prefix[4];
        if (*bytes > answer->body_bytes - at - PREFIX_BYTES)
            return NULL;
        if (index-- == 0)
            return prefix + PREFIX_BYTES;
        at += PREFIX_BYTES + *bytes;
    }
    return NULL;
}
