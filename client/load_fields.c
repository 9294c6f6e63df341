#include "load_fields.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reply.h"

enum {
    KNOWN_BLOCKS = 8,  /* a power of two */
    KNOWN_BYTES = 256, /* a longer block is not kept */
};

typedef struct known_block {
    size_t bytes; /* 0: none */
    uint8_t data[KNOWN_BYTES];
    load_fields fields;
} known_block;

struct load_reader {
    nghttp2_hd_inflater *inflater;
    known_block known[KNOWN_BLOCKS];
    unsigned oldest;
    load_fields fields; /* of a block that is not kept */
};

load_reader *load_reader_new(void)
{
    load_reader *r = calloc(1, sizeof *r);
    if (r != NULL && nghttp2_hd_inflate_new(&r->inflater) == 0)
        return r;
    free(r);
    return NULL;
}

void load_reader_free(load_reader *r)
{
    if (r == NULL)
        return;
    nghttp2_hd_inflate_del(r->inflater);
    free(r);
}

/*
 * Moves *at behind an integer with a prefix of so many bits (RFC 7541 §5.1). False when the block
 * ends in it, or it is larger than any in a block of this size.
 */
static bool read_integer(const uint8_t *block, size_t bytes, size_t *at, unsigned prefix_bits,
                         size_t *number)
{
    const unsigned most = (1U << prefix_bits) - 1;
    *number = block[(*at)++] & most;
    if (*number < most)
        return true;
    for (unsigned shift = 0; *at < bytes && shift < 21; shift += 7) {
        const uint8_t byte = block[(*at)++];
        *number += (size_t)(byte & 0x7F) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

static bool skip_text(const uint8_t *block, size_t bytes, size_t *at)
{
    size_t length;
    if (*at >= bytes || !read_integer(block, bytes, at, 7, &length) || length > bytes - *at)
        return false;
    *at += length;
    return true;
}

/*
 * Whether the block leaves the dynamic table as it is: it has indexed fields and literals that are
 * not indexed, and nothing else (RFC 7541 §6).
 */
static bool changes_nothing(const uint8_t *block, size_t bytes)
{
    size_t index;
    for (size_t at = 0; at < bytes;) {
        const bool indexed = (block[at] & 0x80) != 0;
        const bool changes = !indexed && (block[at] & 0x60) != 0;
        if (changes || !read_integer(block, bytes, &at, indexed ? 7 : 4, &index))
            return false;
        const unsigned texts = indexed ? 0 : index == 0 ? 2 : 1; /* a name, a value */
        for (unsigned i = 0; i < texts; i++)
            if (!skip_text(block, bytes, &at))
                return false;
    }
    return true;
}

/* Decompresses a block into what it says. */
static bool inflate(load_reader *r, const uint8_t *block, size_t bytes, load_fields *out)
{
    reply said;
    reply_init(&said);
    for (;;) {
        nghttp2_nv field;
        int flags = 0;
        const ssize_t taken = nghttp2_hd_inflate_hd2(r->inflater, &field, &flags, block, bytes, 1);
        if (taken < 0)
            return false;
        block += taken;
        bytes -= (size_t)taken;
        if (flags & NGHTTP2_HD_INFLATE_EMIT)
            reply_header(&said, field.name, field.namelen, field.value, field.valuelen);
        if (flags & NGHTTP2_HD_INFLATE_FINAL)
            break;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) == 0 && bytes == 0)
            return false;
    }
    (void)nghttp2_hd_inflate_end_headers(r->inflater);
    *out = (load_fields){.http_status = said.http_status,
                         .is_grpc = said.is_grpc,
                         .has_status = said.has_status,
                         .status = said.trailers.status};
    (void)snprintf(out->message, sizeof out->message, "%.*s", (int)sizeof out->message - 1,
                   said.trailers.message);
    return true;
}

static void forget_all(load_reader *r)
{
    for (size_t i = 0; i < KNOWN_BLOCKS; i++)
        r->known[i].bytes = 0;
}

const load_fields *load_reader_take(load_reader *r, const uint8_t *block, size_t bytes)
{
    for (size_t i = 0; i < KNOWN_BLOCKS && bytes > 0; i++)
        if (r->known[i].bytes == bytes && memcmp(r->known[i].data, block, bytes) == 0)
            return &r->known[i].fields;
    const bool keep = bytes > 0 && bytes <= KNOWN_BYTES && changes_nothing(block, bytes);
    load_fields fields;
    if (!inflate(r, block, bytes, &fields))
        return NULL;
    if (!keep) {
        /* What the known blocks' indices mean may be something else now. */
        forget_all(r);
        r->fields = fields;
        return &r->fields;
    }
    known_block *k = &r->known[r->oldest++ % KNOWN_BLOCKS];
    memcpy(k->data, block, bytes);
    k->bytes = bytes;
    k->fields = fields;
    return &k->fields;
}
