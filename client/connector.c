#include "connector.h"

#include <inttypes.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* Lives until its last handle and request are gone: `pending` counts them. */
struct connector {
    const connector_handler *handler;
    void *context;
    bool done; /* on_done was called or given up */
    uint32_t timeout_ms;
    unsigned pending;
    uv_timer_t timer;
    uv_getaddrinfo_t resolution;
    bool resolving;
    struct addrinfo *addresses;
    struct addrinfo *next_address;
    uv_stream_t *socket; /* being connected */
    uv_connect_t connection;
};

static void release(connector *c)
{
    if (--c->pending == 0) {
        c->handler->on_gone(c->context);
        uv_freeaddrinfo(c->addresses);
        free(c);
    }
}

static void on_timer_closed(uv_handle_t *handle)
{
    release(handle->data);
}

static void on_socket_closed(uv_handle_t *handle)
{
    free(handle);
}

/* Stops whatever is under way; its callbacks find that the connector is done. */
static void stop(connector *c)
{
    c->done = true;
    uv_close((uv_handle_t *)&c->timer, on_timer_closed);
    if (c->resolving)
        (void)uv_cancel((uv_req_t *)&c->resolution);
    if (c->socket != NULL) {
        uv_close((uv_handle_t *)c->socket, on_socket_closed);
        c->socket = NULL;
    }
}

static void fail(connector *c, const char *why)
{
    stop(c);
    c->handler->on_done(c->context, NULL, why);
}

static void succeed(connector *c)
{
    uv_stream_t *socket = c->socket;
    c->socket = NULL;
    stop(c);
    c->handler->on_done(c->context, socket, NULL);
}

static void on_timeout(uv_timer_t *timer)
{
    connector *c = timer->data;
    char why[64];
    (void)snprintf(why, sizeof why, "no answer within %" PRIu32 " ms", c->timeout_ms);
    fail(c, why);
}

static void try_next(connector *c, int error);

static void on_connected(uv_connect_t *request, int status)
{
    connector *c = request->data;
    if (!c->done) {
        if (status == 0) {
            succeed(c);
        } else {
            uv_close((uv_handle_t *)c->socket, on_socket_closed);
            c->socket = NULL;
            try_next(c, status);
        }
    }
    release(c);
}

/* Begins to connect to an address. Returns 0 or an error of libuv, with no socket left behind. */
static int connect_to(connector *c, const struct sockaddr *address)
{
    uv_tcp_t *tcp = malloc(sizeof *tcp);
    if (tcp == NULL)
        return UV_ENOMEM;
    const int unmade = uv_tcp_init(c->timer.loop, tcp);
    if (unmade != 0) {
        free(tcp);
        return unmade;
    }
    c->connection.data = c;
    const int error = uv_tcp_connect(&c->connection, tcp, address, on_connected);
    if (error != 0) {
        uv_close((uv_handle_t *)tcp, on_socket_closed);
        return error;
    }
    c->socket = (uv_stream_t *)tcp;
    c->pending++;
    return 0;
}

/* The same with a Unix socket, whose errors all come by the callback. */
static int connect_to_path(connector *c, const char *path)
{
    uv_pipe_t *pipe = malloc(sizeof *pipe);
    if (pipe == NULL)
        return UV_ENOMEM;
    const int unmade = uv_pipe_init(c->timer.loop, pipe, 0);
    if (unmade != 0) {
        free(pipe);
        return unmade;
    }
    c->connection.data = c;
    uv_pipe_connect(&c->connection, pipe, path, on_connected);
    c->socket = (uv_stream_t *)pipe;
    c->pending++;
    return 0;
}

/* Tries the remaining addresses, `error` being what became of the one before them. */
static void try_next(connector *c, int error)
{
    while (c->next_address != NULL) {
        const struct addrinfo *address = c->next_address;
        c->next_address = address->ai_next;
        error = connect_to(c, address->ai_addr);
        if (error == 0)
            return;
    }
    fail(c, uv_strerror(error));
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *addresses)
{
    connector *c = request->data;
    c->resolving = false;
    c->addresses = addresses;
    c->next_address = addresses;
    if (!c->done)
        try_next(c, status != 0 ? status : UV_EAI_NODATA);
    release(c);
}

int connector_start(uv_loop_t *loop, const char *host, const char *port, uint32_t timeout_ms,
                    const connector_handler *handler, void *context, connector **out)
{
    connector *c = calloc(1, sizeof *c);
    if (c == NULL)
        return UV_ENOMEM;
    c->handler = handler;
    c->context = context;
    c->timeout_ms = timeout_ms;
    c->resolution.data = c;
    c->timer.loop = loop;
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    const int error = port == NULL
                          ? connect_to_path(c, host)
                          : uv_getaddrinfo(loop, &c->resolution, on_resolved, host, port, &hints);
    if (error != 0) {
        free(c);
        return error;
    }
    if (port != NULL) {
        c->resolving = true;
        c->pending++;
    }
    (void)uv_timer_init(loop, &c->timer);
    c->timer.data = c;
    (void)uv_timer_start(&c->timer, on_timeout, timeout_ms, 0);
    c->pending++;
    *out = c;
    return 0;
}

void connector_cancel(connector *c)
{
    stop(c);
}
