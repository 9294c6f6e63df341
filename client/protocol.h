/*
 * gRPC's small change, seen from the client: status codes, timeouts and the texts of headers.
 * Source: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md and, for answers that are
 * not gRPC's, doc/http-grpc-status-mapping.md.
 */
#ifndef VQL_CLIENT_PROTOCOL_H
#define VQL_CLIENT_PROTOCOL_H

#include <stddef.h>
#include <stdint.h>

#include "vqlclient.h"

/* A grpc-timeout value: eight digits, a unit and a terminator. */
#define PROTOCOL_TIMEOUT_BYTES 10

/* What an HTTP status means when no grpc-status came with it. */
vqlc_status protocol_status_of_http(int http_status);

/* What a stream's end by an HTTP/2 error code (RFC 9113 §7) means. */
vqlc_status protocol_status_of_reset(uint32_t error_code);

/* The value of grpc-status; UNKNOWN when it is not the number of a status. */
vqlc_status protocol_status_parse(const uint8_t *text, size_t length);

/*
 * The value of grpc-retry-pushback-ms; -1, "do not retry" (gRFC A6), when it is not a number >= 0.
 */
int64_t protocol_pushback_parse(const uint8_t *text, size_t length);

/*
 * Writes a timeout in the finest unit that eight digits hold, rounded up, so that the server does
 * not give up before the client does.
 */
void protocol_timeout_format(uint64_t timeout_ns, char out[PROTOCOL_TIMEOUT_BYTES]);

/*
 * Decodes a percent-encoded grpc-message into out, terminated, cut at capacity - 1 bytes but not
 * inside a UTF-8 sequence. As the protocol asks, an escape that is malformed stays as it is; so
 * does "%00".
 */
void protocol_message_decode(const uint8_t *text, size_t length, char *out, size_t capacity);

#endif
