/*
 * The HTTP/2 header blocks of gRPC's answers (PROTOCOL-HTTP2.md, "Responses"), given to nghttp2.
 *
 *     with messages       HEADERS, DATA …, HEADERS + END_STREAM     response_begin, response_end
 *     with none           HEADERS + END_STREAM                      response_only
 *     not a gRPC request  HEADERS + END_STREAM                      response_http_error
 *
 * All return nghttp2's code.
 */
#ifndef VQL_SERVER_RESPONSE_H
#define VQL_SERVER_RESPONSE_H

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stdint.h>

#include "grpc.h"

enum { RESPONSE_METADATA = 8 }; /* fields of the services' own in one header block */

/* Those fields: "name\0value\0" each, at most RESPONSE_METADATA. Zeros: none. */
typedef struct response_metadata {
    const char *text;
    size_t bytes;
} response_metadata;

/* How an answer begins. */
typedef struct response_head {
    bool gzip; /* messages may be compressed */
    response_metadata metadata;
} response_head;

/* How a call ended. message and details may be NULL. */
typedef struct response_status {
    grpc_status code;
    const char *message;
    const char *details; /* grpc-status-details-bin */
    int64_t pushback_ms; /* grpc-retry-pushback-ms (gRFC A6); -1: none */
    response_metadata metadata;
} response_status;

/* The head of an answer whose messages `body` provides. */
int response_begin(nghttp2_session *h2, int32_t stream_id, const response_head *head,
                   const nghttp2_data_provider *body);

/* The trailers, after the last of the body. */
int response_end(nghttp2_session *h2, int32_t stream_id, const response_status *status);

/* Head and trailers in one. */
int response_only(nghttp2_session *h2, int32_t stream_id, const response_head *head,
                  const response_status *status);

/* A bare HTTP answer, http_status being "405" or the like. */
int response_http_error(nghttp2_session *h2, int32_t stream_id, const char *http_status);

#endif
