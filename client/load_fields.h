/*
 * The header blocks of the answers on one connection (RFC 7541), and what they say. A server sends
 * the same few blocks over and over: one that was seen since the dynamic table last changed is
 * known by its bytes, and nothing is decompressed.
 */
#ifndef VQL_CLIENT_LOAD_FIELDS_H
#define VQL_CLIENT_LOAD_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vqlclient.h"

typedef struct load_reader load_reader;

/* What a block says. */
typedef struct load_fields {
    int http_status; /* 0: it does not say */
    bool is_grpc;    /* content-type begins with application/grpc */
    bool has_status; /* … grpc-status, which is: */
    vqlc_status status;
    char message[128]; /* grpc-message; a longer one is cut */
} load_fields;

/* NULL when there is no memory. */
load_reader *load_reader_new(void);
void load_reader_free(load_reader *r);

/*
 * Reads the next block of the connection. NULL when it is malformed, or there is no memory: the
 * connection cannot go on. Else valid until the next call.
 */
const load_fields *load_reader_take(load_reader *r, const uint8_t *block, size_t bytes);

#endif
