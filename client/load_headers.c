#include "load_headers.h"

#include <inttypes.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TABLE_BYTES = 4096, /* of the dynamic table, unless the server allows less */
    MAX_HEADERS = 9,
};

#define USER_AGENT "vqlbench/" VQLC_VERSION

typedef struct block {
    size_t bytes; /* 0: not encoded yet */
    uint8_t data[LOAD_BLOCK_BYTES];
} block;

struct load_headers {
    nghttp2_hd_deflater *deflater;
    load_headers_options options;
    block first;                  /* that of a method's first request */
    block again[LOAD_KIND_COUNT]; /* those of all others: they change nothing in the table */
};

/* nghttp2 declares the texts without const but writes to neither. */
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

static bool encode(load_headers *h, load_kind kind, block *out)
{
    nghttp2_nv headers[MAX_HEADERS] = {
        header(":method", "POST", NGHTTP2_NV_FLAG_NONE),
        header(":scheme", h->options.scheme, NGHTTP2_NV_FLAG_NONE),
        header(":path", load_kind_path(kind), NGHTTP2_NV_FLAG_NONE),
        header(":authority", h->options.authority, NGHTTP2_NV_FLAG_NONE),
        header("te", "trailers", NGHTTP2_NV_FLAG_NONE),
        header("content-type", "application/grpc", NGHTTP2_NV_FLAG_NONE),
        header("user-agent", USER_AGENT, NGHTTP2_NV_FLAG_NONE),
    };
    size_t count = 7;
    if (h->options.timeout != NULL && !load_kind_streams(kind))
        headers[count++] = header("grpc-timeout", h->options.timeout, NGHTTP2_NV_FLAG_NONE);
    /* A secret is kept out of the table (RFC 7541 §7.1.3). */
    if (h->options.authorization != NULL)
        headers[count++] =
            header("authorization", h->options.authorization, NGHTTP2_NV_FLAG_NO_INDEX);
    const ssize_t written =
        nghttp2_hd_deflate_hd(h->deflater, out->data, sizeof out->data, headers, count);
    out->bytes = written > 0 ? (size_t)written : 0;
    return written > 0;
}

load_headers *load_headers_new(const load_headers_options *options)
{
    load_headers *h = calloc(1, sizeof *h);
    if (h == NULL)
        return NULL;
    h->options = *options;
    bool encoded = nghttp2_hd_deflate_new(&h->deflater, TABLE_BYTES) == 0;
    /* A rehearsal: whether the blocks fit. */
    for (int kind = 0; kind < LOAD_KIND_COUNT && encoded; kind++)
        encoded = encode(h, (load_kind)kind, &h->first);
    nghttp2_hd_deflate_del(h->deflater);
    h->deflater = NULL;
    if (encoded && nghttp2_hd_deflate_new(&h->deflater, TABLE_BYTES) == 0)
        return h;
    free(h);
    return NULL;
}

void load_headers_free(load_headers *h)
{
    if (h == NULL)
        return;
    nghttp2_hd_deflate_del(h->deflater);
    free(h);
}

/* In less than the usual table our headers would take turns; so then there is none. */
bool load_headers_limit(load_headers *h, uint32_t table_bytes)
{
    const size_t wanted = table_bytes < TABLE_BYTES ? 0 : TABLE_BYTES;
    for (int kind = 0; kind < LOAD_KIND_COUNT; kind++)
        h->again[kind].bytes = 0;
    return nghttp2_hd_deflate_change_table_size(h->deflater, wanted) == 0;
}

size_t load_headers_next(load_headers *h, load_kind kind, const uint8_t **out)
{
    block *again = &h->again[kind];
    if (again->bytes > 0) {
        *out = again->data;
        return again->bytes;
    }
    /*
     * The first request's headers go into the table, before those of other methods: their indices
     * are others now.
     */
    (void)encode(h, kind, &h->first);
    for (int other = 0; other < LOAD_KIND_COUNT; other++)
        if (other == (int)kind || h->again[other].bytes > 0)
            (void)encode(h, (load_kind)other, &h->again[other]);
    *out = h->first.data;
    return h->first.bytes;
}

size_t load_headers_user(uint64_t user, uint8_t *out)
{
    static const char name[] = "\x00\x0ax-vql-user"; /* a new name, of ten bytes */
    char digits[24];
    const size_t name_bytes = sizeof name - 1;
    const size_t length = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, user);
    memcpy(out, name, name_bytes);
    out[name_bytes] = (uint8_t)length;
    memcpy(out + name_bytes + 1, digits, length);
    return name_bytes + 1 + length;
}
