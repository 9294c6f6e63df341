/*
 * The header blocks of the requests on one connection (RFC 7541). What a method's first request
 * says is put into the server's dynamic table, so that those after it are a few indices, and are
 * encoded once: no compressor runs on the way of a call.
 *
 * Blocks are a sequence: each must be sent, in the order in which load_headers_next gave them.
 */
#ifndef VQL_CLIENT_LOAD_HEADERS_H
#define VQL_CLIENT_LOAD_HEADERS_H

#include <stddef.h>
#include <stdint.h>

#include "load_kind.h"

typedef struct load_headers load_headers;

/* A block has at most so many bytes. */
#define LOAD_BLOCK_BYTES 4096

/* And a user behind it so many: two lengths, the name, and the 20 digits of 2^64. */
#define LOAD_USER_BYTES 33

typedef struct load_headers_options {
    const char *authority;     /* HOST:PORT */
    const char *scheme;        /* "http" or "https" */
    const char *authorization; /* NULL: none */
    const char *timeout;       /* grpc-timeout; NULL: none */
} load_headers_options;

/* Its texts must outlive it. NULL when there is no memory, or a block would be too large. */
load_headers *load_headers_new(const load_headers_options *options);
void load_headers_free(load_headers *h);

/* The server's SETTINGS_HEADER_TABLE_SIZE. False when there is no memory. */
bool load_headers_limit(load_headers *h, uint32_t table_bytes);

/* The block of the next request; valid until the next call. */
size_t load_headers_next(load_headers *h, load_kind kind, const uint8_t **block);

/*
 * Writes the field x-vql-user, at most LOAD_USER_BYTES of it, to go behind a block: a literal that
 * the server's table does not keep (RFC 7541 §6.2.2), so that the next blocks mean what they did.
 * Returns its bytes.
 */
size_t load_headers_user(uint64_t user, uint8_t *out);

#endif
