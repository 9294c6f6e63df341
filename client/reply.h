/*
 * What the peer's headers have said about a call, and what it comes to when the call's stream ends.
 */
#ifndef VQL_CLIENT_REPLY_H
#define VQL_CLIENT_REPLY_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vqlclient.h"

/* How a call ended: a vqlc_result that owns its text. */
typedef struct outcome {
    vqlc_status status;
    bool from_server;
    int64_t pushback_ms;
    char message[512]; /* a longer one is cut */
} outcome;

/* Writes an outcome that was made here: not from the server, no pushback. */
void outcome_set(outcome *o, vqlc_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void outcome_set_list(outcome *o, vqlc_status status, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

typedef struct reply {
    int http_status;       /* 0: none yet */
    bool is_grpc;          /* content-type begins with application/grpc */
    char content_type[64]; /* "" : none; a longer one is cut */
    bool has_status;       /* the last block of headers held a grpc-status: */
    outcome trailers;      /* … which, with grpc-message and grpc-retry-pushback-ms, is this */
} reply;

void reply_init(reply *r);

/* A block of headers begins: a response's, or its trailers. */
void reply_begin_headers(reply *r);

/* One header of the block; names are in lower case, as HTTP/2 has them. */
void reply_header(reply *r, const uint8_t *name, size_t name_length, const uint8_t *value,
                  size_t value_length);

/* Whether the body holds gRPC messages, as far as the headers say. */
bool reply_has_messages(const reply *r);

/*
 * The call's outcome, now that its stream has ended with an HTTP/2 error code (0: an orderly end).
 * partial_message: the body ended inside a message.
 */
void reply_conclude(const reply *r, uint32_t error_code, bool partial_message, outcome *out);

#endif
