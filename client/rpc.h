/*
 * The inside of an rpc and of an engine, for engine.c, rpc.c and http2.c.
 *
 * An rpc is WAITING (in engine.waiting, no stream), OPEN (in engine.open, with a stream) or ENDED
 * (in neither). While it has something to tell, it is in engine.news; an ended one is freed when it
 * has told it. deadlines holds those with a deadline that have not ended, earliest first.
 */
#ifndef VQL_CLIENT_RPC_H
#define VQL_CLIENT_RPC_H

#include <nghttp2/nghttp2.h>
#include <stdarg.h>

#include "assembler.h"
#include "engine.h"
#include "list.h"
#include "outbox.h"
#include "reply.h"

typedef enum rpc_state { RPC_WAITING, RPC_OPEN, RPC_ENDED } rpc_state;

struct rpc {
    engine *owner;
    list_link place;    /* in engine.waiting or engine.open */
    list_link deadline; /* in engine.deadlines */
    list_link news;     /* in engine.news */
    rpc_request request;
    rpc_state state;
    int32_t stream_id; /* once OPEN */
    bool half_closed;
    bool full;          /* max_unsent_bytes was reached, and half of it not yet passed */
    bool tell_writable; /* on_writable is due */
    outbox unsent;
    assembler incoming;
    reply answer;
    outcome outcome; /* once ENDED */
};

struct engine {
    nghttp2_session *session;
    engine_options options; /* options.authority is owned */
    void (*wake)(void *context);
    void *context;
    list_link waiting;
    list_link open;
    list_link deadlines;
    list_link news;
    uint32_t waiting_count;
    uint32_t open_count;
    bool is_open;        /* from engine_open to engine_lost, or until it is broken */
    bool is_ready;       /* the server's SETTINGS have come */
    bool is_broken;      /* nghttp2 cannot go on */
    bool is_unreachable; /* rpcs that do not wait for ready end at once with: */
    char why[512];
    char error[256];       /* what was wrong with the server's bytes; "": nothing */
    const uint8_t *unsent; /* bytes of nghttp2's that engine_drain had no room for */
    size_t unsent_bytes;
};

/* Moves an rpc to ENDED, with its outcome in place; on_done becomes due. */
void rpc_end(rpc *r);

/* Ends an rpc with a status made here; its stream, if any, is reset. */
void rpc_end_here(rpc *r, vqlc_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void rpc_end_here_list(rpc *r, vqlc_status status, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

/* Makes on_writable due if the rpc was full and now has room. */
void rpc_check_room(rpc *r);

/* Inserts an rpc among the deadlines of its engine. */
void rpc_set_deadline(rpc *r);

/* Ends the rpcs whose deadline has passed and sends those that wait as far as the server allows. */
void engine_advance(engine *e, uint64_t now_ns);

/*
 * Looks at the result of a call to nghttp2. After a fatal one, which leaves the server without what
 * it had to be told, the engine is broken: the connection is to be closed.
 */
void engine_check(engine *e, int result);

/* Makes the nghttp2 session of a fresh engine; NULL when there is no memory. */
nghttp2_session *http2_session_new(engine *e);

/* Sends an rpc that waits; it is OPEN, or ENDED when that fails. */
void http2_submit(rpc *r, uint64_t now_ns);

#endif
