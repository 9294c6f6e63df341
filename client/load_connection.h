/*
 * A connection of vqlbench to the server, sans I/O: HTTP/2 bytes in, HTTP/2 bytes out (RFC 9113).
 * It is made for many small calls: it allocates nothing for a call, puts frames together in place,
 * and compresses and decompresses no header block twice. It speaks what a load generator needs of
 * HTTP/2; libvqlclient's engine is the general one.
 *
 *   load_connection_begin, _commit ──> load_connection_output ──> bytes to the server
 *   on_answer <── load_connection_feed <── bytes from the server
 *
 * A call is one request and its answer: a stream of its own, or one message of the connection's
 * long stream of that kind, which opens with the first.
 */
#ifndef VQL_CLIENT_LOAD_CONNECTION_H
#define VQL_CLIENT_LOAD_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "load_headers.h"
#include "vqlclient.h"

typedef struct load_connection load_connection;

/* What the caller wants to know of a call when it ends. Times are of one clock, in nanoseconds. */
typedef struct load_call {
    uint64_t due_ns;  /* when it should have been sent */
    uint64_t sent_ns; /* when it was */
    uint64_t user;    /* named as x-vql-user, but by a long stream, which is of all users */
    uint32_t tag;     /* the caller's */
    load_kind kind;
} load_call;

/* How a call ended; valid during the callback. */
typedef struct load_answer {
    vqlc_status status;
    const char *text;       /* terminated; "" when there is nothing to say */
    const uint8_t *message; /* with VQLC_OK */
    size_t bytes;
} load_answer;

typedef struct load_connection_options {
    load_headers_options headers;
    uint32_t max_calls;         /* in flight at a time, at least 1 */
    uint32_t max_message_bytes; /* of an answer */

    /* A call has ended. Called by load_connection_feed and load_connection_fail only. */
    void (*on_answer)(void *context, const load_call *call, const load_answer *answer);
    void *context;
} load_connection_options;

/* Texts must outlive it. NULL when there is no memory. */
load_connection *load_connection_new(const load_connection_options *options);
void load_connection_free(load_connection *c);

/*
 * Whether a call of that kind may be started: the server's SETTINGS have come, and neither streams,
 * windows nor room for output are used up.
 */
bool load_connection_ready(const load_connection *c, load_kind kind);

/*
 * Gives room for the message of a call, of so many bytes; NULL when there is no memory. The
 * connection must be ready for the kind. load_connection_commit then starts the call.
 */
uint8_t *load_connection_begin(load_connection *c, size_t bytes);
void load_connection_commit(load_connection *c, const load_call *call);

/* How many calls are in flight. */
uint32_t load_connection_calls(const load_connection *c);

/* What is to be sent, which load_connection_sent takes away from the front. */
size_t load_connection_output(const load_connection *c, const uint8_t **bytes);
void load_connection_sent(load_connection *c, size_t bytes);

/*
 * Takes bytes from the server, in any pieces. False when they are not what they should be, which
 * load_connection_error says: then the connection is to be given up by load_connection_fail.
 */
bool load_connection_feed(load_connection *c, const uint8_t *bytes, size_t count);

/* What was wrong with the bytes; "": nothing. */
const char *load_connection_error(const load_connection *c);

/* Whether the server takes no more calls here (GOAWAY), and those in flight have ended. */
bool load_connection_done(const load_connection *c);

/* The connection is gone: ends every call with this status. */
void load_connection_fail(load_connection *c, vqlc_status status, const char *why);

#endif
