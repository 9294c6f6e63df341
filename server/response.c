#include "response.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    /* Four of the head, four of the trailers, and the services' own of each. */
    MAX_FIELDS = 4 + 4 + 2 * RESPONSE_METADATA,
    MESSAGE_BYTES = 1024, /* of an encoded grpc-message; what is beyond is cut off */
    NUMBER_BYTES = 24,    /* a 64-bit number in decimals */
};

/* A header block under construction, with the texts that its fields point into. */
typedef struct block {
    nghttp2_nv fields[MAX_FIELDS];
    size_t count;
    char code[NUMBER_BYTES], pushback[NUMBER_BYTES];
    char message[MESSAGE_BYTES];
} block;

/* once: the value is hardly sent again, and has no place in the table of the compression. */
static void add(block *b, const char *name, const char *value, size_t length, bool once)
{
    /* nghttp2 copies both and writes to neither, const or not: no NO_COPY flag is set. */
    b->fields[b->count++] = (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)name,
        .value = (uint8_t *)(uintptr_t)value,
        .namelen = strlen(name),
        .valuelen = length,
        .flags = once ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE,
    };
}

static void add_text(block *b, const char *name, const char *value)
{
    add(b, name, value, strlen(value), false);
}

static void add_number(block *b, const char *name, char text[NUMBER_BYTES], int64_t value)
{
    const int length = snprintf(text, NUMBER_BYTES, "%" PRId64, value);
    add(b, name, text, (size_t)length, false);
}

static void add_metadata(block *b, const response_metadata *metadata)
{
    const char *at = metadata->text;
    const char *end = metadata->bytes > 0 ? at + metadata->bytes : at;
    while (at < end) {
        const char *value = at + strlen(at) + 1;
        add(b, at, value, strlen(value), true);
        at = value + strlen(value) + 1;
    }
}

static void add_head(block *b, const response_head *head)
{
    add_text(b, ":status", "200");
    add_text(b, "content-type", "application/grpc");
    if (head->gzip)
        add_text(b, "grpc-encoding", "gzip");
    add_text(b, "grpc-accept-encoding", "identity,gzip");
    add_metadata(b, &head->metadata);
}

static void add_trailers(block *b, const response_status *status)
{
    add_number(b, "grpc-status", b->code, status->code);
    if (status->message && *status->message)
        add(b, "grpc-message", b->message,
            grpc_message_encode(status->message, b->message, sizeof b->message), true);
    if (status->pushback_ms >= 0)
        add_number(b, "grpc-retry-pushback-ms", b->pushback, status->pushback_ms);
    if (status->details)
        add(b, "grpc-status-details-bin", status->details, strlen(status->details), true);
    add_metadata(b, &status->metadata);
}

int response_begin(nghttp2_session *h2, int32_t stream_id, const response_head *head,
                   const nghttp2_data_provider *body)
{
    block b;
    b.count = 0;
    add_head(&b, head);
    return nghttp2_submit_response(h2, stream_id, b.fields, b.count, body);
}

int response_end(nghttp2_session *h2, int32_t stream_id, const response_status *status)
{
    block b;
    b.count = 0;
    add_trailers(&b, status);
    return nghttp2_submit_trailer(h2, stream_id, b.fields, b.count);
}

int response_only(nghttp2_session *h2, int32_t stream_id, const response_head *head,
                  const response_status *status)
{
    block b;
    b.count = 0;
    add_head(&b, head);
    add_trailers(&b, status);
    return nghttp2_submit_response(h2, stream_id, b.fields, b.count, NULL);
}

int response_http_error(nghttp2_session *h2, int32_t stream_id, const char *http_status)
{
    block b;
    b.count = 0;
    add_text(&b, ":status", http_status);
    return nghttp2_submit_response(h2, stream_id, b.fields, b.count, NULL);
}
