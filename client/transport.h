/*
 * One connection to the server: an engine, the socket that carries its bytes once there is one, and
 * the timer of its deadlines. What the engine has to send leaves by one write per turn of the loop.
 *
 *   rpc_… ──> engine ──wake──> the next turn of the loop: engine_tick, engine_drain, one uv_write
 */
#ifndef VQL_CLIENT_TRANSPORT_H
#define VQL_CLIENT_TRANSPORT_H

#include <uv.h>

#include "engine.h"

typedef struct transport transport;

/* How a transport is encrypted; must outlive it. */
typedef struct transport_security {
    const vqlc_tls *tls; /* NULL: not at all */
    const char *host;    /* whom the certificate must name, unless tls says */
    uint32_t timeout_ms; /* for the handshake */
} transport_security;

typedef struct transport_handler {
    /* The server takes no more calls on this transport; those that are open go on. Told once. */
    void (*on_draining)(void *context, transport *t);

    /* The socket is gone and with it the calls that were open; those that wait still do. */
    void (*on_down)(void *context, transport *t, const char *why);

    /* The connection is closed and invalid when this returns. */
    void (*on_closed)(void *context, transport *t);
} transport_handler;

/* Makes a connection without a socket. handler must outlive it. NULL when there is no memory. */
transport *transport_new(uv_loop_t *loop, const engine_options *options,
                         const transport_security *security, const transport_handler *handler,
                         void *context);

/*
 * Gives it its socket, a uv_tcp_t or uv_pipe_t, connected and allocated by malloc; only once. It is
 * the connection's from now on, even when it fails at once and on_down comes from inside this
 * function.
 */
void transport_attach(transport *t, uv_stream_t *socket);

/* Its engine, for starting calls and moving those that wait. */
engine *transport_engine(transport *t);

/*
 * Closes socket and timer; then ends what calls are left with CANCELLED and calls on_closed. It
 * does so once however often it is called.
 */
void transport_close(transport *t);

#endif
