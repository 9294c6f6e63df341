/*
 * The services: which methods there are, and what happens to their calls between a session and the
 * shards. One for each thread; no I/O, no clock.
 *
 *   session: on_message ──> decode, validate ──> job ──> route ──> … a shard, on any thread …
 *   session: call_send  <── encode <── answers in the order of the requests <── service_complete
 *
 * Requests that a shard is not needed for (models) are answered at once.
 *
 * A connection that has its share of the requests under way (LIMIT_SHARE) has its further calls
 * held, not refused: the client's own windows make it wait. When requests are done, connections
 * that wait take turns, and so do the calls of each.
 */
#ifndef VQL_SERVER_SERVICE_H
#define VQL_SERVER_SERVICE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "decode.h"
#include "encode.h"
#include "gate.h"
#include "job.h"
#include "model_view.h"
#include "pushback.h"
#include "recent.h"
#include "router.h"

typedef struct exchange exchange;
LIST_HEAD(exchange_list, exchange);
TAILQ_HEAD(peer_queue, peer);

typedef struct service {
    /* Set by the owner, and constant. */
    request_limits limits;
    gate_view *gate; /* NULL: everything is allowed to everybody */
    uint32_t origin; /* job.origin of the jobs made here */
    /*
     * Sends a job to its shard; the job comes back by service_complete, from the owner and not from
     * within. False: the job was not taken, as its error says.
     */
    bool (*route)(void *owner, job *j);
    /* Whether a user's shard refuses more of a kind (shard_refuses); NULL: none does. */
    bool (*refuses)(void *owner, uint64_t user_id, bool is_long);
    /*
     * Sends a job that is no shard's (OPERATION_LOAD, OPERATION_UPSERT) on, as route does to a
     * shard; NULL: nobody takes them.
     */
    bool (*control)(void *owner, job *j);
    recent *recent; /* requests that new models are tried with; NULL: none are kept */
    void *owner;
    spares *spares;        /* of the thread; may be NULL */
    struct meters *meters; /* likewise */

    /* The owner's clock, brought up to date before it feeds a session. */
    int64_t wall_ms; /* since the Unix epoch */
    uint64_t now_ns; /* on the sessions' clock */

    model_view models; /* set up and brought up to date by the owner; service_clear clears it */

    /* The service's own; zeros at first. */
    bool draining;
    uint32_t scored; /* requests, modulo 2^32 */
    job_pool jobs;
    ledger ledger;     /* of the thread; its limit is set by the owner */
    pushback pushback; /* for those that are refused here */
    message_buffer message;
    struct exchange_list streams; /* calls with any number of requests */
    struct peer_queue waiting;    /* connections whose calls wait for room, the next one first */
    uint32_t waiting_count;
} service;

/* The header fields that calls are told, for session_options. */
extern const char *const service_metadata[];

/* Adds the services of vql.v1 to the router, with s as their context. */
void service_add(service *s, router *r);

/* An answered job is back. The job is the service's again. */
void service_complete(service *s, job *j);

/* Fills in the error of a job that finds `waiting` others where it should wait. */
void service_overloaded(service *s, job *j, unsigned waiting);

/*
 * From now on streams are refused with UNAVAILABLE, and those that are open end once what they have
 * asked is answered. Unary calls are served as long as clients may still open them, which is up to
 * the connection's last GOAWAY.
 */
void service_drain(service *s);

/* Frees what the service keeps. All sessions are closed and all jobs are back. */
void service_clear(service *s);

#endif
