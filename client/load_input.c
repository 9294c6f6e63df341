#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>

#include "load_inside.h"
#include "protocol.h"

enum { MAX_BLOCK_BYTES = 64 << 10 }; /* of an answer's headers with CONTINUATION */

#define REFRESH_BYTES (1u << 29) /* of a window for answers: what is used is given back */

/* Resets a stream that cannot go on. */
static bool give_up(load_connection *c, load_stream *s, vqlc_status status, const char *text)
{
    s->reset = true;
    const bool written = load_put_number(c, NGHTTP2_RST_STREAM, s->id, NGHTTP2_CANCEL);
    load_end_stream(c, s, status, text);
    return written;
}

/* The server has ended the stream; fields: its last headers, NULL: data came last. */
static void conclude(load_connection *c, load_stream *s, const load_fields *fields)
{
    if (fields == NULL || !fields->has_status)
        load_end_stream(c, s, protocol_status_of_http(s->http_status), "no grpc-status");
    else if (fields->status == VQLC_OK && assembler_partial(&s->incoming))
        load_end_stream(c, s, VQLC_INTERNAL, "the last message of the answer is cut short");
    else if (fields->status == VQLC_OK &&
             (load_kind_streams(s->kind) ? s->count > 0 : !s->answered))
        load_end_stream(c, s, VQLC_INTERNAL, "the status is OK but there is no answer");
    else
        load_end_stream(c, s, fields->status, fields->message);
}

static bool take_block(load_connection *c, uint32_t id, const uint8_t *block, size_t bytes,
                       bool ends)
{
    const load_fields *fields = load_reader_take(c->reader, block, bytes);
    if (fields == NULL)
        return load_fail(c, "the header block of stream %u is malformed", id);
    const uint32_t slot = load_table_find(&c->table, id);
    if (slot == LOAD_NO_SLOT)
        return true;
    load_stream *s = &c->streams[slot];
    const bool first = s->http_status < 200;
    if (fields->http_status != 0)
        s->http_status = fields->http_status;
    if (ends)
        conclude(c, s, fields);
    else if (first && fields->http_status == 200 && !fields->is_grpc)
        return give_up(c, s, VQLC_UNKNOWN, "the content-type is not application/grpc");
    return true;
}

/* Takes the padding off a payload. */
static bool unpad(load_connection *c, uint8_t flags, const uint8_t **payload, size_t *bytes)
{
    if ((flags & NGHTTP2_FLAG_PADDED) == 0)
        return true;
    if (*bytes == 0 || (*payload)[0] >= *bytes)
        return load_fail(c, "a frame's padding is longer than the frame");
    *bytes -= (size_t)(*payload)[0] + 1;
    (*payload)++;
    return true;
}

static bool keep_block(load_connection *c, const uint8_t *payload, size_t bytes)
{
    if (c->block_bytes + bytes > MAX_BLOCK_BYTES)
        return load_fail(c, "a header block is larger than %d bytes", MAX_BLOCK_BYTES);
    if (c->block == NULL)
        c->block = malloc(MAX_BLOCK_BYTES);
    if (c->block == NULL)
        return load_fail(c, "no memory for a header block");
    memcpy(c->block + c->block_bytes, payload, bytes);
    c->block_bytes += bytes;
    return true;
}

