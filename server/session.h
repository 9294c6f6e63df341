/*
 * One gRPC connection of the server, sans I/O: HTTP/2 bytes in, HTTP/2 bytes out (RFC 9113 by
 * nghttp2, gRPC's own rules by https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). No
 * sockets, no clock, no threads: `now` is given by the caller, in nanoseconds of any monotonic
 * clock, and never goes back.
 *
 *   bytes ─ session_feed ─> nghttp2 ─> call ─> on_call, on_message …, on_half_close ─> handler
 *   bytes <─ session_drain ─ nghttp2 <─ call <─ call_send …, call_finish <──────────── handler
 *
 * A call is one HTTP/2 stream. It begins with on_call and ends in exactly one of two ways: the
 * handler calls call_finish, or the session calls on_cancel. After either, the handler must not
 * touch the call again. call_resume may call on_message and on_half_close, session_feed and
 * session_drain any of the five, session_tick on_cancel; call_send…, call_finish and call_hold call
 * none. A handler may use any open call in any callback, but may not feed, drain, tick or free the
 * session there.
 *
 * Memory is bounded: options.max_streams calls, each with at most one message of
 * options.max_message_bytes being put together, one stream window of unread input, and answers of
 * which no more are asked for (the input is held) while more than options.max_unsent_bytes wait for
 * the peer; and all of them together by options.max_connection_bytes of input and as many of
 * answers, beyond which the connection's window stays shut, or messages are refused.
 */
#ifndef VQL_SERVER_SESSION_H
#define VQL_SERVER_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "grpc.h"
#include "ledger.h"
#include "lifetime.h"
#include "patience.h"
#include "spares.h"

typedef struct session session;
typedef struct call call;

/* What the session tells its owner. context is the one given to session_new. */
typedef struct session_handler {
    /*
     * A new call for method `path` ("/package.Service/Method", terminated, valid during the
     * callback; longer paths than any service has are answered by the session). The handler may
     * finish the call at once.
     */
    void (*on_call)(void *context, call *c, const char *path);

    /* A whole request message, valid during the callback. The handler may finish the call. */
    void (*on_message)(void *context, call *c, const uint8_t *message, size_t bytes);

    /*
     * The next message cannot be delivered: it is too long, compressed or malformed, or the stream
     * ends inside it. No more messages come; the handler finishes the call with the error, now or
     * when the answers that it still owes have left. error is valid during the callback.
     */
    void (*on_refused)(void *context, call *c, const grpc_error *error);

    /* The client will send no more messages: all that it sent have been delivered. */
    void (*on_half_close)(void *context, call *c);

    /*
     * The call is over without the handler's doing: the client cancelled it, the connection is
     * lost, its deadline has passed or memory has run out. The call is invalid when this returns.
     */
    void (*on_cancel)(void *context, call *c);
} session_handler;

/*
 * A method of a service. Its handler's on_call gets the calls that are given to it by
 * call_set_rpc.
 */
typedef struct rpc {
    const char *path; /* "/package.Service/Method" */
    const session_handler *handler;
    bool many_requests; /* false: the session sees to it that exactly one request is delivered */
    const void *data;   /* the handler's own */
} rpc;

/* Zeros where nothing is said. */
typedef struct session_options {
    uint32_t max_streams;       /* SETTINGS_MAX_CONCURRENT_STREAMS */
    uint32_t max_header_bytes;  /* SETTINGS_MAX_HEADER_LIST_SIZE; more is RESOURCE_EXHAUSTED */
    uint32_t stream_window;     /* bytes of flow control a stream, below 2^31 */
    uint32_t connection_window; /* bytes of flow control for the connection, below 2^31 */
    uint32_t max_message_bytes; /* a request message; more is RESOURCE_EXHAUSTED */
    uint32_t max_unsent_bytes;  /* answers waiting in one call before its input is held */

    /*
     * An answer of at least this many bytes is sent as gzip to a client that accepts it, if it is
     * shorter so; 0: none is.
     */
    uint32_t compress_above;

    lifetime_options lifetime; /* 0: it never ends, and no pings are sent */

    /*
     * Names of header fields that call_metadata can tell, ended by NULL; NULL: none. A traceparent
     * among them is counted and logged.
     */
    const char *const *metadata;

    /*
     * Unfinished messages of all calls, beyond which one is refused as RESOURCE_EXHAUSTED, and
     * answers waiting in all calls, beyond which all input is held. 0: no limit.
     */
    size_t max_connection_bytes;
    ledger *ledger; /* counts both, and refuses as UNAVAILABLE when it is full; NULL: none */

    struct meters *meters;     /* of the thread, which count it; may be NULL */
    struct call_log *call_log; /* of the thread; may be NULL */

    spares *spares; /* that its calls take memory from, and HTTP/2 does; may be NULL */

    /* What the connection may waste of the server's time (budget.h); 0: no limit. */
    uint64_t budget_ns;

    uint64_t patience_ms[PATIENCES]; /* 0: no limit */

    /*
     * A message that has begun, or that call_expect says is due, may take so long, and longer by
     * 1 s for each body_rate bytes of it, while it is not held. 0: no limit.
     */
    uint64_t body_ms;
    uint32_t body_rate;
} session_options;

