/*
 * A lane of a shard: jobs of one kind of length, worked on one after the other, the most urgent
 * first. Lanes take turns, step by step, so that a job waits for a step of each other lane and not
 * for a whole job.
 */
#ifndef VQL_SERVER_LANE_H
#define VQL_SERVER_LANE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "job_queue.h"
#include "pushback.h"
#include "shedder.h"
#include "vql/scorer.h"

/* The lanes of a shard. */
typedef enum lane_kind {
    LANE_SHORT = 0, /* everything but what the other two are for */
    LANE_LONG,      /* scores of more than LIMIT_SHORT_CANDIDATES candidates and events */
    LANE_REBUILD,   /* scores of users whose cache has to be made, if that takes many steps */
} lane_kind;

enum { LANES = LANE_REBUILD + 1 };

typedef enum lane_phase {
    LANE_FRESH,      /* the job in hand was not looked at yet, or there is none */
    LANE_REBUILDING, /* its user's cache is being made */
    LANE_SCORING,    /* its candidates are: the scorer has the cache folded */
} lane_phase;

typedef struct lane {
    lane_kind kind;
    job_queue queue;
    size_t pressing; /* jobs in the queue that are not patient: what the shedder is about */
    shedder shedder;
    pushback pushback;
    vql_scorer *scorer; /* of the job in hand, while it is scored; its version's own */
    job *current;       /* in hand; NULL: none */
    lane_phase phase;
    struct meters *meters; /* the owner's; may be NULL */
    atomic_bool refusing;  /* shedder_refuses, as it was when a job last came or went */
} lane;

/*
 * The lane of a job. Appends stay in the order that they came in, so that only scores are sorted by
 * their length, and inspections behind them.
 */
lane_kind lane_of(const job *j);

/* Waits are as for shedder_init. False: no memory. */
bool lane_init(lane *l, lane_kind kind, uint64_t target_ns, uint64_t interval_ns);

/* Frees what the lane keeps; no job is in it. A lane of zeros is allowed. */
void lane_clear(lane *l);

/* True when it has no job. */
static inline bool lane_idle(const lane *l)
{
    return !l->current && l->queue.count == 0;
}

/* How many jobs it has. */
static inline size_t lane_jobs(const lane *l)
{
    return l->queue.count + (l->current != NULL);
}

void lane_push(lane *l, job *j, uint64_t now_ns);

/* Takes the most urgent job in hand, if none is. NULL: there is none. */
job *lane_current(lane *l, uint64_t now_ns);

/* Gives the job in hand away. */
job *lane_release(lane *l);

/*
 * True when the job is not to be worked on: it was cancelled, its deadline has passed, or it was
 * not worked on yet and waited too long. Its error says so.
 */
bool lane_drops(lane *l, job *j, uint64_t now_ns);

/* Takes out the waiting jobs that lane_drops: a list linked by next_queued. */
job *lane_sweep(lane *l, uint64_t now_ns);

#endif
