/*
 * The client's end of one gRPC connection, sans I/O: HTTP/2 bytes in, HTTP/2 bytes out (RFC 9113 by
 * nghttp2). No sockets, no threads, no clock: `now` is given by the caller, in nanoseconds of any
 * monotonic clock, and never goes back.
 *
 *   rpc_start, rpc_send … ──> waiting ──> nghttp2 ──> engine_drain ──> bytes to the server
 *   on_message, on_done … <── rpc    <── nghttp2 <── engine_feed  <── bytes from the server
 *
 * An engine exists before its connection does: calls may be started at once and wait. engine_open
 * says that bytes may flow; engine_unreachable that they may not for now; engine_lost that they
 * never will again. Calls also wait while the server allows no more of them at a time.
 *
 * An rpc is one call. It ends exactly once, with on_done, after which it may not be touched.
 * Callbacks come from engine_feed, engine_drain, engine_tick, engine_unreachable, engine_lost and
 * engine_free only, never from an rpc_ function; there, the rpc_ functions may be called and the
 * engine_ functions may not.
 */
#ifndef VQL_CLIENT_ENGINE_H
#define VQL_CLIENT_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vqlclient.h"

typedef struct engine engine;
typedef struct rpc rpc;

typedef struct engine_options {
    const char *authority;      /* HOST:PORT as the server knows itself; copied */
    const char *authorization;  /* of every call; must outlive the engine; NULL: none */
    bool encrypted;             /* its bytes travel by TLS: the calls' :scheme */
    uint32_t max_message_bytes; /* an answer; a larger one is RESOURCE_EXHAUSTED */
    uint32_t max_unsent_bytes;  /* messages waiting in one rpc before it is full */
    uint32_t max_waiting_calls; /* rpcs not yet sent; one more is UNAVAILABLE */
} engine_options;

/*
 * Makes an engine without a connection. wake(context) is called by the rpc_ functions when they
 * have left something to do for engine_tick and engine_drain; it may be called again before that.
 * NULL when there is no memory.
 */
engine *engine_new(const engine_options *options, void (*wake)(void *context), void *context);

/* Frees the engine; rpcs that are still open end with CANCELLED. */
void engine_free(engine *e);

/* The connection is up. The client's preface and SETTINGS are the first bytes to drain. */
void engine_open(engine *e, uint64_t now_ns);

/*
 * There is no connection for now, `why`: ends the rpcs that do not wait for one with UNAVAILABLE,
 * as it will those that are started until engine_open. Only before engine_open.
 */
void engine_unreachable(engine *e, const char *why);

/*
 * The connection is gone: ends the rpcs that were sent with UNAVAILABLE and the text of
 * engine_error or, when there is none, `why`. Those that wait are left for engine_move_waiting.
 */
void engine_lost(engine *e, const char *why);

/* Moves the rpcs that wait, in order, to another engine. */
void engine_move_waiting(engine *from, engine *to);

/*
 * Takes bytes from the server, in whatever pieces they arrived. When they are not what they should
 * be, engine_done says so once the last bytes (a GOAWAY) are drained.
 */
void engine_feed(engine *e, uint64_t now_ns, const uint8_t *bytes, size_t count);

/* Writes up to capacity bytes for the server to out and returns how many; 0: nothing for now. */
size_t engine_drain(engine *e, uint8_t *out, size_t capacity);

/* When engine_tick is due: 0 at once; UINT64_MAX: never. */
uint64_t engine_due(const engine *e);

/*
 * Ends the rpcs whose deadline has passed with DEADLINE_EXCEEDED, sends waiting ones and makes the
 * callbacks that rpc_ functions have left.
 */
void engine_tick(engine *e, uint64_t now_ns);

/* Whether the server has answered on this connection: its SETTINGS have come. */
bool engine_ready(const engine *e);

/*
 * Whether this connection takes no more rpcs: the server said GOAWAY, or stream ids have run out.
 */
bool engine_draining(const engine *e);

/* Whether the connection may be closed: there is nothing to read or to send any more. */
bool engine_done(const engine *e);

/* What was wrong with the bytes from the server; NULL: nothing. */
const char *engine_error(const engine *e);

/* What an rpc tells its owner. */
typedef struct rpc_handler {
    /* A whole message, valid during the callback. */
    void (*on_message)(void *context, const uint8_t *message, size_t bytes);

    /* The rpc was full and has room again. */
    void (*on_writable)(void *context);

    /* The rpc is over and invalid when this returns; result is valid until then. */
    void (*on_done)(void *context, const vqlc_result *result);
} rpc_handler;

typedef struct rpc_request {
    const char *path;     /* "/package.Service/Method"; must outlive the rpc */
    uint64_t deadline_ns; /* on the clock of `now`; UINT64_MAX: none */
    bool wait_for_ready;  /* wait while the server is unreachable */
    bool has_user;        /* send x-vql-user: */
    uint64_t user_id;
    const rpc_handler *handler; /* must outlive the rpc */
    void *context;
} rpc_request;

/* Starts an rpc. NULL when there is no memory. */
rpc *rpc_start(engine *e, uint64_t now_ns, const rpc_request *request);

/*
 * Queues a message; the bytes are copied. False when the rpc is full, half closed or over, or there
 * is no memory: nothing was queued. A message of any size is taken by an rpc that is not full.
 */
bool rpc_send(rpc *r, const uint8_t *message, size_t bytes);

/* Whether rpc_send may succeed. */
bool rpc_writable(const rpc *r);

/* There will be no more messages. */
void rpc_half_close(rpc *r);

/* Ends the rpc with a status made here and tells the server that nobody waits for it. */
void rpc_fail(rpc *r, vqlc_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