/*
 * A session for a fresh connection. options and handler are copied. Returns NULL when there is no
 * memory. The server's SETTINGS are the first bytes to drain.
 */
session *session_new(const session_options *options, const session_handler *handler, void *context);

/* Frees the session; calls still open get on_cancel first. NULL is ignored. */
void session_free(session *s);

/*
 * Takes bytes from the peer, in whatever pieces they arrived. Returns false when the connection is
 * beyond repair: drain what is left (a GOAWAY), then close it. A peer that breaks HTTP/2 also gets
 * a GOAWAY after true was returned: session_done tells once it is drained.
 */
bool session_feed(session *s, uint64_t now_ns, const uint8_t *bytes, size_t count);

/*
 * Writes up to `capacity` bytes for the peer to out and returns how many; fewer than capacity:
 * nothing else to send for now. Messages held because of unsent answers are delivered from here.
 */
size_t session_drain(session *s, uint8_t *out, size_t capacity);

/* When session_tick is due: the earliest deadline there is, or earlier; UINT64_MAX: never. */
uint64_t session_due(const session *s);

/*
 * Ends the calls whose deadline has passed, or whose message does not arrive, with
 * DEADLINE_EXCEEDED. A deadline also bounds how long answers wait for a client that does not read
 * them: its stream is reset, finished or not.
 * A connection that is old is shut down, and so is one that has been idle for too long; one that
 * has run out of another patience (patience.h) is ended. A peer that is silent is pinged. The first
 * tick starts the connection's clock.
 */
void session_tick(session *s, uint64_t now_ns);

/*
 * True when the connection is to be closed at once, with what was not written: its grace is over,
 * or its peer takes no bytes, or did not answer a ping.
 */
bool session_lost(const session *s);

/*
 * Asks the peer to open no more calls; those open go on. In two steps, so that no call on its way
 * is lost: a GOAWAY that refuses nothing and a PING, and the final GOAWAY once that is answered.
 */
void session_shutdown(session *s);

/*
 * True when the connection may be closed: nothing to read, nothing to send, after the final GOAWAY
 * of session_shutdown, a GOAWAY of the peer or an error.
 */
bool session_done(const session *s);

/* How many calls are open: begun, and not ended in either way. */
uint32_t session_calls(const session *s);

/* The handler's own pointer, NULL at first. */
void call_set_data(call *c, void *data);
void *call_data(const call *c);

/*
 * From now on the call's events go to the method's handler with this context, and the message of a
 * method that takes one is due. For on_call, and once a call: the caller then calls the handler's
 * on_call.
 */
void call_set_rpc(call *c, const rpc *method, void *context);

/* The call's method; NULL: call_set_rpc was not called. */
const rpc *call_rpc(const call *c);

/* The context of the call's session, whosever the call is now. */
void *call_peer(const call *c);

/*
 * The value of a header field of the request, one of those of options.metadata, terminated and not
 * decoded; NULL: there is none. For on_call alone.
 */
const char *call_metadata(const call *c, const char *name);

/*
 * Add a field to the head of the answer, before its first message is sent, or to the trailers. Both
 * strings are copied; a name is lower case, and a value printable (Base64 where the name ends with
 * "-bin"). False: there is no memory, or the call has RESPONSE_METADATA of them.
 */
bool call_add_header(call *c, const char *name, const char *value);
bool call_add_trailer(call *c, const char *name, const char *value);

/* Whether the message that is being delivered came compressed. */
bool call_was_compressed(const call *c);

/* As options.compress_above, for the answers of this call from now on, where that is not 0. */
void call_compress_above(call *c, uint32_t bytes);

/* Whose answer the call gets, for meters: an index of meters.models. */
void call_set_model(call *c, unsigned model);

/* The call's deadline on the clock of `now`; UINT64_MAX: none. */
uint64_t call_deadline(const call *c);

/* The latest time that the call's session was given. */
uint64_t call_now(const call *c);

/*
 * Queues one answer message; the bytes are copied. False when there is no memory: nothing was
 * queued, and the handler should finish the call.
 */
bool call_send(call *c, const uint8_t *message, size_t bytes);

/*
 * The same without a copy: call_compose returns room for a message of at most `most` bytes, NULL
 * when there is no memory, and call_send_composed queues the first `bytes` of them. Nothing else
 * may be done with the call between the two.
 */
uint8_t *call_compose(call *c, size_t most);
void call_send_composed(call *c, size_t bytes);

/*
 * Ends the call with a status, after the answers queued before. message may be NULL, is copied, and
 * is percent-encoded as the protocol asks. pushback_ms >= 0 adds grpc-retry-pushback-ms (gRFC A6);
 * -1 adds none. A client that still sends is told to stop, and what it sends is dropped.
 */
void call_finish(call *c, grpc_status status, const char *message, int64_t pushback_ms);

/* The same with an error's status, message and pushback, and the details of its cause. */
void call_fail(call *c, const grpc_error *error);

/* The call's next message is due: it has body_ms from now to arrive. */
void call_expect(call *c);

/*
 * call_hold stops the delivery of messages, and of the half-close behind them: what the client
 * sends on stays in the stream's window. call_resume delivers again, at once for what has arrived.
 * Not counted: one resume undoes any number of holds.
 */
void call_hold(call *c);
void call_resume(call *c);

#endif
