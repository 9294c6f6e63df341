/*
 * A toy server behind a listening socket, on the loop of the client under test. Every connection
 * has a toy_server of its own; after each piece of input the test's script sees to that
 * connection.
 */
#ifndef VQL_TESTS_TOY_HOST_H
#define VQL_TESTS_TOY_HOST_H

#include <uv.h>

#include "toy_server.h"

#define TOY_MAX_PEERS 16

typedef struct toy_host toy_host;

/* One connection. */
typedef struct toy_peer {
    toy_host *host;
    toy_server *server;
    uv_tcp_t tcp;
    bool closed;
} toy_peer;

struct toy_host {
    uv_loop_t *loop;
    uv_tcp_t listener;
    int port;
    void (*script)(toy_peer *peer, void *context);
    void *context;
    toy_peer peers[TOY_MAX_PEERS];
    unsigned peer_count;
};

/* Listens on 127.0.0.1, at a free port when `port` is 0. */
void toy_host_start(toy_host *h, uv_loop_t *loop, int port,
                    void (*script)(toy_peer *peer, void *context), void *context);

/* Sends what a peer's server has to send; needed outside of the script only. */
void toy_peer_flush(toy_peer *peer);

/* Closes one connection as if the server had died. */
void toy_peer_kill(toy_peer *peer);

/* Closes all connections and the listener; the loop has to run on. */
void toy_host_stop(toy_host *h);

/* Frees what toy_host_stop left, once the loop has ended. */
void toy_host_free(toy_host *h);

#endif
