/*
 * A worker: one thread with an event loop, listening sockets, its connections, and one shard of
 * the users.
 *
 *   a turn of the loop:  sockets, mailboxes ─> the shard, for a millisecond ─> others woken, writes
 *
 * Workers hand jobs to each other by their posts. A worker whose post put something into another's
 * mailboxes wakes it once at the end of its own turn.
 */
#ifndef VQL_SERVER_WORKER_H
#define VQL_SERVER_WORKER_H

#include <stdatomic.h>
#include <stdint.h>
#include <uv.h>

#include "call_log.h"
#include "connection.h"
#include "health.h"
#include "limit.h"
#include "meters.h"
#include "post.h"
#include "reflection.h"
#include "service.h"
#include "shard.h"

/* What the control thread asks of a worker; each follows the one before. */
typedef enum worker_command {
    WORKER_SERVE,
    WORKER_DRAIN, /* accept nothing, finish open calls, close connections as they become idle */
    WORKER_STOP,  /* close what is left and end */
} worker_command;

typedef struct worker worker;

/* A socket that is listened on. */
typedef union worker_listener {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
} worker_listener;

struct worker {
    uint32_t index;
    worker *workers; /* all of them, as many as there are posts; workers[index] is this one */

    post *post;
    router router;
    service service;
    health health;
    reflection reflection;
    connections connections;
    spares spares; /* of the service and the connections, once the worker is made */

    uv_thread_t thread;
    uv_loop_t loop;
    worker_listener listeners[LIMIT_LISTENERS];
    uint32_t listener_count;
    uv_async_t wakeup;
    uv_prepare_t turn_start;
    uv_check_t turn_end;
    uv_timer_t retention;
    uv_timer_t behind; /* active while the shard has work that nobody waits for */
    uv_idle_t busy;    /* active while the shard has work: the loop does not block */

    atomic_int command;                   /* a worker_command, by the control thread */
    atomic_uint outages;                  /* store_outages, by the control thread */
    unsigned told_outages;                /* those that health was told */
    worker_command obeyed;                /* the last one carried out */
    atomic_uint open_connections;         /* read by any thread */
    meters meters;                        /* read by the admin thread */
    call_log call_log;                    /* its options are set by the owner */
    atomic_bool asked;                    /* for meters.shard, by the admin thread */
    atomic_bool serves;                   /* as health says; read by the admin thread */
    atomic_uint_fast64_t models_revision; /* of the set that requests see; read by any thread */
};

/*
 * Makes a worker around a shard, which becomes the worker's, and starts to listen on the first
 * fd_count of fds, bound sockets, at most LIMIT_LISTENERS. index, workers, the constants of service
 * (but those that post_init sets) and of connections (but loop, router, wall and now), and of the
 * post all that post_init asks for but service are set. Returns 0, or a libuv error with the shard
 * still the caller's; the sockets are the worker's either way.
 */
int worker_init(worker *w, shard *s, const int *fds, uint32_t fd_count);

/* Starts the thread. Returns 0 or a libuv error. */
int worker_start(worker *w);

/* From any thread: gives a command. */
void worker_command_send(worker *w, worker_command command);

/* From any thread: what the store cannot do, store_outages, which health is told. */
void worker_set_outages(worker *w, unsigned outages);
/* From any thread: the worker looks at its mailboxes, and whether there are other models. */
void worker_wake(worker *w);

/* From any thread: has the worker set meters.shard, soon, after which `asked` is false. */
void worker_ask(worker *w);

/* Waits for the thread to end after WORKER_STOP. */
void worker_join(worker *w);

/*
 * Frees what worker_init made; the thread has ended or was never started, and so have all others.
 */
void worker_clear(worker *w);

#endif