static bool take_headers(load_connection *c, uint8_t flags, uint32_t id, const uint8_t *payload,
                         size_t bytes)
{
    const bool ends = (flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (!unpad(c, flags, &payload, &bytes))
        return false;
    if (flags & NGHTTP2_FLAG_PRIORITY) {
        if (bytes < 5)
            return load_fail(c, "a HEADERS frame is too short for its priority");
        payload += 5;
        bytes -= 5;
    }
    if (flags & NGHTTP2_FLAG_END_HEADERS)
        return take_block(c, id, payload, bytes, ends);
    c->block_id = id;
    c->block_ends = ends;
    c->block_bytes = 0;
    return keep_block(c, payload, bytes);
}

static bool take_continuation(load_connection *c, uint8_t flags, const uint8_t *payload,
                              size_t bytes)
{
    if (!keep_block(c, payload, bytes))
        return false;
    if ((flags & NGHTTP2_FLAG_END_HEADERS) == 0)
        return true;
    const uint32_t id = c->block_id;
    c->block_id = 0;
    return take_block(c, id, c->block, c->block_bytes, c->block_ends);
}

/* Gives back what answers have used of the windows, now and then. */
static bool refresh_windows(load_connection *c, load_stream *s, size_t bytes)
{
    c->used += (uint32_t)bytes;
    if (c->used >= REFRESH_BYTES) {
        if (!load_put_number(c, NGHTTP2_WINDOW_UPDATE, 0, c->used))
            return false;
        c->used = 0;
    }
    if (s == NULL)
        return true;
    s->used += (uint32_t)bytes;
    if (s->used < REFRESH_BYTES)
        return true;
    const uint32_t used = s->used;
    s->used = 0;
    return load_put_number(c, NGHTTP2_WINDOW_UPDATE, s->id, used);
}

/* A message has come: the answer to a stream's oldest call. One's own call ends with trailers. */
static bool take_message(load_connection *c, load_stream *s)
{
    if (load_kind_streams(s->kind) ? s->count == 0 : s->answered)
        return give_up(c, s, VQLC_INTERNAL, "there are more answers than requests");
    s->answered = true;
    if (load_kind_streams(s->kind)) {
        const load_answer answer = {.status = VQLC_OK,
                                    .text = "",
                                    .message = s->incoming.message,
                                    .bytes = s->incoming.length};
        load_end_call(c, s, &answer);
    }
    return true;
}

static bool take_data(load_connection *c, uint8_t flags, uint32_t id, const uint8_t *payload,
                      size_t bytes)
{
    const uint32_t slot = load_table_find(&c->table, id);
    load_stream *s = slot != LOAD_NO_SLOT ? &c->streams[slot] : NULL;
    if (!refresh_windows(c, s, bytes) || !unpad(c, flags, &payload, &bytes))
        return false;
    if (s == NULL)
        return true;
    while (bytes > 0 && s->id == id) {
        switch (assembler_take(&s->incoming, &payload, &bytes)) {
        case ASSEMBLER_WAITING:
            break;
        case ASSEMBLER_MESSAGE:
            if (!take_message(c, s))
                return false;
            break;
        case ASSEMBLER_TOO_LARGE:
            return give_up(c, s, VQLC_RESOURCE_EXHAUSTED, "the answer is too large");
        case ASSEMBLER_COMPRESSED:
            return give_up(c, s, VQLC_INTERNAL, "the answer is compressed");
        case ASSEMBLER_NO_MEMORY:
            return give_up(c, s, VQLC_RESOURCE_EXHAUSTED, "no memory for the answer");
        }
    }
    if ((flags & NGHTTP2_FLAG_END_STREAM) && s->id == id)
        conclude(c, s, NULL);
    return true;
}

static bool take_setting(load_connection *c, uint32_t name, uint32_t value)
{
    switch (name) {
    case NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS:
        c->peer_streams = value;
        return true;
    case NGHTTP2_SETTINGS_HEADER_TABLE_SIZE:
        return load_headers_limit(c->headers, value) || load_fail(c, "no memory for headers");
    case NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE:
        if (value > LOAD_WINDOW_BYTES)
            return load_fail(c, "SETTINGS has a window of %u bytes", value);
        for (uint32_t i = 0; i < c->stream_count; i++)
            c->streams[i].window += (int64_t)value - c->peer_window;
        c->peer_window = value;
        load_push_body(c);
        return true;
    default:
        return true;
    }
}

static bool take_settings(load_connection *c, uint8_t flags, const uint8_t *payload, size_t bytes)
{
    if (flags & NGHTTP2_FLAG_ACK)
        return true;
    if (bytes % 6 != 0)
        return load_fail(c, "a SETTINGS frame has %zu bytes", bytes);
    for (size_t at = 0; at < bytes; at += 6)
        if (!take_setting(c, (uint32_t)payload[at] << 8 | payload[at + 1],
                          load_get_32(payload + at + 2)))
            return false;
    c->settled = true;
    return load_put_control(c, 0, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0) != NULL;
}

static bool take_ping(load_connection *c, uint8_t flags, const uint8_t *payload, size_t bytes)
{
    if (bytes != 8)
        return load_fail(c, "a PING frame has %zu bytes", bytes);
    if (flags & NGHTTP2_FLAG_ACK)
        return true;
    uint8_t *out = load_put_control(c, 8, NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0);
    if (out != NULL)
        memcpy(out, payload, 8);
    return out != NULL;
}

static bool take_window(load_connection *c, uint32_t id, const uint8_t *payload, size_t bytes)
{
    if (bytes != 4)
        return load_fail(c, "a WINDOW_UPDATE frame has %zu bytes", bytes);
    const uint32_t more = load_get_32(payload) & LOAD_WINDOW_BYTES;
    const uint32_t slot = id != 0 ? load_table_find(&c->table, id) : LOAD_NO_SLOT;
    if (id == 0)
        c->window += more;
    else if (slot != LOAD_NO_SLOT)
        c->streams[slot].window += more;
    load_push_body(c);
    return true;
}

static bool take_reset(load_connection *c, uint32_t id, const uint8_t *payload, size_t bytes)
{
    if (bytes != 4)
        return load_fail(c, "a RST_STREAM frame has %zu bytes", bytes);
    const uint32_t slot = load_table_find(&c->table, id);
    if (slot == LOAD_NO_SLOT)
        return true;
    const uint32_t code = load_get_32(payload);
    c->streams[slot].reset = true;
    load_end_stream(c, &c->streams[slot], protocol_status_of_reset(code),
                    nghttp2_http2_strerror(code));
    return true;
}

/* What the server has not seen ends; the rest goes on. */
static bool take_goaway(load_connection *c, const uint8_t *payload, size_t bytes)
{
    if (bytes < 8)
        return load_fail(c, "a GOAWAY frame has %zu bytes", bytes);
    const uint32_t last = load_get_32(payload) & LOAD_LAST_ID;
    const uint32_t code = load_get_32(payload + 4);
    c->going = true;
    for (uint32_t i = 0; i < c->stream_count; i++)
        if (c->streams[i].id > last)
            load_end_stream(c, &c->streams[i], VQLC_UNAVAILABLE, "the server goes away");
    return code == NGHTTP2_NO_ERROR ||
           load_fail(c, "the server ended the connection with %s", nghttp2_http2_strerror(code));
}

static bool take_frame(load_connection *c, const uint8_t *frame, size_t bytes)
{
    const uint8_t flags = frame[4];
    const uint32_t id = load_get_32(frame + 5) & LOAD_LAST_ID;
    const uint8_t *payload = frame + LOAD_FRAME_HEADER_BYTES;
    if (c->block_id != 0 && (frame[3] != NGHTTP2_CONTINUATION || id != c->block_id))
        return load_fail(c, "a frame of type %u stands inside a header block", frame[3]);
    switch (frame[3]) {
    case NGHTTP2_DATA:
        return take_data(c, flags, id, payload, bytes);
    case NGHTTP2_HEADERS:
        return take_headers(c, flags, id, payload, bytes);
    case NGHTTP2_CONTINUATION:
        return c->block_id != 0 ? take_continuation(c, flags, payload, bytes)
                                : load_fail(c, "a CONTINUATION frame continues nothing");
    case NGHTTP2_SETTINGS:
        return take_settings(c, flags, payload, bytes);
    case NGHTTP2_PING:
        return take_ping(c, flags, payload, bytes);
    case NGHTTP2_WINDOW_UPDATE:
        return take_window(c, id, payload, bytes);
    case NGHTTP2_RST_STREAM:
        return take_reset(c, id, payload, bytes);
    case NGHTTP2_GOAWAY:
        return take_goaway(c, payload, bytes);
    case NGHTTP2_PUSH_PROMISE:
        return load_fail(c, "the server pushes, though it was told not to");
    default:
        return true;
    }
}

/* The bytes of the payload of a frame that begins there. */
static size_t payload_bytes(const uint8_t *frame)
{
    return load_get_32(frame) >> 8;
}

/* Puts the frame together that came in pieces. */
static bool take_partial(load_connection *c, const uint8_t **bytes, size_t *count)
{
    size_t wanted = LOAD_FRAME_HEADER_BYTES;
    if (c->partial_bytes >= LOAD_FRAME_HEADER_BYTES)
        wanted += payload_bytes(c->partial);
    size_t taken = wanted - c->partial_bytes;
    taken = taken < *count ? taken : *count;
    memcpy(c->partial + c->partial_bytes, *bytes, taken);
    c->partial_bytes += taken;
    *bytes += taken;
    *count -= taken;
    if (c->partial_bytes < LOAD_FRAME_HEADER_BYTES)
        return true;
    const size_t payload = payload_bytes(c->partial);
    if (payload > LOAD_FRAME_BYTES)
        return load_fail(c, "a frame has %zu bytes, above %d", payload, LOAD_FRAME_BYTES);
    if (c->partial_bytes < LOAD_FRAME_HEADER_BYTES + payload)
        return true;
    c->partial_bytes = 0;
    return take_frame(c, c->partial, payload);
}

bool load_connection_feed(load_connection *c, const uint8_t *bytes, size_t count)
{
    while (count > 0) {
        const size_t payload = count >= LOAD_FRAME_HEADER_BYTES ? payload_bytes(bytes) : SIZE_MAX;
        if (c->partial_bytes > 0 || payload > LOAD_FRAME_BYTES ||
            count < LOAD_FRAME_HEADER_BYTES + payload) {
            if (!take_partial(c, &bytes, &count))
                return false;
            continue;
        }
        if (!take_frame(c, bytes, payload))
            return false;
        bytes += LOAD_FRAME_HEADER_BYTES + payload;
        count -= LOAD_FRAME_HEADER_BYTES + payload;
    }
    return c->error[0] == '\0';
}
