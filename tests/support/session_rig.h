/*
 * A session and a client joined back to back, with a handler whose behaviour a call's path chooses:
 *
 *     /test/Unary    answers its message when the client half-closes
 *     /test/Stream   answers every message at once, and OK at the half-close
 *     /test/Early    finishes at its first message: FAILED_PRECONDITION "enough", no answer
 *     /test/Refuse   finishes in on_call: UNAVAILABLE "busy: 100 %", pushback 250 ms
 *     /test/Large    answers a message of the length that its 4-byte big-endian message names
 *     /test/Hold     holds at every message
 *     /test/Silent   does nothing
 *     others         finish in on_call: UNIMPLEMENTED
 */
#ifndef VQL_TESTS_SESSION_RIG_H
#define VQL_TESTS_SESSION_RIG_H

#include <stddef.h>
#include <stdint.h>

#include "h2_client.h"
#include "session.h"

typedef struct session_rig {
    session *session;
    h2_client *client;
    uint64_t now_ns; /* given to session_feed */

    /* What the handler was told; a call that has ended counts as one of the last two. */
    unsigned begun, messages, refused, half_closed, finished, cancelled;
    size_t message_bytes; /* of all messages */
    call *latest;         /* the call begun last; NULL when that has ended */
    const ledger *ledger; /* looked at with every message; NULL: none */
    size_t ledger_used;   /* at the last one */
} session_rig;

/* Options with room for every ordinary test. */
extern const session_options rig_options;

/* The handler; its context is a session_rig, of which it uses only what it is told. */
extern const session_handler rig_handler;

/* NULL options: rig_options and H2_CLIENT_OPTIONS. */
void session_rig_start(session_rig *rig, const session_options *options,
                       const h2_client_options *client_options);
void session_rig_stop(session_rig *rig);

/* Carries bytes both ways until neither side has any. */
void session_rig_run(session_rig *rig);

/* Finishes the latest call with OK. */
void session_rig_finish(session_rig *rig);

/* Carries bytes one way. */
void session_rig_run_client(session_rig *rig);
void session_rig_run_server(session_rig *rig);

#endif
