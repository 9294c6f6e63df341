/*
 * One attempt to connect: to HOST:PORT, whose name is resolved off the loop and whose addresses are
 * tried one after another, all within one timeout; or to a Unix socket.
 */
#ifndef VQL_CLIENT_CONNECTOR_H
#define VQL_CLIENT_CONNECTOR_H

#include <uv.h>

typedef struct connector connector;

typedef struct connector_handler {
    /*
     * How it went: socket, a uv_tcp_t or a uv_pipe_t, is connected, allocated by malloc, and from
     * now on the callee's, to be closed and then freed; or it is NULL and why, valid during the
     * callback, says what went wrong.
     */
    void (*on_done)(void *context, uv_stream_t *socket, const char *why);

    /* The loop has nothing of the connector any more. */
    void (*on_gone)(void *context);
} connector_handler;

/*
 * Begins. host and port are terminated and copied; port NULL: host is the path of a Unix socket.
 * handler must outlive the connector, which frees itself. Returns 0, or an error of libuv: neither
 * callback will come and *out is not set.
 */
int connector_start(uv_loop_t *loop, const char *host, const char *port, uint32_t timeout_ms,
                    const connector_handler *handler, void *context, connector **out);

/* Gives up: on_gone follows, on_done does not. Only before on_done. */
void connector_cancel(connector *c);

#endif
