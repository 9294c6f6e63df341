/*
 * A connection: a socket on a thread's loop, TLS if the server has credentials, and the session
 * that speaks for it. Bytes read are fed to the session at once; bytes to write are collected and
 * written once a turn of the loop (connections_flush).
 *
 *   TCP with credentials:     socket <─> tls <─> session, which begins when the handshake is done
 *   TCP without, Unix socket: socket <─────────> session
 */
#ifndef VQL_SERVER_CONNECTION_H
#define VQL_SERVER_CONNECTION_H

#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#include "census.h"
#include "credentials.h"
#include "limit.h"
#include "router.h"
#include "session.h"

typedef struct connection connection;
TAILQ_HEAD(handshake_list, connection);

/* The connections of one thread. */
typedef struct connections {
    /* Set by the owner, and constant. */
    uv_loop_t *loop;
    const router *router;
    /*
     * lifetime.max_age_ns is the mean of what a connection gets; the patience for the handshake
     * begins when it is accepted, and is for that of TLS, too.
     */
    session_options options;
    credentials *credentials; /* NULL: nothing is encrypted */
    census *census;           /* NULL: an address may have any number */
    uint32_t max_count;
    uint32_t max_handshakes;  /* of TLS; one more ends the oldest */
    int64_t (*wall_ms)(void); /* milliseconds since the Unix epoch */

    /* Set to wall_ms and the sessions' clock before a session is fed; NULL: nobody looks. */
    int64_t *wall;
    uint64_t *now;

    /* Zeros at first. */
    uint32_t count;
    connection *all;                  /* every open one */
    connection *dirty;                /* those with something to write */
    struct handshake_list handshakes; /* those whose handshake is not done, the oldest first */
    uint32_t handshake_count;
    uint64_t complained_ns; /* when a refusal was last logged */
    uint32_t refused;       /* since then */

    /* The owner's: the shard has work, so that reading is to be done in smaller pieces. */
    bool busy;
    uint64_t turn_end_ns; /* when this turn has read enough; 0: it has read nothing */
    uint32_t denied;      /* connections that had to leave something for the next turn */

    /* Listeners whose next connection there was no memory for: tried again at each flush. */
    uv_stream_t *waiting[LIMIT_LISTENERS];
    uint32_t waiting_count;

    uint8_t *read_buffer;  /* [LIMIT_READ_BYTES] */
    uint8_t *write_buffer; /* [LIMIT_WRITE_BYTES] */
    uint8_t *plain_buffer; /* [LIMIT_WRITE_BYTES]: before it is encrypted, after it was decrypted */
} connections;

/* Allocates the buffers. False: no memory. */
bool connections_init(connections *all);

/*
 * Accepts a connection from a listening socket; beyond max_count, or what the census allows, it is
 * closed at once. Without memory it is tried again at the next flush: libuv takes no other from the
 * listener before.
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
