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
    char pushback[NUMBER_BYTES];
    char message[MESSAGE_BYTES];
} block;

/* flags: NGHTTP2_NV_FLAG_NO_INDEX and _NO_COPY_…, with which nghttp2 holds on to the texts. */
static void add(block *b, const char *name, const char *value, size_t length, uint8_t flags)
{
    /* nghttp2 writes to neither, const or not. */
    b->fields[b->count++] = (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)name,
        .value = (uint8_t *)(uintptr_t)value,
        .namelen = strlen(name),
        .valuelen = length,
        .flags = flags,
    };
}

/* A text that does not end: nghttp2 need not copy it. */
static void add_constant(block *b, const char *name, const char *value)
{
    add(b, name, value, strlen(value),
        NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE);
}

/* A value that is hardly sent again, and has no place in the table of the compression. */
static void add_once(block *b, const char *name, const char *value, size_t length)
{
    add(b, name, value, length, NGHTTP2_NV_FLAG_NO_INDEX);
}

static void add_pushback(block *b, int64_t pushback_ms)
{
    const int length = snprintf(b->pushback, sizeof b->pushback, "%" PRId64, pushback_ms);
    add(b, "grpc-retry-pushback-ms", b->pushback, (size_t)length, NGHTTP2_NV_FLAG_NONE);
}

static void add_metadata(block *b, const response_metadata *metadata)
{
    const char *at = metadata->text;
    const char *end = metadata->bytes > 0 ? at + metadata->bytes : at;
    while (at < end) {
        const char *value = at + strlen(at) + 1;
        add_once(b, at, value, strlen(value));
        at = value + strlen(value) + 1;
    }
}

static void add_head(block *b, const response_head *head)
{
    add_constant(b, ":status", "200");
    add_constant(b, "content-type", "application/grpc");
    if (head->gzip)
        add_constant(b, "grpc-encoding", "gzip");
    add_constant(b, "grpc-accept-encoding", "identity,gzip");
    add_metadata(b, &head->metadata);
}

static void add_trailers(block *b, const response_status *status)
{
    static const char *const codes[] = {
#define CODE(number, name) [number] = #number,
        GRPC_STATUSES(CODE)
#undef CODE
    };
    const bool known = (size_t)status->code < sizeof codes / sizeof *codes;
    add_constant(b, "grpc-status", codes[known ? status->code : GRPC_UNKNOWN]);
    if (status->message && *status->message)
        add_once(b, "grpc-message", b->message,
                 grpc_message_encode(status->message, b->message, sizeof b->message));
    if (status->pushback_ms >= 0)
        add_pushback(b, status->pushback_ms);
    if (status->details)
        add_once(b, "grpc-status-details-bin", status->details, strlen(status->details));
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
    add_constant(&b, ":status", http_status);
    return nghttp2_submit_response(h2, stream_id, b.fields, b.count, NULL);
}
