/*
 * A run: calls go out on connections as a schedule has it, whatever becomes of those before (an
 * open loop), or as many at a time as there are streams (a closed loop), and what becomes of them
 * is counted. One thread, on the kernel's clock and epoll.
 *
 * A call that is due while every stream is busy waits, and its wait is part of its latency; only
 * when too many wait is it skipped, and counted. So a server that stalls is seen by all the calls
 * that were due meanwhile, and not by the few that were under way.
 */
#ifndef VQL_CLIENT_LOAD_RUN_H
#define VQL_CLIENT_LOAD_RUN_H

#include <signal.h>

#include "load_link.h"
#include "load_requests.h"
#include "load_schedule.h"
#include "load_tally.h"

typedef struct load_run load_run;

/* One interval of a run has passed. */
typedef struct load_interval {
    double begin_s, end_s;   /* from the end of the warm-up; below 0: it is part of it */
    double rate;             /* planned, in its middle; 0: none is */
    const load_tally *tally; /* what happened in it: valid during the call */
    uint64_t waiting;        /* calls that are due and not sent */
    uint64_t in_flight;
} load_interval;

typedef struct load_run_options {
    load_plan plan;
    bool closed; /* a closed loop: of the plan, only the times count */
    uint32_t connections;
    uint32_t streams;      /* calls in flight on each */
    uint32_t most_waiting; /* calls that are due and not sent; one more is skipped */
    uint64_t drain_ns;     /* how long to wait for answers at the end */
    uint64_t interval_ns;
    const load_target *target;          /* its epoll is the run's */
    load_connection_options connection; /* but calls in flight and callback */
    load_requests *requests;

    /*
     * May be NULL. before_call may make another request of one that was drawn; on_answer sees every
     * call that ends, and may make another status of its own.
     */
    void (*before_call)(void *context, load_request *request);
    vqlc_status (*on_answer)(void *context, const load_call *call, const load_answer *answer);
    void (*on_interval)(void *context, const load_interval *interval);
    void *context;
} load_run_options;

/* What a run came to. */
typedef struct load_outcome {
    load_tally *tally; /* the caller's, who frees it */
    double start_s;    /* the end of the warm-up, in seconds of the Unix epoch */
    double measured_s; /* from the end of the warm-up to the end of the schedule */
    double answered_s; /* … to the last answer, if that is later */
    double cpu_s;      /* of this process, meanwhile */
    uint64_t connects; /* connections made */
    bool connected;    /* the server was reached */
    bool interrupted;  /* load_run_stopped was set */
    char error[256];   /* why a connection ended last, or could not be made; "": none */
    char texts[LOAD_STATUSES][128]; /* the first text that came with a status */
} load_outcome;

/* Runs it. False: there is no memory. */
bool load_run_all(const load_run_options *options, load_outcome *outcome);

/* Set, it ends the run that is under way, early: by a signal's handler, or a callback. */
extern volatile sig_atomic_t load_run_stopped;

/* Now, in nanoseconds of a clock that only goes forward. */
uint64_t load_now_ns(void);

#endif
