/*
 * The header fields of one request as they arrive, and what gRPC asks of them (PROTOCOL-HTTP2.md,
 * "Requests"). Fields that nothing here depends on are counted and forgotten.
 */
#ifndef VQL_SERVER_REQUEST_H
#define VQL_SERVER_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "grpc.h"

enum {
    REQUEST_PATH_BYTES = 256,      /* the longest path of a service of ours has 62 */
    REQUEST_TIMEOUT_BYTES = 32,    /* a well-formed timeout has 9 */
    REQUEST_ENCODING_BYTES = 32,   /* of an encoding that is only ever named in a refusal */
    REQUEST_TYPE_BYTES = 32,       /* of a content-type likewise */
    REQUEST_METADATA_BYTES = 4096, /* of the fields that are kept, names and terminators included */
};

/* Values are terminated and cut off at their array's end; the lengths are those received. */
typedef struct request {
    bool post;           /* :method is POST */
    bool grpc;           /* content-type is gRPC's */
    bool accepts_gzip;   /* grpc-accept-encoding has gzip */
    bool timed;          /* there is a grpc-timeout */
    size_t header_bytes; /* as SETTINGS_MAX_HEADER_LIST_SIZE counts (RFC 9113 §6.5.2) */
    size_t path_length;  /* 0: there was none */
    size_t timeout_length;
    char path[REQUEST_PATH_BYTES];
    char timeout[REQUEST_TIMEOUT_BYTES];
    char encoding[REQUEST_ENCODING_BYTES]; /* grpc-encoding; empty: none */
    char format[REQUEST_TYPE_BYTES];       /* what follows "application/grpc"; empty: nothing */

    /* The fields that are wanted: "name\0value\0" each; those that have no room are not there. */
    const char *const *wanted; /* names, ended by NULL; NULL: none */
    size_t metadata_bytes;
    char metadata[REQUEST_METADATA_BYTES];
} request;

/* Forgets the last request, but not what is wanted. */
void request_begin(request *r);

/*
 * The value of the first field of that name, one of those wanted, terminated, valid until the next
 * request; NULL: there is none.
 */
const char *request_metadata(const request *r, const char *name);

/* Takes the next field; names are in lower case, as HTTP/2 has them. */
void request_field(request *r, const uint8_t *name, size_t name_length, const uint8_t *value,
                   size_t value_length);

/* The HTTP status to refuse a request with that is not gRPC's, a static string; NULL: it is. */
const char *request_http_error(const request *r);

/*
 * Checks a gRPC request. Returns GRPC_OK and the time that the client gives it, UINT64_MAX for any,
 * or the status that *error was filled with.
 */
grpc_status request_check(const request *r, uint32_t max_header_bytes, uint64_t *timeout_ns,
                          grpc_error *error);

#endif
