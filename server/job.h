/*
 * A job: one decoded request on its way to its user's shard and back with its answer.
 *
 * The thread that received the request makes the job, validates it and sizes its arrays; the
 * shard's thread fills in the answer; then it is the first thread's again. Only `cancelled` is ever
 * touched by both at once.
 */
#ifndef VQL_SERVER_JOB_H
#define VQL_SERVER_JOB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "errand.h"
#include "event.h"
#include "grpc.h"
#include "ledger.h"
#include "model_view.h"
#include "upsert.h"
#include "version.h"

typedef enum operation {
    OPERATION_SCORE,
    OPERATION_APPEND,
    OPERATION_GET,
    OPERATION_DELETE,
    OPERATION_UPSERT,  /* of items: the upserter's, no shard's */
    OPERATION_LOAD,    /* of a model: the loader's, no shard's */
    OPERATION_INSPECT, /* of a user: the job is an inspection */
} operation;

typedef struct job {
    errand errand; /* first, so that it is the job too: what a clerk is asked to do for it */

    /* The arrays, which are kept for the next request, and their bytes in the pool's ledger. */
    uint64_t *item_ids; /* [item_count], the candidates */
    size_t item_capacity;
    event
        *events; /* [event_count]: of the request; for OPERATION_GET, of the answer, newest last */
    size_t event_capacity;
    float *scores; /* [item_count, T], the answer */
    size_t score_capacity;
    size_t counted;

    /*
     * Where it is: a queue's link, the thread that it came from, the exchange that waits for it
     * (NULL: nobody does).
     */
    struct job *next_queued;
    struct job *next_in_exchange;
    struct exchange *exchange;
    uint32_t origin;
    bool done;
    bool patient; /* of a stream, which flow control slows down: never refused for its wait */
    atomic_bool cancelled;
    uint64_t deadline_ns;          /* on the clock of `now`; UINT64_MAX: none */
    uint64_t arrived_ns;           /* on the same clock: since when it waits */
    uint64_t started_ns;           /* when its shard last began with it; 0: it did not */
    bool missed;                   /* its user's cache was not in memory */
    model_hold *held;              /* what keeps its version; the service's */
    version *version;              /* that it is answered with */
    struct version_caches *caches; /* of its version, while a Score is its shard's */
    struct load *load; /* of its user's cache, which it waits for or scores with; NULL: none */
    uint64_t due_ns;   /* job_queue: what it is ordered by, and by order among equals */
    uint64_t order;

    /* The request. */
    operation operation;
    uint32_t max_events;
    uint64_t user_id;
    int64_t time_ms;
    uint64_t min_sequence;
    uint64_t before_sequence;
    size_t item_count;
    size_t event_count;
    uint32_t news;        /* the user's number when it was sent to the store: news.h */
    bool ids_checked;     /* events of a score: those applied are taken out, as of history */
    upsert_order *upsert; /* of OPERATION_UPSERT, its answer too; NULL: none */

    /* The answer. */
    size_t scored; /* candidates done so far */
    uint32_t unknown_items;
    bool unknown_user;
    uint64_t sequence;             /* the user's; for OPERATION_GET that of the history */
    uint64_t first_event_sequence; /* OPERATION_GET: of events[0] */
    uint32_t appended, duplicates;
    durability durability;
    uint64_t deleted;
    history_info history;
    size_t cache_bytes;
    grpc_error error;

    /* Large: set where they are needed, and not zeros before. */
    char model[VQL_MAX_NAME_BYTES + 1]; /* empty at first: none is asked for */
    uint32_t occupied[VQL_MAX_HEADS];   /* [G], OPERATION_GET */
} job;

/*
 * Jobs for one thread: finished ones are kept, with their arrays, for the next requests, as long as
 * those that are kept take no more than LIMIT_KEPT_BYTES together.
 */
typedef struct job_pool {
    job *free;
    size_t free_bytes;
    uint32_t taken; /* jobs that are out; at most LIMIT_JOBS */
    ledger *ledger; /* of the thread; set by the owner, and constant; NULL: nobody counts */
} job_pool;

/*
 * A job with empty arrays, and zeros but in what is large; NULL: LIMIT_JOBS are out, the ledger is
 * full, or there is no memory. A quarter more than fills the ledger is kept for those who have
 * nothing else under way: fresh.
 */
job *job_take(job_pool *pool, bool fresh);

/* Tells the ledger how large the job's arrays are now. */
void job_count(job_pool *pool, job *j);

/* Gives a job back to the pool that it was taken from. */
void job_give(job_pool *pool, job *j);

/* Frees the jobs that the pool keeps. */
void job_pool_clear(job_pool *pool);

/* Makes room for count elements in all. False: no memory. */
bool job_reserve_items(job *j, size_t count);

/* Adds one element, growing the array. False: no memory. */
bool job_add_item(job *j, uint64_t item_id);
bool job_add_event(job *j, const event *e);

/* True when ids have to be looked up for the events of a Score to be those that are new. */
bool job_has_unchecked_ids(const job *j);

/* Gives the job a message of items. False: no memory. */
bool job_set_upsert(job *j, const uint8_t *message, size_t bytes);

/* False: the history is older than the request demands, as the job's error says. */
bool job_has_history(job *j);

/* Room for count events or scores. False: no memory. */
bool job_reserve_events(job *j, size_t count);
bool job_reserve_scores(job *j, size_t count);

#endif
