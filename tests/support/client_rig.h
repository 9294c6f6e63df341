/*
 * The client's engine between a test's hands: a server that the test holds, a record of what a call
 * has told, and a time that passes when the test says so. The engine's limits are small on purpose:
 * messages of 1000 bytes, 100 unsent bytes, 4 waiting calls.
 */
#ifndef VQL_TESTS_CLIENT_RIG_H
#define VQL_TESTS_CLIENT_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine.h"
#include "toy_server.h"

#define SECOND      UINT64_C(1000000000)
#define NO_DEADLINE UINT64_MAX

/* What one rpc has told. */
typedef struct record {
    rpc *rpc; /* NULL once done */
    char messages[256];
    unsigned message_count;
    size_t last_bytes;
    unsigned done_count;
    unsigned writable_count;
    vqlc_status status;
    char text[512];
    int64_t pushback_ms;
    bool from_server;
    bool cancel_on_message;
} record;

/* An engine, its server and the time that both live in. */
typedef struct world {
    engine *engine;
    toy_server *server;
    uint64_t now_ns;
    unsigned wakes;
} world;

/* What a world's engine is made with: the record's callbacks, the options, and the wake. */
extern const rpc_handler record_handler;
extern const engine_options world_options;
void world_wake(void *context);

/* Opens and closes a world: max_streams and window are the server's SETTINGS. */
void world_init(world *w, uint32_t max_streams, uint32_t window);
void world_free(world *w);

/* A world whose connection is up. */
void world_open(world *w);

/*
 * Moves bytes both ways, at most `step` (or as many as there are) at a time, until all are moved.
 */
void exchange_by(world *w, size_t step);
void exchange(world *w);

/* Starts a call of user 70. */
rpc *start(world *w, record *r, uint64_t deadline_ns, bool wait_for_ready);

/* Starts a call, sends "ask" and half closes, and lets it reach the server. */
toy_call *ask(world *w, record *r);

/* Asserts that a call has ended, once and so. */
void assert_ended(const record *r, vqlc_status status, const char *text, bool from_server);

#endif
