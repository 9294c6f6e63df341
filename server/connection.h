/*
 * A connection: a socket on a thread's loop and the session that speaks for it. Bytes read are fed
 * to the session at once; bytes to write are collected and written once a turn of the loop
 * (connections_flush).
 */
#ifndef VQL_SERVER_CONNECTION_H
#define VQL_SERVER_CONNECTION_H

#include <stdint.h>
#include <uv.h>

#include "service.h"
#include "session.h"

typedef struct connection connection;

/* The connections of one thread. */
typedef struct connections {
    /* Set by the owner, and constant. */
    uv_loop_t *loop;
    service *service;
    session_options options;
    uint32_t max_count;
    int64_t (*wall_ms)(void); /* milliseconds since the Unix epoch */

    /* Zeros at first. */
    uint32_t count;
    connection *all;   /* every open one */
    connection *dirty; /* those with something to write */

    /* The owner's: the shard has work, so that reading is to be done in smaller pieces. */
    bool busy;
    uint64_t turn_end_ns; /* when this turn has read enough; 0: it has read nothing */
    uint32_t denied;      /* connections that had to leave something for the next turn */

    /* A listener whose next connection there was no memory for: tried again at each flush. */
    uv_stream_t *waiting;

    uint8_t *read_buffer;  /* [LIMIT_READ_BYTES] */
    uint8_t *write_buffer; /* [LIMIT_WRITE_BYTES] */
} connections;

/* Allocates the buffers. False: no memory. */
bool connections_init(connections *all);

/*
 * Accepts a connection from a listening socket; beyond max_count it is closed at once. Without
 * memory it is tried again at the next flush: libuv takes no other from the listener before.
 */
void connections_accept(connections *all, uv_stream_t *listener);

/* Writes what sessions have to say. */
void connections_flush(connections *all);

/* Tells every client to open no more calls; each connection closes once its calls are done. */
void connections_drain(connections *all);

/* Closes every connection now. They are gone when the loop has run. */
void connections_close(connections *all);

/* Frees the buffers. No connection is left. */
void connections_clear(connections *all);

#endif
