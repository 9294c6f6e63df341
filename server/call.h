/*
 * The insides of a session and its calls; for these files alone.
 *
 *   session.c     the connection: nghttp2's callbacks, bytes in and out, deadlines, the end
 *   call.c        one stream: answers out, how it ends
 *   call_input.c  messages in, flow control
 *
 * A call lives as long as its HTTP/2 stream, from its header block until nghttp2 closes it. It is
 * never freed below a callback of the handler: nghttp2 closes streams only inside
 * nghttp2_session_mem_recv and _mem_send, and not inside another callback. It is `over` once the
 * handler is done with it; what is left then is output.
 */
#ifndef VQL_SERVER_CALL_H
#define VQL_SERVER_CALL_H

#include <nghttp2/nghttp2.h>
#include <sys/queue.h>

#include "budget.h"
#include "byte_queue.h"
#include "frame.h"
#include "gzip.h"
#include "request.h"
#include "response.h"
#include "session.h"
#include "stray_reset.h"
#include "traceparent.h"

enum { GOAWAY_FRAME_BYTES = 17 };

struct call {
    TAILQ_ENTRY(call) in_session;
    TAILQ_ENTRY(call) in_ready;
    session *session;
    int32_t stream_id;
    const session_handler *handler; /* of its events, with context */
    void *context;
    const rpc *rpc; /* NULL: not set */
    void *data;
    uint64_t timeout_ns;
    uint64_t deadline_ns;

    bool ready;                          /* in session->ready */
    bool held;                           /* by the handler */
    bool delivering;                     /* below call_deliver */
    bool ended;                          /* END_STREAM has arrived */
    bool half_closed;                    /* on_half_close was called */
    bool asked;                          /* a message was delivered */
    bool refused;                        /* on_refused was called: what still comes is dropped */
    bool responded;                      /* the answer's HEADERS are submitted */
    bool over;                           /* ended for the handler */
    bool cut;                            /* past its deadline: no more of the answers leaves */
    bool expected;                       /* a message is due, though none has begun */
    bool loose;                          /* body_due_ns counts from a time that may be an old one */
    uint64_t body_since_ns, body_due_ns; /* the message's; UINT64_MAX: none is waited for */
    size_t input_counted, output_counted, counted; /* in the session's ledgers, and the thread's */

    /*
     * What has arrived and was not delivered. The stream's window is given back for the message
     * being put together and kept for what lies behind a hold: `unread` bytes of all received.
     */
    byte_queue input;
    size_t unread;
    frame_prefix frame; /* what the last look at the input found */
    gzip_result gzip;   /* what became of the last message that came compressed */
    bool surplus;       /* a message came behind the only one that the method takes */

    byte_queue output; /* frames that nghttp2 has not taken */
    uint64_t began_ns;
    unsigned model;               /* of meters.models; 0: none */
    traceparent trace;            /* empty: none */
    bool accepts_gzip;            /* and so grpc-encoding is gzip */
    uint32_t compress_above;      /* 0: no answer is compressed */
    byte_queue headers, trailers; /* "name\0value\0" each */
    unsigned header_count, trailer_count;
    response_status status;
    char *message;                         /* status.message, owned */
    char *details;                         /* status.details, owned */
    char encoding[REQUEST_ENCODING_BYTES]; /* the request's grpc-encoding */
};

TAILQ_HEAD(call_list, call);

struct session {
    nghttp2_session *h2;
    stray_reset stray_reset; /* before h2 */
    session_options options;
    session_handler handler;
    void *context;
    uint64_t now_ns; /* the latest that was given */
    uint64_t due_ns; /* no call's deadline is earlier */

    struct call_list calls; /* every stream that became a call */
    struct call_list ready; /* those to be looked at before more is sent: call_pump */
    uint32_t open;          /* calls that are not over */
    ledger input, output;   /* the memory of calls' queues */
    bool clogged;           /* so many answers wait that all input is held */
    size_t owed; /* received bytes for which the connection's window was not given back */
    budget budget;
    patience patience;
    uint64_t blocks; /* stray_reset.blocks when it was last looked at */
    bool started;    /* session_tick or session_feed was called */
    request request; /* the header block now arriving: one at a time (RFC 9113 §4.3) */

    const uint8_t *pending; /* what nghttp2 gave and was not drained */
    size_t pending_bytes;
    bool draining;           /* session_shutdown was called */
    uint32_t last_stream_id; /* of the latest request */
    lifetime lifetime;
    bool lost; /* session_lost */

    /*
     * After an error of nghttp2's fatal range h2 may only be freed: the connection ends with this
     * GOAWAY of our own.
     */
    bool broken;
    bool goaway_sent;
    uint8_t goaway[GOAWAY_FRAME_BYTES];
};

/* Looks at the result of a call to nghttp2; after a fatal one the session is broken. */
void session_check(session *s, int result);

/* Pays for what the peer has caused. Without the means, the session is broken. */
void session_pay(session *s, uint64_t cost_ns);

/* Gives the connection's window back, unless too much waits. */
void session_credit(session *s);

/* Ends the connection with an HTTP/2 error code: nothing but its GOAWAY is sent any more. */
void session_break(session *s, uint32_t code);

/* A call for a stream whose request, s->request, was checked. NULL: no memory. */
call *call_new(session *s, int32_t stream_id, uint64_t timeout_ns);

/* Bytes of the stream's DATA, none of which nghttp2 counts as consumed by the stream yet. */
void call_receive(call *c, const uint8_t *bytes, size_t count);

/* The stream's END_STREAM. */
void call_receive_end(call *c);

/* Forgets what has arrived and was not delivered. */
void call_discard_input(call *c);

/* Delivers what may be delivered and refuses bad input. Takes it off the ready. */
void call_pump(call *c);

/* The deadline has passed. */
void call_expire(call *c);

/* The message that was waited for has not arrived. */
void call_starve(call *c);

/* The call is over without an answer: on_cancel unless it was over before. */
void call_cancel(call *c);

/* Frees a call that is over. */
void call_free(call *c);

/* Ends the call with a status that is not the handler's, which gets on_cancel. */
void call_abort(call *c, const grpc_error *error);

/* The session will come by before it sends more. */
void call_make_ready(call *c);

/* Counts the memory that the call's queues take now. */
void call_count(call *c);

/* Answers are waiting for the peer: no more are asked for. */
bool call_is_clogged(const call *c);

#endif
